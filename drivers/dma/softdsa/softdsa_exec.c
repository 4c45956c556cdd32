/* SPDX-License-Identifier: BSD-3-Clause */

#include "softdsa_copy.h"
#include "softdsa_exec.h"
#include "softdsa_guard.h"

/* After each chunk the engine looks whether the work queue was stopped. */
#define CHUNK (UINT64_C(128) << 10)
/* Overlapping moves go through a buffer of this size. */
#define BOUNCE UINT64_C(4096)
#define PAGE UINT64_C(4096)
/* All addresses of a program are below this. */
#define ADDRESS_END (UINT64_C(1) << 47)

/* An operation under way. */
struct work {
	const uint32_t *state;
	uint32_t go;
	bool stream;
	struct softdsa_access fault;
};

/* Arguments of a touch. */
struct touch {
	void *dst;
	const void *src;
	uint64_t pattern;
	uint64_t n;
	bool stream;
};

static void *
ptr(uint64_t addr)
{
	return (void *)(uintptr_t)addr;
}

static void
touch_copy(void *arg)
{
	const struct touch *t = arg;

	softdsa_copy(t->dst, t->src, t->n, t->stream);
}

static void
touch_fill(void *arg)
{
	const struct touch *t = arg;

	softdsa_fill(t->dst, t->pattern, t->n);
}

static void
touch_record(void *arg)
{
	const struct touch *t = arg;
	const struct softdsa_record *from = t->src;
	struct softdsa_record *to = t->dst;

	/* Write the first byte, the status, last. The address is computed as a
	 * number, because there may be no object at it. */
	softdsa_copy(ptr((uintptr_t)to + 1), (const char *)from + 1,
		sizeof(*to) - 1, false);
	/* This store publishes the rest of the record, and the bytes that were
	 * copied. */
	__asm__ volatile("movb %1, %0" : "=m" (to->status) :
		"q" (from->status) : "memory");
}

/*
 * Touch up to n bytes. If there is a fault, all bytes before it are touched,
 * and none after it. fn may touch the beginning twice, so that must be
 * harmless.
 */
static uint64_t
touch_upto(void (*fn)(void *), struct touch *t, struct softdsa_access *fault)
{
	const uint64_t n = t->n;
	struct softdsa_access f;

	while (t->n > 0 && !softdsa_try(fn, t, &f)) {
		const uint64_t dst = (uintptr_t)t->dst;
		const uint64_t src = (uintptr_t)t->src;
		uint64_t at;

		if (!f.known) {
			f.write = src < ADDRESS_END;
			f.addr = f.write ? dst : src;
		}
		at = f.addr - (f.write ? dst : src);
		*fault = f;
		/* If the area ends at the last address, the fault may be
		 * reported at an address outside the area. */
		t->n = at < t->n ? at : 0;
	}
	return t->n < n ? t->n : n;
}

/* Copy the bytes behind the last page that is missing. Returns how many they
 * are. */
static uint64_t
touch_from(struct touch *t, struct softdsa_access *fault)
{
	struct softdsa_access f;

	while (t->n > 0 && !softdsa_try(touch_copy, t, &f)) {
		const uint64_t base = (uintptr_t)(f.write ? t->dst : t->src);
		const uint64_t skip = f.known ? (f.addr | (PAGE - 1)) + 1 -
			base : t->n;

		*fault = f;
		if (!f.known)
			fault->addr = base;
		if (skip >= t->n)
			return 0;
		/* Add as numbers, because an area may end at the last
		 * address. */
		t->dst = ptr((uintptr_t)t->dst + skip);
		t->src = ptr((uintptr_t)t->src + skip);
		t->n -= skip;
	}
	return t->n;
}

/* Copy between areas that do not overlap: forwards and directly. */
static bool
copy_apart(struct work *w, uint64_t dst, uint64_t src, uint64_t n,
		uint64_t *done)
{
	for (*done = 0; *done < n;) {
		const uint64_t len = n - *done < CHUNK ? n - *done : CHUNK;
		struct touch t = {
			.dst = ptr(dst + *done),
			.src = ptr(src + *done),
			.n = len,
			.stream = w->stream,
		};
		uint64_t got;

		if (__atomic_load_n(w->state, __ATOMIC_RELAXED) != w->go)
			return false;
		got = touch_upto(touch_copy, &t, &w->fault);
		*done += got;
		if (got < len)
			break;
	}
	return true;
}

/*
 * Copy between areas that overlap, in the direction in which no byte is
 * overwritten that is still to be read. The bytes go through a buffer, so that
 * a part that has faulted can be repeated.
 */
