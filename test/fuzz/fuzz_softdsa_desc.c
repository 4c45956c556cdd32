/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Descriptors of the soft DSA: each input is a list of them. A descriptor that
 * passes softdsa_check() is executed on an area between pages without access.
 * Its completion record says how much was done. No byte beyond that is written.
 */

#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "fuzz.h"
#include "softdsa_check.h"
#include "softdsa_exec.h"
#include "softdsa_guard.h"

#define PAGE 4096
#define AREA (4 * PAGE)
/* Without access, on both sides: a move of areas that overlap begins at its
 * end, which may lie as far behind the area as it is long. */
#define GUARD (AREA + PAGE)
/* Descriptors of one input. */
#define MOST 16

static uint8_t *area;
static const uint32_t go = 1;
static struct sigaction before[NSIG];

/* A fault outside of the guarded part is the program's: as it was without. */
static void
on_fault(int number, siginfo_t *info, void *context)
{
	if (softdsa_guard_caught(context))
		return;
	if (before[number].sa_flags & SA_SIGINFO)
		before[number].sa_sigaction(number, info, context);
	abort();
}

static void
guard(void)
{
	struct sigaction sa = { .sa_sigaction = on_fault };
	const int numbers[] = { SIGSEGV, SIGBUS };
	unsigned int i;

	sa.sa_flags = SA_SIGINFO;
	for (i = 0; i < 2; i++)
		fuzz_check(sigaction(numbers[i], &sa, &before[numbers[i]]) ==
			0);
}

/* An address: in or near the area, where nothing is, or anything. */
static uint64_t
address(struct fuzz_in *in)
{
	const uint8_t kind = fuzz_u8(in);
	uint64_t any;

	/* Faults take long: few. */
	if (kind < 208)
		return (uintptr_t)area + fuzz_u16(in) % AREA;
	if (kind < 240)
		return (uintptr_t)area - PAGE + fuzz_u16(in) % (AREA +
				2 * PAGE);
	/* Never what the process has, or it would be written to: below the
	 * first page that can be mapped, or not an address at all. */
	any = fuzz_u64(in);
	return kind < 248 ? any % PAGE : any | UINT64_C(1) << 63;
}

/* Nothing is allocated here; the search for leaks stumbles over the
 * handlers. */
int __lsan_is_turned_off(void);
int
__lsan_is_turned_off(void)
{
	return 1;
}

static bool
inside(uint64_t at, uint64_t n)
{
	const uint64_t off = at - (uintptr_t)area;

	return off < AREA && n <= AREA - off;
}

static void
execute(const struct softdsa_desc *d, const struct softdsa_verdict *v)
{
	struct softdsa_record r = { 0 };
	const unsigned int op = softdsa_op(d);

	/* A move of a fault on purpose may end anywhere: not checked. */
	fuzz_check(softdsa_exec(d, v, &go, go, &r));
	fuzz_check((r.status & 0x7f) == SOFTDSA_OK ||
		(r.status & 0x7f) == SOFTDSA_PAGE_FAULT);
	if (op == SOFTDSA_NOOP)
		return;
	fuzz_check(r.done <= d->size);
	if (r.status == SOFTDSA_OK) {
		fuzz_check(r.done == d->size);
		fuzz_check(inside(d->dst, d->size));
		fuzz_check(op == SOFTDSA_FILL || inside(d->src, d->size));
	}
	if (r.done > 0)
		fuzz_check(r.result || inside(d->dst, r.done));
	softdsa_write_record(d->record, &r);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct softdsa_limits limits = { 16, AREA };
	struct fuzz_in in = { data, size };
	unsigned int i;

	if (area == NULL) {
		area = mmap(NULL, AREA + 2 * GUARD, PROT_NONE,
			MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		fuzz_check(area != MAP_FAILED);
		area += GUARD;
		fuzz_check(mprotect(area, AREA, PROT_READ | PROT_WRITE) == 0);
		guard();
	}
	for (i = 0; i < MOST && in.left > 0; i++) {
		const uint8_t shape = fuzz_u8(&in);
		struct softdsa_verdict v = { 0 };
		struct softdsa_desc d;
		uint8_t status;
		uint32_t bad;

		memset(&d, 0, sizeof(d));
		/* Mostly a descriptor that means something. */
		d.flags_op = (uint32_t)(fuzz_u8(&in) % 6) << SOFTDSA_OP_SHIFT |
			SOFTDSA_F_RECORD_VALID;
		if (shape & 1)
			d.flags_op ^= (uint32_t)fuzz_u64(&in);
		d.record = address(&in) & ~UINT64_C(31);
		d.src = address(&in);
		d.dst = address(&in);
		d.size = fuzz_u16(&in);
		if (shape & 2)
			d.size = (uint32_t)fuzz_u64(&in);
		if (shape & 4)
			d.reserved[fuzz_u8(&in) % 13] = fuzz_u16(&in);
		if (shape & 8) {
			v.page_fault = true;
			v.half = fuzz_u8(&in) & 1;
			v.bytes = fuzz_u16(&in);
		}
		status = softdsa_check(&d, shape & 16, &limits, &bad);
		fuzz_check(status == SOFTDSA_OK || (status >= SOFTDSA_BAD_OP &&
			status <= SOFTDSA_BAD_LIST));
		fuzz_check((bad != 0) == (status == SOFTDSA_BAD_FLAGS));
		if (status != SOFTDSA_OK)
			continue;
		if (softdsa_op(&d) == SOFTDSA_BATCH) {
			static struct softdsa_desc list[16];
			uint64_t at, n;

			n = softdsa_read(list, d.src, d.size * sizeof(d), &at);
			fuzz_check(n <= d.size * sizeof(d));
			fuzz_check(n == 0 || inside(d.src, n));
		} else if (softdsa_op(&d) != SOFTDSA_DRAIN) {
			execute(&d, &v);
		}
	}
	return 0;
}
