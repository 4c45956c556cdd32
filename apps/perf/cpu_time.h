/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PERF_CPU_TIME_H
#define PERF_CPU_TIME_H

/*
 * CPU time of threads, as the kernel accounts for it: waiting awake counts,
 * sleeping and being preempted do not. A reading is a system call.
 */

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include <rte_cycles.h>

/* The threads whose CPU time is reported. */
enum cpu_who {
	/* The sending thread, without the time it rewrites its buffers. */
	CPU_SENDER,
	CPU_RECEIVER,
	CPU_ENGINE,
	/* All threads of both sides' processes, without that rewriting. */
	CPU_ALL,
	CPU_N,
};

/* Nanoseconds of a CPU clock; 0 if its thread does not exist. */
static inline uint64_t
cpu_clock_ns(clockid_t clock)
{
	struct timespec t;

	if (clock_gettime(clock, &t) != 0)
		return 0;
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static inline uint64_t
cpu_thread_ns(void)
{
	return cpu_clock_ns(CLOCK_THREAD_CPUTIME_ID);
}

static inline uint64_t
cpu_process_ns(void)
{
	return cpu_clock_ns(CLOCK_PROCESS_CPUTIME_ID);
}

/*
 * CPU time of some parts of a thread's work, apart from the rest. Parts of
 * microseconds are measured by the CPU clock. Shorter ones are measured by the
 * time stamp counter, because a system call takes longer than such a part. A
 * short part that takes too long is one in which the thread was preempted. It
 * counts as if it had taken as long as the others on average.
 */
#define CPU_PART_LONGEST_NS 20000

struct cpu_part {
	/* Measured by the time stamp counter. The numbers below are then ticks,
	 * except since. */
	bool fine;
	uint64_t longest;
	/* How many parts there were, how many of them were measured, and what
	 * these took. */
	uint64_t n;
	uint64_t read;
	uint64_t sum;
	/* What reading the clock takes. */
	uint64_t reading;
	/* CPU time of the thread at the start, and when the part began. */
	uint64_t since;
	uint64_t begun;
};

static inline uint64_t
cpu_part_now(const struct cpu_part *p)
{
	return p->fine ? rte_rdtsc() : cpu_thread_ns();
}

static inline void
cpu_part_start(struct cpu_part *p, bool fine)
{
	uint64_t a, b;
	int i;

	*p = (struct cpu_part){ .fine = fine, .reading = UINT64_MAX };
	p->longest = fine ? CPU_PART_LONGEST_NS * rte_get_tsc_hz() / NS_PER_S :
		UINT64_MAX;
	a = cpu_part_now(p);
	for (i = 0; i < 16; i++, a = b) {
		b = cpu_part_now(p);
		if (b - a < p->reading)
			p->reading = b - a;
	}
	p->since = cpu_thread_ns();
}

static inline void
cpu_part_begin(struct cpu_part *p)
{
	p->begun = cpu_part_now(p);
}

static inline void
cpu_part_end(struct cpu_part *p)
{
	const uint64_t took = cpu_part_now(p) - p->begun;

	p->n++;
	if (took > p->longest)
		return;
	p->sum += took > p->reading ? took - p->reading : 0;
	p->read++;
}

/*
 * Return the CPU time since the start: of the parts, together with the readings
 * of the clock, and of the rest.
 */
static inline void
cpu_part_stop(const struct cpu_part *p, uint64_t *parts, uint64_t *rest)
{
	const uint64_t all = cpu_thread_ns() - p->since;
	double ns = 0;

	if (p->read > 0)
		ns = (double)p->sum * (double)p->n / (double)p->read;
	ns += 2.0 * (double)p->reading * (double)p->n;
	if (p->fine)
		ns *= (double)NS_PER_S / (double)rte_get_tsc_hz();
	*parts = ns < (double)all ? (uint64_t)ns : all;
	*rest = all - *parts;
}

#endif /* PERF_CPU_TIME_H */
