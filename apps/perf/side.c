/* SPDX-License-Identifier: BSD-3-Clause */

#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <rte_cycles.h>

#include "app_eal.h"
#include "ferry_memory.h"
#include "work.h"

/* How long the two sides wait for each other to come: 20 s. */
#define MEET_NS UINT64_C(20000000000)
#define MEET_NAP_NS 1000000
/* Looks for a command before going to sleep: some hundred microseconds. */
#define HEAR_LOOKS 4096
/* Sleeps end so often to see whether the other side still lives: 100 ms. */
#define HEAR_NS UINT64_C(100000000)

#define CTL_SLOT 128

static const struct ferry_channel_config ctl_config = {
	.slot_size = CTL_SLOT,
	.n_slots = 4,
};
static const struct ferry_channel_config area_config = {
	.slot_size = sizeof(struct side_area) + FERRY_APART,
	.n_slots = 1,
};

volatile sig_atomic_t perf_stop;

bool
side_spin_slow(struct side *s)
{
	sched_yield();
	if (s->lead)
		return !perf_stop &&
			ferry_rx_peer(s->ctl_rx) <= FERRY_END_OPEN &&
			__atomic_load_n(&s->area->failed.stamp,
				__ATOMIC_RELAXED) == 0;
	return ferry_rx_peer(s->ctl_rx) <= FERRY_END_OPEN &&
		(s->area == NULL || __atomic_load_n(&s->area->quit.stamp,
			__ATOMIC_RELAXED) == 0);
}

uint64_t
side_memory(void)
{
	return 2 * ferry_channel_memory(&ctl_config) +
		ferry_channel_memory(&area_config);
}

static void
config_of(struct ferry_channel_config *config, const struct side_job *job)
{
	config->slot_size = job->slot != 0 ? job->slot : job->len;
	config->n_slots = job->n_slots;
}

uint64_t
side_case_memory(const struct side_job *job)
{
	struct ferry_channel_config config;

	config_of(&config, job);
	return ferry_channel_memory(&config) *
		(job->flags & SIDE_BOTH ? 2 : 1);
}

/* The area of the bounds: loaned from ferry, kept by the follower. */
static int
area_send(struct side *s)
{
	struct ferry_msg msg;
	int ret;

	ret = ferry_tx_loan(s->area_tx, &msg, 1);
	if (ret != 1)
		return ret < 0 ? ret : -EIO;
	s->area = RTE_PTR_ALIGN_CEIL(msg.data, FERRY_APART);
	memset(s->area, 0, sizeof(*s->area));
	msg.len = area_config.slot_size;
	ret = ferry_tx_commit(s->area_tx, &msg, 1);
	return ret == 1 ? 0 : -EIO;
}

/* Leader: wait until the follower has all of its ends. */
static int
meet(const struct side *s)
{
	unsigned int i;

	for (i = 0; i < MEET_NS / MEET_NAP_NS; i++) {
		if (ferry_tx_peer(s->area_tx) != FERRY_END_ABSENT)
			return 0;
		if (perf_stop)
			return -ECANCELED;
		usleep(MEET_NAP_NS / 1000);
	}
	return -ETIMEDOUT;
}

static int
area_receive(struct side *s)
{
	struct ferry_msg msg;
	int ret;

	ret = ferry_rx_wait(s->area_rx, MEET_NS);
	if (ret != 0)
		return ret;
	ret = ferry_rx_recv(s->area_rx, &msg, 1);
	if (ret != 1)
		return ret < 0 ? ret : -EIO;
	s->area = RTE_PTR_ALIGN_CEIL(msg.data, FERRY_APART);
	return 0;
}

static void
libc_copy(void *dst, const void *src, size_t len)
{
	memcpy(dst, src, len);
}

static const struct ferry_copy_kernel libc_kernel = {
	.name = "memcpy",
	.copy = libc_copy,
};

