/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Each allocation and system call of the control paths fails once. A scenario
 * is repeated, and each time the next call fails. The scenario then ends with a
 * fitting error or with none, leaves nothing behind, and works the next time.
 */

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include <rte_common.h>
#include <rte_memory.h>

#include "ferry_bulk.h"
#include "ferry_engine.h"
#include "ferry_errno.h"
#include "ferry_faults.h"
#include "ferry_memory.h"
#include "hub_fixture.h"

/* A scenario that takes longer hangs: seconds. */
#define HANGS 300
#define SLOT 4096
#define LEN (MIB + 5)
#define REGISTERED (4 * MIB)

static const struct ferry_channel_config small = { SLOT, 16 };

/* What scenarios start from, and what they make. */
struct stage {
	struct ferry_hub *hub;
	struct ferry_endpoint *ep;
	struct ferry_tx *tx;
	struct ferry_rx *rx;
	struct ferry_bulk_out *out;
	struct ferry_bulk_in *in;
	struct ferry_engine *engine;
	uint8_t *mem;
	char file[64];
	int result;
};

struct scenario {
	/* Without faults. */
	void (*before)(struct stage *s);
	/* With one fault: 0 or the first error. */
	int (*run)(struct stage *s);
	/* Without faults: undoes what both did. */
	void (*after)(struct stage *s);
	/* Errors that are right besides the fault's own. */
	const int *errors;
};

static void
nothing(struct stage *s)
{
	(void)s;
}

static void
hub_start(struct stage *s)
{
	s->hub = hub_make(HUB, 8 * MIB, 16, 16);
}

static void
hub_end(struct stage *s)
{
	if (s->hub == NULL)
		return;
	hub_check_empty(s->hub);
	assert_int_equal(ferry_hub_destroy(s->hub), 0);
}

/* What a fault kept from EAL, the next hub's end gives back. */
static void
hub_after(struct stage *s)
{
	hub_end(s);
	hub_start(s);
	hub_end(s);
}

static void
join(struct stage *s)
{
	hub_start(s);
	s->ep = hub_join(HUB, "a");
}

static void
leave(struct stage *s)
{
	ferry_detach(s->ep);
	hub_end(s);
}

static void
channel_start(struct stage *s)
{
	join(s);
	assert_int_equal(ferry_tx_open(&s->tx, s->ep, "ch", &small), 0);
	assert_int_equal(ferry_rx_open(&s->rx, s->ep, "ch", &small), 0);
}

/* In turn, each under a fault. */

static int
hub_run(struct stage *s)
{
	const struct ferry_hub_config config = {
		.name = HUB, .memory = 2 * MIB, .socket = -1,
		.max_endpoints = 8, .max_channels = 8,
	};
	int ret = ferry_hub_create(&s->hub, &config);

	if (ret != 0)
		return ret;
	ret = ferry_hub_destroy(s->hub);
	if (ret == 0)
		s->hub = NULL;
	return ret;
}

static int
attach_run(struct stage *s)
{
	int ret = ferry_attach(&s->ep, HUB, "a");

	if (ret == 0)
		ferry_detach(s->ep);
	s->ep = NULL;
	return ret;
}

static int
one_message(struct stage *s)
{
	const struct ferry_buf buf = { .data = "hello", .len = 5 };
	struct ferry_msg msg;

	assert_int_equal(ferry_tx_send(s->tx, &buf, 1), 1);
	assert_int_equal(ferry_rx_recv(s->rx, &msg, 1), 1);
	assert_int_equal(msg.len, 5);
	assert_memory_equal(msg.data, "hello", 5);
	return ferry_rx_release(s->rx, &msg, 1);
}

static int
open_run(struct stage *s)
{
	int ret = ferry_tx_open(&s->tx, s->ep, "ch", &small);

	if (ret != 0)
		return ret;
	ret = ferry_rx_open(&s->rx, s->ep, "ch", &small);
	if (ret == 0)
		ret = one_message(s);
	if (ret == 0)
		ferry_rx_close(s->rx);
	ferry_tx_close(s->tx);
	return ret;
}

static int
alloc_run(struct stage *s)
{
	const uint64_t sizes[] = { 64, 300000, 3 * MIB };
	void *mem[RTE_DIM(sizes)];
	unsigned int i;
	int ret = 0;

	for (i = 0; i < RTE_DIM(sizes); i++) {
		mem[i] = ferry_alloc(s->ep, sizes[i]);
		if (mem[i] == NULL)
			ret = -ENOMEM;
	}
	for (i = 0; i < RTE_DIM(sizes); i++)
		ferry_free(s->ep, mem[i]);
	return ret;
}

