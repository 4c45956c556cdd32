/* SPDX-License-Identifier: BSD-3-Clause */

#include "softdsa_model.h"

/* t0 is given for 2^6 and 2^20 bytes. */
#define LOG_MIN 6
#define LOG_MAX 20

static uint64_t
get(const uint64_t *p)
{
	return __atomic_load_n(p, __ATOMIC_RELAXED);
}

static void
put(uint64_t *p, uint64_t v)
{
	__atomic_store_n(p, v, __ATOMIC_RELAXED);
}

void
softdsa_model_set(struct softdsa_model *m, const struct softdsa_timing *t)
{
	put(&m->timing.t0_ns, t->t0_ns);
	put(&m->timing.t0_max_ns, t->t0_max_ns);
	put(&m->timing.mbps, t->mbps);
	put(&m->timing.desc_ns, t->desc_ns);
}

bool
softdsa_model_on(const struct softdsa_model *m)
{
	return (get(&m->timing.t0_ns) | get(&m->timing.t0_max_ns) |
		get(&m->timing.mbps) | get(&m->timing.desc_ns)) != 0;
}

static uint64_t
t0(const struct softdsa_model *m, uint64_t bytes)
{
	const uint64_t min = get(&m->timing.t0_ns);
	const uint64_t max = get(&m->timing.t0_max_ns);
	unsigned int log;

	if (bytes <= 1 << LOG_MIN || max <= min)
		return min;
	if (bytes >= 1 << LOG_MAX)
		return max;
	log = 63 - (unsigned int)__builtin_clzll(bytes);
	return min + (max - min) * (log - LOG_MIN) / (LOG_MAX - LOG_MIN);
}

uint64_t
softdsa_model_end(struct softdsa_model *m, uint64_t now_ns, uint64_t bytes)
{
	const uint64_t mbps = get(&m->timing.mbps);
	uint64_t busy = get(&m->timing.desc_ns);
	uint64_t old = get(&m->free_ns), end;

	if (mbps > 0)
		busy += bytes * 1000 / mbps;
	/* Relaxed, because free_ns orders no other access. */
	do {
		end = (old > now_ns ? old : now_ns) + busy;
	} while (!__atomic_compare_exchange_n(&m->free_ns, &old, end, true,
			__ATOMIC_RELAXED, __ATOMIC_RELAXED));
	return end + t0(m, bytes);
}
