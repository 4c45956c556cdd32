/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * How the signal handler takes a descriptor from an instruction to a work
 * queue. The instruction is not executed, because this processor has only one
 * of the two ways. The handler's context is made up.
 */

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "softdsa_dev.h"
#include "softdsa_insn.h"
#include "softdsa_portal.h"

#define WQS 2
#define PAGE 4096

static struct softdsa_dev *dev;
static uint8_t *portal[WQS];

static uint8_t *
map(unsigned int wq, void *at)
{
	char name[SOFTDSA_NAME_LEN], path[SOFTDSA_PATH_LEN];
	uint8_t *p;
	int fd;

	softdsa_dir_wq_name(wq, name);
	snprintf(path, sizeof(path), "%s/dev/%s", dev->dir.root, name);
	fd = open(path, O_RDWR | O_CLOEXEC);
	assert_true(fd >= 0);
	/* As idxd does. */
	p = mmap(at, PAGE, PROT_WRITE, MAP_SHARED | (at != NULL ? MAP_FIXED :
		0), fd, 0);
	assert_true(p != MAP_FAILED);
	close(fd);
	return p;
}

static int
make(bool empty)
{
	char why[SOFTDSA_WHY_LEN];
	unsigned int i;

	dev = aligned_alloc(128, (sizeof(*dev) + 127) / 128 * 128);
	assert_non_null(dev);
	memset(dev, 0, sizeof(*dev));
	softdsa_config_default(&dev->config);
	dev->config.wqs = WQS;
	if (softdsa_dir_make(&dev->dir, &dev->config, empty, why) != 0)
		return -1;
	dev->wqs = aligned_alloc(128, WQS * sizeof(*dev->wqs));
	assert_non_null(dev->wqs);
	memset(dev->wqs, 0, WQS * sizeof(*dev->wqs));
	for (i = 0; i < WQS; i++) {
		dev->wqs[i].state = SOFTDSA_ENABLED;
		dev->wqs[i].limit = 4;
		portal[i] = map(i, NULL);
	}
	return 0;
}

static int
setup_empty(void **state)
{
	(void)state;
	return make(true);
}

static int
setup_pages(void **state)
{
	(void)state;
	return make(false);
}

static int
teardown(void **state)
{
	unsigned int i;

	(void)state;
	for (i = 0; i < WQS; i++)
		munmap(portal[i], PAGE);
	softdsa_dir_remove(&dev->dir);
	assert_int_not_equal(access(dev->dir.root, F_OK), 0);
	free(dev->wqs);
	free(dev);
	return 0;
}

/* idxd's: destination in rax, source in rdx. */
static const uint8_t idxd_insn[] = { 0x66, 0x0f, 0x38, 0xf8, 0x02 };

static bool
store(void *dst, const struct softdsa_desc *desc)
{
	ucontext_t uc = { 0 };
	bool taken;

	uc.uc_mcontext.gregs[REG_RIP] = (greg_t)(uintptr_t)idxd_insn;
	uc.uc_mcontext.gregs[REG_RAX] = (greg_t)(uintptr_t)dst;
	uc.uc_mcontext.gregs[REG_RDX] = (greg_t)(uintptr_t)desc;
	taken = softdsa_portal_store(dev, &uc);
	assert_int_equal(uc.uc_mcontext.gregs[REG_RIP] -
		(greg_t)(uintptr_t)idxd_insn, taken ? sizeof(idxd_insn) : 0);
	return taken;
}

/* The queue has exactly this descriptor. */
static void
check_queue(unsigned int wq, const struct softdsa_desc *desc)
{
	struct softdsa_desc got;

	assert_true(softdsa_queue_take(&dev->wqs[wq].queue, &got));
	assert_memory_equal(&got, desc, sizeof(got));
	assert_false(softdsa_queue_take(&dev->wqs[wq].queue, &got));
	assert_false(softdsa_queue_take(&dev->wqs[!wq].queue, &got));
}

static void
test_a_store_goes_to_the_queue_of_its_portal(void **state)
{
	struct softdsa_desc desc = { .src = 1, .dst = 2, .size = 3 };

	(void)state;
	assert_true(store(portal[0], &desc));
	check_queue(0, &desc);
	desc.size = 4;
	/* Anywhere in the page. */
	assert_true(store(portal[1] + PAGE - 64, &desc));
	check_queue(1, &desc);
}