int
side_start(struct side *s, const char *hub, bool lead)
{
	int ret;

	memset(s, 0, sizeof(*s));
	s->lead = lead;
	s->kernels[0] = &libc_kernel;
	s->n_kernels = 1 + ferry_copy_kernel_list(s->kernels + 1,
			FERRY_COPY_KERNEL_MAX);
	ret = ferry_attach(&s->ep, hub, lead ? "perf-leader" :
			"perf-follower");
	if (ret == 0)
		ret = ferry_tx_open(&s->ctl_tx, s->ep,
				lead ? "perf-ctl" : "perf-ack", &ctl_config);
	if (ret == 0)
		ret = ferry_rx_open(&s->ctl_rx, s->ep,
				lead ? "perf-ack" : "perf-ctl", &ctl_config);
	if (ret == 0 && lead)
		ret = ferry_tx_open(&s->area_tx, s->ep, "perf-area",
				&area_config);
	else if (ret == 0)
		ret = ferry_rx_open(&s->area_rx, s->ep, "perf-area",
				&area_config);
	if (ret == 0) {
		ferry_rx_set_wait(s->ctl_rx, FERRY_WAIT_SLEEP);
		ret = lead ? area_send(s) : area_receive(s);
	}
	if (ret == 0 && lead) {
		ret = meet(s);
		if (ret != 0) {
			app_error("the receiver does not come: %s",
				ferry_strerror(ret));
			return ret;
		}
	}
	if (ret != 0)
		app_error("%s cannot attach to the hub: %s", lead ?
			"the sender" : "the receiver", ferry_strerror(ret));
	return ret;
}

/* Leader: tell the follower what to do. */
static int
command(struct side *s, enum side_op op, const struct side_job *job)
{
	struct side_cmd cmd = { .op = op };
	const struct ferry_buf buf = { .data = &cmd, .len = sizeof(cmd) };
	uint32_t rounds = 0;
	int ret;

	RTE_BUILD_BUG_ON(sizeof(cmd) > CTL_SLOT);
	if (job != NULL)
		cmd.job = *job;
	while ((ret = ferry_tx_send(s->ctl_tx, &buf, 1)) == 0)
		if (!side_spin(s, &rounds))
			return -ECANCELED;
	return ret == 1 ? 0 : ret;
}

/*
 * Receive a command or an answer of size bytes into what. A side that waits for
 * long sleeps, because an engine or a soft device may share its CPU.
 */
static int
hear(struct side *s, void *what, uint32_t size)
{
	struct ferry_msg msg;
	uint32_t looks = 0;
	int ret;

	while ((ret = ferry_rx_recv(s->ctl_rx, &msg, 1)) == 0) {
		rte_pause();
		if (++looks < HEAR_LOOKS)
			continue;
		ferry_rx_wait(s->ctl_rx, HEAR_NS);
		if (!side_spin_slow(s))
			return -ECANCELED;
	}
	if (ret < 0)
		return ret;
	if (msg.len != size)
		return -EPROTO;
	memcpy(what, msg.data, size);
	return ferry_rx_release(s->ctl_rx, &msg, 1);
}

static int
answer(struct side *s, const struct side_ack *ack)
{
	const struct ferry_buf buf = { .data = ack, .len = sizeof(*ack) };
	uint32_t rounds = 0;
	int ret;

	while ((ret = ferry_tx_send(s->ctl_tx, &buf, 1)) == 0)
		if (!side_spin(s, &rounds))
			return -ECANCELED;
	return ret == 1 ? 0 : ret;
}

void
side_quit(struct side *s)
{
	if (s->area != NULL)
		__atomic_store_n(&s->area->quit.stamp, 1, __ATOMIC_RELAXED);
}

void
side_ring_free(struct side *s)
{
	if (s->ring != NULL)
		ferry_free(s->ep, s->ring);
	s->ring = NULL;
	s->ring_size = 0;
}

