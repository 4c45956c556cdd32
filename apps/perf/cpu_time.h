/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PERF_CPU_TIME_H
#define PERF_CPU_TIME_H

/*
 * CPU time of threads, as the kernel accounts for it: waiting awake counts,
 * sleeping and being preempted do not. A reading is a system call.
 */

#include <stdint.h>
#include <time.h>

/* Whose time is told. */
enum cpu_who {
	/* The sending thread, without the rewriting of its buffers. */
	CPU_SENDER,
	CPU_RECEIVER,
	CPU_ENGINE,
	/* All threads, of both processes if there are two; as CPU_SENDER. */
	CPU_ALL,
	CPU_N,
};

/* Nanoseconds; 0 if there is no such thread. */
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
 * What a part of a thread's work takes, where the rest is to be told without
 * it. Parts are read one in so many, since a reading takes longer than some of
 * them.
 */
struct cpu_part {
	/* One in so many is read; how many there were, and were read. */
	uint32_t every;
	uint64_t n;
	uint64_t read;
	/* Nanoseconds of those read, and of a reading. */
	uint64_t ns;
	uint64_t reading;
	/* When the thread, and the part, began; 0: it is not read. */
	uint64_t since;
	uint64_t begun;
};

static inline void
cpu_part_start(struct cpu_part *p, uint32_t every)
{
	uint64_t a, b;
	int i;

	*p = (struct cpu_part){ .every = every, .reading = UINT64_MAX };
	a = cpu_thread_ns();
	for (i = 0; i < 16; i++, a = b) {
		b = cpu_thread_ns();
		if (b - a < p->reading)
			p->reading = b - a;
	}
	p->since = cpu_thread_ns();
}

static inline void
cpu_part_begin(struct cpu_part *p)
{
	p->begun = p->n++ % p->every == 0 ? cpu_thread_ns() : 0;
}

static inline void
cpu_part_end(struct cpu_part *p)
{
	uint64_t took;

	if (p->begun == 0)
		return;
	took = cpu_thread_ns() - p->begun;
	p->ns += took > p->reading ? took - p->reading : 0;
	p->read++;
}

/*
 * CPU time since the start: of the parts, with what reading them took, and of
 * the rest.
 */
static inline void
cpu_part_stop(const struct cpu_part *p, uint64_t *parts, uint64_t *rest)
{
	const uint64_t all = cpu_thread_ns() - p->since;
	double ns = 0;

	if (p->read > 0)
		ns = (double)p->ns * (double)p->n / (double)p->read;
	*parts = (uint64_t)ns + 2 * p->reading * p->read;
	/* Samples may mislead, where the rest is next to nothing. */
	if (*parts > all)
		*parts = all;
	*rest = all - *parts;
}

#endif /* PERF_CPU_TIME_H */