static void
test_a_store_elsewhere_is_not_taken(void **state)
{
	const struct softdsa_portal_id near[] = {
		{ SOFTDSA_PORTAL_MAGIC + 1, dev->dir.cookie, 0, 0 },
		{ SOFTDSA_PORTAL_MAGIC, dev->dir.cookie + 1, 0, 0 },
		{ SOFTDSA_PORTAL_MAGIC, dev->dir.cookie, WQS, 0 },
	};
	struct softdsa_desc desc = { 0 };
	unsigned int i;
	uint8_t *p;

	(void)state;
	p = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE |
		MAP_ANONYMOUS, -1, 0);
	assert_true(p != MAP_FAILED);
	assert_false(store(p, &desc));
	/* Nearly what stands in a portal. */
	for (i = 0; i < sizeof(near) / sizeof(near[0]); i++) {
		memcpy(p, &near[i], sizeof(near[i]));
		assert_false(store(p, &desc));
	}
	/* The instruction wants 64 B. */
	assert_false(store(portal[0] + 32, &desc));
	munmap(p, PAGE);
}

/* A driver may close one device and open another at the same address. */
static void
test_a_portal_mapped_anew_is_told_apart(void **state)
{
	struct softdsa_desc desc = { .size = 5 };

	(void)state;
	assert_true(store(portal[0], &desc));
	check_queue(0, &desc);
	map(1, portal[0]);
	assert_true(store(portal[0], &desc));
	check_queue(1, &desc);
	/* Something else. */
	assert_true(mmap(portal[0], PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE |
		MAP_ANONYMOUS | MAP_FIXED, -1, 0) == portal[0]);
	assert_false(store(portal[0], &desc));
	map(0, portal[0]);
	assert_true(store(portal[0], &desc));
	check_queue(0, &desc);
}

/* Portals of another process's device, such as one that was the parent. */
static void
test_a_portal_of_another_device_is_not_taken(void **state)
{
	struct softdsa_dev *mine = dev;
	struct softdsa_desc desc = { 0 };
	uint8_t *keep[WQS] = { portal[0], portal[1] };

	(void)state;
	assert_int_equal(make(mine->dir.empty_portals), 0);
	assert_false(store(keep[0], &desc));
	assert_true(store(portal[0], &desc));
	check_queue(0, &desc);
	teardown(NULL);
	dev = mine;
	portal[0] = keep[0];
	portal[1] = keep[1];
	assert_true(store(portal[0], &desc));
}

static void
test_a_full_or_disabled_queue_loses_stores(void **state)
{
	struct softdsa_desc desc = { 0 };
	unsigned int i;

	(void)state;
	for (i = 0; i < 6; i++)
		assert_true(store(portal[0], &desc));
	assert_int_equal(dev->wqs[0].counts.submitted, 4);
	assert_int_equal(dev->wqs[0].counts.dropped, 2);
	softdsa_wq_disable(dev, 0);
	assert_int_equal(dev->wqs[0].counts.aborted, 4);
	assert_true(store(portal[0], &desc));
	assert_int_equal(dev->wqs[0].counts.dropped, 3);
	softdsa_wq_enable(dev, 0);
	assert_true(store(portal[0], &desc));
	assert_int_equal(dev->wqs[0].counts.submitted, 5);
}

/* Registers that hold their number times 0x1000. */
static bool
decode(const uint8_t *bytes, struct softdsa_insn *insn)
{
	static const int order[16] = { REG_RAX, REG_RCX, REG_RDX, REG_RBX,
		REG_RSP, REG_RBP, REG_RSI, REG_RDI, REG_R8, REG_R9, REG_R10,
		REG_R11, REG_R12, REG_R13, REG_R14, REG_R15 };
	ucontext_t uc = { 0 };
	int i;

	for (i = 0; i < 16; i++)
		uc.uc_mcontext.gregs[order[i]] = i * 0x1000;
	uc.uc_mcontext.gregs[REG_RIP] = (greg_t)(uintptr_t)bytes;
	return softdsa_insn_read(&uc, insn);
}