void
side_end(struct side *s)
{
	free(s->slots);
	ferry_tx_close(s->tx);
	ferry_rx_close(s->rx);
	ferry_tx_close(s->area_tx);
	ferry_rx_close(s->area_rx);
	ferry_tx_close(s->ctl_tx);
	ferry_rx_close(s->ctl_rx);
	side_ring_free(s);
	ferry_detach(s->ep);
	pool_free(&s->pool);
	memset(s, 0, sizeof(*s));
}

/* This side's ends and pool of a case. */
static int
ends_open(struct side *s, const struct side_job *job)
{
	const bool sends = s->lead || (job->flags & SIDE_BOTH);
	const bool receives = !s->lead || (job->flags & SIDE_BOTH);
	struct ferry_channel_config config;
	int ret = 0;

	config_of(&config, job);
	s->seq = 0;
	if (sends)
		ret = ferry_tx_open(&s->tx, s->ep,
				s->lead ? SIDE_FORWARD : SIDE_BACK, &config);
	if (ret == 0 && receives)
		ret = ferry_rx_open(&s->rx, s->ep,
				s->lead ? SIDE_BACK : SIDE_FORWARD, &config);
	if (ret == 0 && work_of(job)->open != NULL)
		ret = work_of(job)->open(s, job);
	else if (ret == 0 && sends)
		ret = pool_set(&s->pool, job->pool, job->len,
				job->flags & SIDE_COLD);
	if (ret == 0 && sends) {
		s->slots = calloc(job->n_slots, sizeof(*s->slots));
		if (s->slots == NULL)
			ret = -ENOMEM;
	}
	return ret;
}

static void
ends_close(struct side *s)
{
	ferry_tx_close(s->tx);
	ferry_rx_close(s->rx);
	free(s->slots);
	s->tx = NULL;
	s->rx = NULL;
	s->slots = NULL;
}

int
side_take_slots(struct side *s)
{
	const uint32_t n = ferry_tx_channel(s->tx)->n_slots;
	int k;

	s->slot_at = 0;
	for (s->n_slots = 0; s->n_slots < n; s->n_slots += k) {
		k = ferry_tx_loan(s->tx, s->slots + s->n_slots,
				RTE_MIN(n - s->n_slots, 64u));
		if (k <= 0)
			return k < 0 ? k : -EBUSY;
	}
	return 0;
}

int
side_return_slots(struct side *s)
{
	int ret = 0;
	uint32_t i;

	/* Those just used come last, so that the rotation goes on. */
	for (i = 0; i < s->n_slots && ret == 0; i++) {
		ret = ferry_tx_cancel(s->tx, s->slots + s->slot_at, 1);
		side_next_slot(s);
	}
	s->n_slots = 0;
	return ret;
}

static bool
wants_slots(const struct side *s, const struct side_job *job)
{
	const struct work *w = work_of(job);

	return w->wants_slots != NULL && w->wants_slots(s, job);
}

/* Leader: send a command and take the answer. */
static int
ask(struct side *s, enum side_op op, const struct side_job *job,
		struct side_ack *ack)
{
	int ret = command(s, op, job);

	if (ret == 0)
		ret = hear(s, ack, sizeof(*ack));
	return ret != 0 ? ret : (int)ack->result;
}

int
side_open(struct side *s, const struct side_job *job)
{
	struct side_ack ack;
	int ret;

	/* Pools are filled one after the other: each by its user's core. */
	ret = ends_open(s, job);
	return ret != 0 ? ret : ask(s, SIDE_OPEN, job, &ack);
}

int
side_close(struct side *s)
{
	struct side_ack ack;

	ends_close(s);
	return ask(s, SIDE_CLOSE, NULL, &ack);
}

/* The CPU time of all: without what is not of the measurement. */
static void
add_up(struct side_slice *slice, const struct side_ack *ack, uint64_t took,
		uint64_t apart)
{
	uint64_t all = took;

	if (ack->process != (uint64_t)getpid())
		all += ack->process_ns;
	apart += slice->rewriting_ns;
	slice->cpu_ns[CPU_ALL] = all > apart ? all - apart : 0;
	slice->cpu_ns[CPU_RECEIVER] = ack->cpu_ns;
}

