/* SPDX-License-Identifier: BSD-3-Clause */

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include <rte_common.h>
#include <rte_pause.h>

#include "calib_fit.h"
#include "calib_reader.h"
#include "ferry_copy_driver.h"

/* Length of a message. Such a message fits into a channel's slot and well into
 * a level 2 cache. */
#define LEN ((size_t)16 << 10)
#define LINE ((size_t)64)
/*
 * SLOTS: messages that are used in turn. APART: distance between them; a read
 * of one should not prefetch the next. SLOTS and the number of variants (two:
 * without and with demoting) have no common divisor, so that each variant is
 * measured with each message.
 */
#define SLOTS 3
#define APART ((size_t)64 << 10)
/* Number of pairs of samples, one without demoting and one with. Which of them
 * comes first alternates. */
#define ROUNDS 30
#define ROUNDS_MIN 5
#define SPINS_YIELD 256
/* Demoting pays only if the time of reading is below this part of the time
 * without demoting: so much gain is not noise. */
#define GAIN 0.9

/*
 * Memory that the copying thread and the reading thread share. asked and told
 * count messages. The copying thread writes asked (release R1, after the
 * bytes), and the reading thread reads it (acquire R1). The reading thread
 * writes told (release R2, after ns), and the copying thread reads it
 * (acquire R2).
 */
struct shared {
	uint64_t asked __attribute__((aligned(64)));
	const char *message;
	bool quit;
	uint64_t told __attribute__((aligned(64)));
	double ns;
	uint64_t sum;
	struct calib_rig rig;
};

static void
relax(unsigned int *spins)
{
	rte_pause();
	if (++*spins % SPINS_YIELD == 0)
		sched_yield();
}

static void *
reader_run(void *arg)
{
	struct shared *shared = arg;
	unsigned int spins = 0;
	uint64_t seen = 0;

	for (;;) {
		uint64_t asked, then, sum = 0;
		size_t i;

		/* Acquire R1. */
		asked = __atomic_load_n(&shared->asked, __ATOMIC_ACQUIRE);
		if (asked == seen) {
			relax(&spins);
			continue;
		}
		if (shared->quit)
			return NULL;
		then = calib_now(&shared->rig);
		for (i = 0; i < LEN; i += LINE)
			sum += (uint8_t)shared->message[i];
		/* Use the sum before the clock is read, so that the compiler
		 * does not move the loads behind that. */
		__asm__ volatile("" : : "r" (sum) : "memory");
		shared->ns = (double)(calib_now(&shared->rig) - then);
		shared->sum += sum;
		seen = asked;
		/* Release R2. */
		__atomic_store_n(&shared->told, seen, __ATOMIC_RELEASE);
	}
}

static int
topology(unsigned int cpu, const char *file)
{
	char path[96];
	int value = -1;
	FILE *f;

	snprintf(path, sizeof(path),
		"/sys/devices/system/cpu/cpu%u/topology/%s", cpu, file);
	f = fopen(path, "r");
	if (f == NULL)
		return -1;
	if (fscanf(f, "%d", &value) != 1)
		value = -1;
	fclose(f);
	return value;
}

static int
thread_on(pthread_t *thread, unsigned int cpu, struct shared *shared)
{
	sigset_t all, before;
	pthread_attr_t attr;
	cpu_set_t set;
	int ret;

	if (cpu >= CPU_SETSIZE)
		return -ENODEV;
	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	if (pthread_attr_init(&attr) != 0)
		return -ENOMEM;
	ret = pthread_attr_setaffinity_np(&attr, sizeof(set), &set);
	/* Block all signals in this thread: the application's threads handle
	 * them. */
	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, &before);
	if (ret == 0)
		ret = pthread_create(thread, &attr, reader_run, shared);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	pthread_attr_destroy(&attr);
	return -ret;
}

/* Start the reading thread on another core. The hardware threads of one core
 * share the caches that demoting is about. */
