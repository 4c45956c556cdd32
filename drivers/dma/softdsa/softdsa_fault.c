/* SPDX-License-Identifier: BSD-3-Clause */

#include <string.h>

#include "softdsa_fault.h"
#include "softdsa_spec.h"

/* Status of a descriptor that fails on purpose, unless the user gives one: an
 * internal error. */
#define FAIL_STATUS 0x1a

void
softdsa_faults_init(struct softdsa_faults *f)
{
	memset(f, 0, sizeof(*f));
	pthread_mutex_init(&f->lock, NULL);
}

void
softdsa_faults_set(struct softdsa_faults *f, const struct softdsa_wrong *wrong)
{
	bool any = false;
	unsigned int k;

	pthread_mutex_lock(&f->lock);
	for (k = 0; k < SOFTDSA_FAULT_KINDS; k++) {
		if (f->wrong.fault[k].set != wrong->fault[k].set)
			f->seen[k] = 0;
		f->wrong.fault[k] = wrong->fault[k];
		any |= wrong->fault[k].n > 0;
	}
	/* Atomic, because engines read this without the lock. */
	__atomic_store_n(&f->wrong.reorder, wrong->reorder, __ATOMIC_RELAXED);
	f->wrong.full = wrong->full;
	pthread_mutex_unlock(&f->lock);
	/* Relaxed, because any only tells engines to take the lock. */
	__atomic_store_n(&f->any, any, __ATOMIC_RELAXED);
}

/* Count n descriptors. Returns whether one of them has the fault. */
static bool
strikes(struct softdsa_faults *f, enum softdsa_fault_kind kind, uint32_t n)
{
	const struct softdsa_fault *fault = &f->wrong.fault[kind];
	const uint64_t before = f->seen[kind];

	if (fault->n == 0)
		return false;
	f->seen[kind] += n;
	if (fault->every)
		return f->seen[kind] / fault->n != before / fault->n;
	return before < fault->n && f->seen[kind] >= fault->n;
}

struct softdsa_verdict
softdsa_faults_next(struct softdsa_faults *f)
{
	struct softdsa_verdict v = { 0 };
	const struct softdsa_fault *fault;

	if (!__atomic_load_n(&f->any, __ATOMIC_RELAXED))
		return v;
	pthread_mutex_lock(&f->lock);
	if (strikes(f, SOFTDSA_FAULT_FAIL, 1)) {
		fault = &f->wrong.fault[SOFTDSA_FAULT_FAIL];
		v.status = fault->has_arg ? (uint8_t)fault->arg : FAIL_STATUS;
	}
	if (strikes(f, SOFTDSA_FAULT_PAGE, 1)) {
		fault = &f->wrong.fault[SOFTDSA_FAULT_PAGE];
		v.page_fault = true;
		v.half = !fault->has_arg;
		v.bytes = fault->arg;
	}
	v.corrupt = strikes(f, SOFTDSA_FAULT_CORRUPT, 1);
	pthread_mutex_unlock(&f->lock);
	return v;
}

bool
softdsa_faults_hang(struct softdsa_faults *f, uint32_t n, uint64_t *ms)
{
	bool hang;

	if (!__atomic_load_n(&f->any, __ATOMIC_RELAXED))
		return false;
	pthread_mutex_lock(&f->lock);
	hang = strikes(f, SOFTDSA_FAULT_HANG, n);
	*ms = f->wrong.fault[SOFTDSA_FAULT_HANG].arg;
	pthread_mutex_unlock(&f->lock);
	return hang;
}

uint32_t
softdsa_faults_reorder(const struct softdsa_faults *f)
{
	return __atomic_load_n(&f->wrong.reorder, __ATOMIC_RELAXED);
}