static void
register_before(struct stage *s)
{
	join(s);
	s->mem = mmap(NULL, REGISTERED + 2 * MIB, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_true(s->mem != MAP_FAILED);
}

static int
register_run(struct stage *s)
{
	uint8_t *mem = RTE_PTR_ALIGN_CEIL(s->mem, 2 * MIB);
	int ret = ferry_register(s->ep, mem, REGISTERED);

	return ret != 0 ? ret : ferry_unregister(s->ep, mem, REGISTERED);
}

static void
register_after(struct stage *s)
{
	leave(s);
	/* Nor does EAL go on knowing it. */
	assert_null(rte_mem_virt2memseg_list(RTE_PTR_ALIGN_CEIL(s->mem,
		2 * MIB)));
	munmap(s->mem, REGISTERED + 2 * MIB);
}

static void
bulk_before(struct stage *s)
{
	channel_start(s);
	s->mem = malloc(LEN);
	assert_non_null(s->mem);
	ferry_test_fill(s->mem, LEN, 7);
}

/* The first message of a channel, from private memory to memory of ferry. */
static int
bulk_run(struct stage *s)
{
	const struct iovec iov = { s->mem, LEN };
	struct ferry_msg msg;
	int ret;

	ret = ferry_bulk_send(s->tx, &iov, 1, NULL, &s->out);
	if (ret != 1)
		return ret;
	assert_int_equal(ferry_rx_recv(s->rx, &msg, 1), 1);
	assert_true(ferry_msg_is_bulk(&msg));
	ret = ferry_bulk_accept(s->rx, &msg, NULL, 0, &s->in);
	if (ret != 0)
		return ret;
	ret = ferry_bulk_await(s->in, LEN, FERRY_TEST_HANG_NS);
	if (ret == 0)
		assert_int_equal(ferry_test_check(ferry_bulk_data(s->in), LEN,
			7), -1);
	return ret;
}

static void
bulk_after(struct stage *s)
{
	leave(s);
	free(s->mem);
}

static uint64_t
clock_of(void *arg)
{
	uint64_t *now = arg;

	return *now += 1000;
}

/* A thread's mark lives as long as the thread. */
static void *
attach_thread(void *arg)
{
	struct stage *s = arg;

	s->result = attach_run(s);
	return NULL;
}

static int
attach_in_thread(struct stage *s)
{
	pthread_t thread;

	assert_int_equal(pthread_create(&thread, NULL, attach_thread, s), 0);
	pthread_join(thread, NULL);
	return s->result;
}

static void
engine_before(struct stage *s)
{
	hub_start(s);
	snprintf(s->file, sizeof(s->file), "/tmp/ferry-faults-%d", getpid());
}

static int
engine_run(struct stage *s)
{
	static struct ferry_calib calib;
	const struct ferry_engine_config config = { .socket = -1 };
	uint64_t now = 0;
	struct ferry_calib_options options = {
		.socket = -1, .budget_ns = 3000000, .save = s->file,
		.clock = clock_of, .clock_arg = &now,
	};
	int ret = ferry_engine_create(&s->engine, s->hub, &config);

	if (ret == 0)
		ret = ferry_engine_add_devices(s->engine,
		ferry_copy_dmadev(), NULL);
	if (ret >= 0)
		ret = ferry_engine_calibrate(s->engine, &options, &calib);
	options.load = options.save;
	options.save = NULL;
	if (ret == 0)
		ret = ferry_engine_calibrate(s->engine, &options, &calib);
	if (ret == 0)
		ret = ferry_engine_service(s->engine, NULL);
	ferry_engine_destroy(s->engine);
	return ret;
}

static void
engine_after(struct stage *s)
{
	hub_end(s);
	unlink(s->file);
}

static int
mode_run(struct stage *s)
{
	int ret = ferry_tx_set_mode(s->tx, FERRY_MODE_EFFICIENCY);
	const struct ferry_buf buf = { .data = "hello", .len = 5 };
	struct ferry_msg msg;

	if (ret == 0)
		ret = ferry_rx_set_mode(s->rx, FERRY_MODE_EFFICIENCY);
	if (ret != 0)
		return ret;
	assert_int_equal(ferry_tx_post(s->tx, &buf, 1), 1);
	assert_int_equal(ferry_tx_finish(s->tx, 0, FERRY_TEST_HANG_NS), 0);
	assert_int_equal(ferry_rx_recv(s->rx, &msg, 1), 1);
	return ferry_rx_release(s->rx, &msg, 1);
}

static bool
is_among(const int *errors, int error)
{
	while (errors != NULL && *errors != 0 && *errors != error)
		errors++;
	return errors != NULL && *errors != 0;
}

/* Once: what the scenario returned. It leaves nothing behind. */
static int
play(const struct scenario *c, uint32_t k, enum ferry_fault_kind kind,
		struct ferry_fault *hit)
{
	const int64_t blocks = ferry_faults_blocks();
	const unsigned int fds = ferry_faults_fds();
	struct stage s;
	int ret;

	memset(&s, 0, sizeof(s));
	c->before(&s);
	ferry_faults_arm(k, kind);
	ret = c->run(&s);
	*hit = ferry_faults_disarm();
	c->after(&s);
	if (ferry_faults_blocks() != blocks)
		fail_msg("call %u, %s: %d blocks are left", k,
			hit->name != NULL ? hit->name : "none",
			(int)(ferry_faults_blocks() - blocks));
	if (ferry_faults_fds() != fds)
		fail_msg("call %u, %s: %d descriptors are left", k,
			hit->name != NULL ? hit->name : "none",
			(int)(ferry_faults_fds() - fds));
	return ret;
}

static void
sweep_kind(const char *what, const struct scenario *c,
		enum ferry_fault_kind kind)
{
	uint32_t k, failed = 0;
	struct ferry_fault hit, none;
	int ret;

	for (k = 1;; k++) {
		alarm(HANGS);
		ret = play(c, k, kind, &hit);
		if (hit.name == NULL)
			break;
		failed += ret != 0;
		if (getenv("FERRY_TEST_FAULTS") != NULL)
			print_message("%s: call %u, %s: %s\n", what, k,
				hit.name, ferry_strerror(ret));
		if (ret != 0 && ret != -hit.error &&
				!is_among(c->errors, ret))
			fail_msg("%s: call %u, %s: error %d (%s)", what, k,
				hit.name, ret, ferry_strerror(ret));
		assert_int_equal(play(c, 0, kind, &none), 0);
	}
	alarm(0);
	assert_int_equal(ret, 0);
	print_message("%s: %u calls, %u of them with an error\n", what, k - 1,
		failed);
	if (kind == FERRY_FAULT_LACK)
		assert_true(k > 1);
}

static void
sweep(const char *what, const struct scenario *c)
{
	struct ferry_fault none;

	ferry_test_need_eal();
	alarm(HANGS);
	assert_int_equal(play(c, 0, FERRY_FAULT_LACK, &none), 0);
	sweep_kind(what, c, FERRY_FAULT_LACK);
	sweep_kind(what, c, FERRY_FAULT_SIGNAL);
}

static void
a_hub_is_made_or_not(void **state)
{
	static const struct scenario c = {
		nothing, hub_run, hub_after, NULL,
	};

	(void)state;
	sweep("hub", &c);
}

static void
an_endpoint_is_attached_or_not(void **state)
{
	static const struct scenario c = {
		hub_start, attach_in_thread, hub_end, NULL,
	};

	(void)state;
	sweep("attach", &c);
}

static void
a_channel_is_open_or_not(void **state)
{
	static const int errors[] = { FERRY_E_NO_ROOM, 0 };
	static const struct scenario c = { join, open_run, leave, errors };

	(void)state;
	sweep("open", &c);
}

static void
memory_is_given_or_not(void **state)
{
	static const struct scenario c = { join, alloc_run, leave, NULL };

	(void)state;
	sweep("alloc", &c);
}

static void
memory_is_registered_or_not(void **state)
{
	static const struct scenario c = {
		register_before, register_run, register_after, NULL,
	};

	(void)state;
	sweep("register", &c);
}

static void
a_bulk_message_arrives_or_not(void **state)
{
	/* Whatever a destination's memory lacks. */
	static const int errors[] = { FERRY_E_NO_ROOM, 0 };
	static const struct scenario c = {
		bulk_before, bulk_run, bulk_after, errors,
	};

	(void)state;
	sweep("bulk", &c);
}

static void
an_engine_is_made_or_not(void **state)
{
	/* A device that cannot be asked, or started, is none. */
	static const int errors[] = { -ENODEV, 0 };
	static const struct scenario c = {
		engine_before, engine_run, engine_after, errors,
	};

	(void)state;
	sweep("engine", &c);
}

static void
a_mode_is_set_or_not(void **state)
{
	static const struct scenario c = {
		channel_start, mode_run, leave, NULL,
	};

	(void)state;
	sweep("mode", &c);
}

static int
setup(void **state)
{
	struct stage s = { 0 };

	(void)state;
	if (ferry_test_eal_skip_reason() != NULL)
		return 0;
	if (ferry_faults_open() != 0 || ferry_test_eal_start(NULL,
			"--socket-limit=128", "--vdev=dma_skeleton", NULL) != 0)
		return -1;
	/* What is made once in a process, or in its first thread. */
	hub_start(&s);
	attach_run(&s);
	hub_end(&s);
	channel_start(&s);
	leave(&s);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_hub_is_made_or_not),
		cmocka_unit_test(an_endpoint_is_attached_or_not),
		cmocka_unit_test(a_channel_is_open_or_not),
		cmocka_unit_test(memory_is_given_or_not),
		cmocka_unit_test(memory_is_registered_or_not),
		cmocka_unit_test(a_bulk_message_arrives_or_not),
		cmocka_unit_test(an_engine_is_made_or_not),
		cmocka_unit_test(a_mode_is_set_or_not),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