/* As an assembler encodes them. */
static void
test_all_forms_of_the_instruction_are_read(void **state)
{
	static const struct {
		uint8_t bytes[12];
		unsigned int len;
		uint64_t dst, src;
	} forms[] = {
		/* movdir64b (%rdx), %rax */
		{ { 0x66, 0x0f, 0x38, 0xf8, 0x02 }, 5, 0, 0x2000 },
		/* movdir64b (%rsi), %rdi */
		{ { 0x66, 0x0f, 0x38, 0xf8, 0x3e }, 5, 0x7000, 0x6000 },
		/* movdir64b (%r9), %r8 */
		{ { 0x66, 0x45, 0x0f, 0x38, 0xf8, 0x01 }, 6, 0x8000, 0x9000 },
		/* movdir64b 0x10(%rbp), %rcx */
		{ { 0x66, 0x0f, 0x38, 0xf8, 0x4d, 0x10 }, 6, 0x1000, 0x5010 },
		/* movdir64b -0x40(%rsp), %rax */
		{ { 0x66, 0x0f, 0x38, 0xf8, 0x44, 0x24, 0xc0 }, 7, 0, 0x3fc0 },
		/* movdir64b 0x100(%rbx,%r12,8), %rax */
		{ { 0x66, 0x42, 0x0f, 0x38, 0xf8, 0x84, 0xe3, 0, 1, 0, 0 },
			11, 0, 0x3000 + 8 * 0xc000 + 0x100 },
		/* movdir64b 0x1234(,%rcx,2), %rax */
		{ { 0x66, 0x0f, 0x38, 0xf8, 0x04, 0x4d, 0x34, 0x12, 0, 0 },
			10, 0, 0x2000 + 0x1234 },
	};
	struct softdsa_insn insn;
	unsigned int i;

	(void)state;
	for (i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
		assert_true(decode(forms[i].bytes, &insn));
		assert_int_equal(insn.len, forms[i].len);
		assert_int_equal(insn.dst, forms[i].dst);
		assert_int_equal(insn.src, forms[i].src);
	}
}

static void
test_an_address_relative_to_the_instruction_is_read(void **state)
{
	static const uint8_t bytes[] = { 0x66, 0x0f, 0x38, 0xf8, 0x05, 0xf0,
		0xff, 0xff, 0xff };
	struct softdsa_insn insn;

	(void)state;
	assert_true(decode(bytes, &insn));
	assert_int_equal(insn.src, (uintptr_t)bytes + 9 - 16);
	assert_int_equal(insn.len, 9);
}

static void
test_other_instructions_are_not_taken(void **state)
{
	/* ud2; enqcmd (%rdx), %rax; between registers, which is none. */
	static const uint8_t others[][8] = {
		{ 0x0f, 0x0b }, { 0xf2, 0x0f, 0x38, 0xf8, 0x02 },
		{ 0x66, 0x0f, 0x38, 0xf8, 0xc2 }, { 0x66, 0x0f, 0x38, 0xf6 },
	};
	struct softdsa_insn insn;
	unsigned int i;

	(void)state;
	for (i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		assert_false(decode(others[i], &insn));
}

int
main(void)
{
#define BOTH(name) \
	{ #name " (SIGBUS)", name, setup_empty, teardown, NULL }, \
	{ #name " (SIGILL)", name, setup_pages, teardown, NULL }
	const struct CMUnitTest tests[] = {
		BOTH(test_a_store_goes_to_the_queue_of_its_portal),
		BOTH(test_a_store_elsewhere_is_not_taken),
		BOTH(test_a_portal_mapped_anew_is_told_apart),
		BOTH(test_a_portal_of_another_device_is_not_taken),
		BOTH(test_a_full_or_disabled_queue_loses_stores),
		cmocka_unit_test(test_all_forms_of_the_instruction_are_read),
		cmocka_unit_test(
			test_an_address_relative_to_the_instruction_is_read),
		cmocka_unit_test(test_other_instructions_are_not_taken),
	};

	return cmocka_run_group_tests_name("softdsa_portal", tests, NULL, NULL);
}