static int
thread_anywhere(pthread_t *thread, struct shared *shared)
{
	long cpus = sysconf(_SC_NPROCESSORS_CONF);
	int here = sched_getcpu(), core, package, pass, cpu;

	if (here < 0)
		return -ENODEV;
	core = topology((unsigned int)here, "core_id");
	package = topology((unsigned int)here, "physical_package_id");
	for (pass = 0; pass < 2; pass++) {
		for (cpu = 0; cpu < cpus; cpu++) {
			int p = topology((unsigned int)cpu,
				"physical_package_id");
			int c = topology((unsigned int)cpu, "core_id");

			if (cpu == here || p < 0 ||
					(p == package) != (pass == 0) ||
					(p == package && c == core))
				continue;
			/* This fails for a CPU on which this process may not
			 * run. */
			if (thread_on(thread, (unsigned int)cpu, shared) == 0)
				return 0;
		}
	}
	return -ENODEV;
}

struct sample {
	double copy_ns;
	double read_ns;
};

/* Copy a message and let the other thread read it. False if that did not end in
 * time. */
static bool
once(struct calib_rig *rig, struct ferry_lane *lane, struct shared *shared,
		unsigned int i, struct sample *sample)
{
	char *src = rig->mem + (i % SLOTS) * APART;
	const struct ferry_copy_job job = {
		.src = src, .dst = src + SLOTS * APART, .len = LEN,
		.place = FERRY_PLACE_CACHE,
	};
	uint64_t then, number = shared->asked + 1;
	unsigned int spins = 0;
	size_t k;

	if (calib_now(rig) > rig->last_start)
		return false;
	for (k = 0; k < LEN; k += LINE)
		src[k]++;
	then = calib_now(rig);
	if (lane->drv->copy(lane, &job, 1) != 1)
		return false;
	sample->copy_ns = (double)(calib_now(rig) - then);
	shared->message = job.dst;
	/* Release R1. */
	__atomic_store_n(&shared->asked, number, __ATOMIC_RELEASE);
	/* Acquire R2. */
	while (__atomic_load_n(&shared->told, __ATOMIC_ACQUIRE) != number) {
		if (calib_now(rig) > rig->deadline)
			return false;
		relax(&spins);
	}
	sample->read_ns = shared->ns;
	return true;
}

static int
verdict(double copy[2][ROUNDS], double read[2][ROUNDS], unsigned int n,
		double read_ns[2])
{
	double copy_ns[2];
	int i;

	if (n < ROUNDS_MIN)
		return -ETIME;
	for (i = 0; i < 2; i++) {
		copy_ns[i] = calib_median(copy[i], n);
		read_ns[i] = calib_median(read[i], n);
	}
	return read_ns[1] < GAIN * read_ns[0] &&
		copy_ns[1] + read_ns[1] < copy_ns[0] + read_ns[0];
}

int
calib_reader(struct calib_rig *rig, struct ferry_lane *lane,
		unsigned int reader, double read_ns[2])
{
	struct shared shared = { .rig = *rig };
	double copy[2][ROUNDS], read[2][ROUNDS];
	unsigned int round, i, k;
	struct sample sample;
	pthread_t thread;
	int ret;

	ret = reader != 0 ? thread_on(&thread, reader - 1, &shared) :
		thread_anywhere(&thread, &shared);
	if (ret < 0)
		return ret;
	/* The first two rounds only warm up. A round counts only if both of its
	 * samples were taken. */
	for (round = 0; round < ROUNDS + 2; round++) {
		for (k = 0; k < 2; k++) {
			i = (round + k) % 2;
			ferry_lane_set_demote(lane, i == 1);
			if (!once(rig, lane, &shared, 2 * round + k, &sample))
				break;
			if (round >= 2) {
				copy[i][round - 2] = sample.copy_ns;
				read[i][round - 2] = sample.read_ns;
			}
		}
		if (k < 2)
			break;
	}
	ferry_lane_set_demote(lane, false);
	shared.quit = true;
	/* Release R1. */
	__atomic_store_n(&shared.asked, shared.asked + 1, __ATOMIC_RELEASE);
	pthread_join(thread, NULL);
	return verdict(copy, read, round >= 2 ? round - 2 : 0, read_ns);
}