static bool
copy_overlapped(struct work *w, uint64_t dst, uint64_t src, uint64_t n,
		bool backwards, uint64_t *done)
{
	uint8_t bounce[BOUNCE] __attribute__((aligned(64)));

	for (*done = 0; *done < n;) {
		const uint64_t len = n - *done < BOUNCE ? n - *done : BOUNCE;
		const uint64_t at = backwards ? n - *done - len : *done;
		struct touch in = {
			.dst = bounce, .src = ptr(src + at), .n = len,
		};
		struct touch out = {
			.dst = ptr(dst + at), .src = bounce, .n = len,
		};
		uint64_t got;

		if (__atomic_load_n(w->state, __ATOMIC_RELAXED) != w->go)
			return false;
		if (backwards) {
			got = touch_from(&in, &w->fault);
			out.dst = ptr(dst + at + (len - got));
			out.src = bounce + (len - got);
			out.n = got;
			got = touch_from(&out, &w->fault);
		} else {
			out.n = touch_upto(touch_copy, &in, &w->fault);
			got = touch_upto(touch_copy, &out, &w->fault);
		}
		*done += got;
		if (got < len)
			break;
	}
	return true;
}

static bool
fill(struct work *w, uint64_t dst, uint64_t pattern, uint64_t n,
		uint64_t *done)
{
	/* A chunk is a whole number of patterns. */
	for (*done = 0; *done < n;) {
		const uint64_t len = n - *done < CHUNK ? n - *done : CHUNK;
		struct touch t = {
			.dst = ptr(dst + *done),
			.pattern = pattern,
			.n = len,
		};
		uint64_t got;

		if (__atomic_load_n(w->state, __ATOMIC_RELAXED) != w->go)
			return false;
		got = touch_upto(touch_fill, &t, &w->fault);
		*done += got;
		if (got < len)
			break;
	}
	return true;
}

/* Change one bit of a byte that was written. */
static void
touch_flip(void *arg)
{
	const struct touch *t = arg;

	__asm__ volatile("xorb $1, %0" : "+m" (*(uint8_t *)t->dst));
}

static void
flip(uint64_t addr)
{
	struct touch t = { .dst = ptr(addr) };
	struct softdsa_access fault;

	softdsa_try(touch_flip, &t, &fault);
}

bool
softdsa_exec(const struct softdsa_desc *d, const struct softdsa_verdict *v,
		const uint32_t *state, uint32_t go, struct softdsa_record *r)
{
	struct work w = {
		.state = state,
		.go = go,
		.stream = !(d->flags_op & SOFTDSA_F_CACHE),
	};
	const unsigned int op = softdsa_op(d);
	uint64_t n = d->size, done = 0;
	bool backwards = false, ran;

	r->status = SOFTDSA_OK;
	if (op == SOFTDSA_NOOP)
		return true;
	if (v->page_fault)
		n = v->half ? n / 2 : v->bytes < n ? v->bytes : n;
	if (op == SOFTDSA_FILL) {
		ran = fill(&w, d->dst, d->src, n, &done);
	} else if (d->dst - d->src < d->size && d->dst != d->src) {
		/* Faults on purpose count bytes from where the copy begins:
		 * here from the end. */
		backwards = true;
		ran = copy_overlapped(&w, d->dst + (d->size - n),
			d->src + (d->size - n), n, true, &done);
	} else if (d->src - d->dst < d->size) {
		ran = copy_overlapped(&w, d->dst, d->src, n, false, &done);
	} else {
		ran = copy_apart(&w, d->dst, d->src, n, &done);
	}
	if (!ran)
		return false;
	r->done = (uint32_t)done;
	r->result = backwards;
	if (done < n) {
		r->status = SOFTDSA_PAGE_FAULT |
			(w.fault.write ? SOFTDSA_WRITE : 0);
		r->fault_addr = w.fault.addr;
	} else if (v->page_fault) {
		/* Report the fault as if the source ended there; for a fill, as
		 * if the destination ended there. */
		r->status = SOFTDSA_PAGE_FAULT |
			(op == SOFTDSA_FILL ? SOFTDSA_WRITE : 0);
		r->fault_addr = op == SOFTDSA_FILL ? d->dst + n :
			backwards ? d->src + d->size - n - 1 : d->src + n;
	} else if (v->corrupt) {
		flip(d->dst + d->size / 2);
	}
	return true;
}

uint64_t
softdsa_read(void *to, uint64_t from, uint64_t n, uint64_t *addr)
{
	struct touch t = { .dst = to, .src = ptr(from), .n = n };
	struct softdsa_access fault = { 0 };

	n = touch_upto(touch_copy, &t, &fault);
	*addr = fault.addr;
	return n;
}

bool
softdsa_write_record(uint64_t to, const struct softdsa_record *record)
{
	struct touch t = { .dst = ptr(to), .src = record };
	struct softdsa_access fault;

	return softdsa_try(touch_record, &t, &fault);
}