/* Leader: wait until the follower is awake and has begun. */
static int
await_begun(struct side *s)
{
	uint32_t rounds = 0;

	s->runs++;
	/* Pairs with the release of the follower's side_follow(). */
	while (__atomic_load_n(&s->area->begun.stamp, __ATOMIC_ACQUIRE) !=
			s->runs)
		if (!side_spin(s, &rounds))
			return -ECANCELED;
	return 0;
}

int
side_run(struct side *s, const struct side_job *job, struct side_slice *slice)
{
	const struct work *w = work_of(job);
	const bool alone = w->is_alone != NULL && w->is_alone(job);
	struct side_job mine = *job;
	struct side_ack ack = { 0 };
	uint64_t t0, all, waits;
	int ret = 0;

	memset(slice, 0, sizeof(*slice));
	mine.seq = s->seq;
	mine.at = s->belt.at;
	if (wants_slots(s, job))
		ret = side_take_slots(s);
	if (ret == 0 && !alone)
		ret = command(s, SIDE_RUN, &mine);
	if (ret == 0 && !alone)
		ret = await_begun(s);
	if (ret != 0)
		return ret;
	all = cpu_process_ns();
	t0 = rte_rdtsc();
	ret = w->lead(s, &mine, slice);
	/* Waiting awake for the answer is no part of what is measured. */
	waits = cpu_thread_ns();
	if (ret == 0 && !alone)
		ret = hear(s, &ack, sizeof(ack));
	slice->ticks = rte_rdtsc() - t0;
	waits = cpu_thread_ns() - waits;
	add_up(slice, &ack, cpu_process_ns() - all, waits);
	if (w->tells_times != NULL && w->tells_times(job))
		slice->hist = s->area->times;
	if (ret == 0)
		ret = (int)ack.result;
	slice->peer_ticks = ack.ticks;
	slice->copied[1] = ack.copied;
	slice->bad |= ack.bad;
	if (ret == 0 && wants_slots(s, job))
		ret = side_return_slots(s);
	return ret;
}

static int
follow_run(struct side *s, const struct side_job *job, struct side_ack *ack)
{
	const uint64_t thread = cpu_thread_ns(), all = cpu_process_ns();
	int ret = 0;

	s->seq = job->seq;
	s->belt.at = job->at;
	if (wants_slots(s, job))
		ret = side_take_slots(s);
	if (ret == 0)
		ret = work_of(job)->follow(s, job, ack);
	if (ret == 0 && wants_slots(s, job))
		ret = side_return_slots(s);
	ack->cpu_ns = cpu_thread_ns() - thread;
	ack->process_ns = cpu_process_ns() - all;
	ack->process = (uint64_t)getpid();
	return ret;
}

int
side_follow(struct side *s)
{
	struct side_cmd cmd;
	struct side_ack ack;
	int ret;

	for (;;) {
		ret = hear(s, &cmd, sizeof(cmd));
		if (ret != 0)
			return ret;
		memset(&ack, 0, sizeof(ack));
		switch (cmd.op) {
		case SIDE_OPEN:
			ack.result = ends_open(s, &cmd.job);
			break;
		case SIDE_RUN:
			__atomic_store_n(&s->area->begun.stamp, ++s->runs,
					__ATOMIC_RELEASE);
			ack.result = follow_run(s, &cmd.job, &ack);
			if (ack.result != 0)
				__atomic_store_n(&s->area->failed.stamp, 1,
						__ATOMIC_RELAXED);
			break;
		case SIDE_CLOSE:
			ends_close(s);
			break;
		default:
			return -EPROTO;
		}
		ret = answer(s, &ack);
		if (ret != 0)
			return ret;
	}
}
