/* SPDX-License-Identifier: BSD-3-Clause */

#include <errno.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "chan_parts.h"
#include "ferry_test.h"
#include "chan_rig.h"
#include "chan_step.h"
#include "ferry_post.h"
#include "step_child.h"

/* Steps after which the child has gone astray, because no operation takes so
 * many. */
#define STEPS_MAX 200000

void
stage_one_cpu(void)
{
	cpu_set_t one;

	CPU_ZERO(&one);
	CPU_SET(sched_getcpu(), &one);
	sched_setaffinity(0, sizeof(one), &one);
}

uint32_t
stage_len(const struct stage *stage, uint64_t i)
{
	return stage->len[i % RTE_DIM(stage->len)];
}

struct ferry_buf
stage_buf(struct stage *stage, unsigned int k, uint64_t i, uint32_t len)
{
	stage->len[i % RTE_DIM(stage->len)] = len;
	rig_fill(stage->data[k], len, i);
	return (struct ferry_buf) { stage->data[k], len, rig_tag(i), 0 };
}

void
stage_send(struct stage *stage, uint32_t len)
{
	struct ferry_buf buf = stage_buf(stage, 0, stage->rig.tx->end.seq, len);

	assert_int_equal(ferry_tx_send(stage->rig.tx, &buf, 1), 1);
}

void
stage_start(struct stage *stage, bool victim_tx, uint32_t slot_size,
		uint32_t n_slots, unsigned int rounds)
{
	struct ferry_msg msg;

	memset(stage, 0, sizeof(*stage));
	stage->victim_tx = victim_tx;
	rig_start_post(&stage->rig, slot_size, n_slots, 1);
	stage->before = aligned_alloc(128, 3 * stage->rig.ch->size);
	assert_non_null(stage->before);
	stage->last = stage->before + stage->rig.ch->size;
	stage->copy = stage->last + stage->rig.ch->size;
	while (rounds-- > 0) {
		stage_send(stage, RTE_MIN(slot_size, 150u));
		assert_int_equal(ferry_rx_recv(stage->rig.rx, &msg, 1), 1);
		assert_int_equal(ferry_rx_release(stage->rig.rx, &msg, 1), 0);
	}
}

void
stage_stop(struct stage *stage)
{
	free(stage->before);
	rig_stop(&stage->rig);
}

static bool
content_is(const struct stage *stage, const void *data, uint32_t len,
		uint32_t tag, uint64_t i)
{
	return len == stage_len(stage, i) && tag == rig_tag(i) &&
		ferry_test_check(data, len, i) == -1;
}

/* A handle like from, on a copy of the channel. Bells of its own. */
static struct ferry_bell no_bells[RIG_BELLS];

static void
rebase(struct ferry_end *end, struct ferry_channel_shared *copy, bool producer)
{
	end->shared = copy;
	end->own = producer ? &copy->tx : &copy->rx;
	end->other = producer ? &copy->rx : &copy->tx;
	end->fwd.ring = chan_fwd(copy);
	end->back.ring = chan_back(copy);
	end->held = ferry_channel_at(copy, producer ? copy->off_tx_held :
			copy->off_rx_held);
	end->cells = ferry_channel_at(copy, copy->off_cells);
	end->slots = ferry_channel_at(copy, copy->off_slots);
	end->bells = no_bells;
	/* The parts are of the channel that was copied. */
	SLIST_INIT(&end->parts);
}

void
stage_keep_pending(struct stage *stage)
{
	struct ferry_channel_shared *copy =
		(struct ferry_channel_shared *)stage->copy;
	struct ferry_rx rx = *stage->rig.rx;
	struct ferry_msg msg;

	/* Where they are is seen on a copy. */
	memcpy(copy, rx.end.shared, rx.end.shared->size);
	rebase(&rx.end, copy, false);
	rx.out.ring = chan_out(copy);
	rx.jobs = chan_jobs(copy);
	while (ferry_rx_recv(&rx, &msg, 1) == 1) {
		assert_true(stage->n_kept < STEP_MSGS);
		stage->kept[stage->n_kept].data = (uint8_t *)stage->rig.ch +
			((uint8_t *)msg.data - stage->copy);
		stage->kept[stage->n_kept++].number = rx.end.seq - 1;
	}
}

/* A published descriptor names a slot that holds the whole message. */
static const char *
check_slot(const struct stage *stage, uint32_t slot, uint32_t len,
		uint32_t tag, uint64_t i)
{
	const struct ferry_channel_shared *ch = stage->rig.ch;

	if (slot >= ch->n_slots)
		return "a slot that does not exist is published";
	if (!content_is(stage, (const uint8_t *)ch + ch->off_slots +
			slot * ch->stride, len, tag, i))
		return "a slot is published before it is complete";
	return NULL;
}

/* What lies in a ring is complete. */
static const char *
check_ring(const struct stage *stage, const struct rte_ring *ring)
{
	const struct ferry_desc *descs = (const struct ferry_desc *)&ring[1];
	const char *wrong = NULL;
	uint32_t k;

	for (k = ring->cons.tail; k != ring->prod.tail && wrong == NULL; k++) {
		const struct ferry_desc *desc = &descs[k & ring->mask];

		wrong = check_slot(stage, desc->slot, desc->len, desc->tag,
				desc->seq);
	}
	return wrong;
}

/*
 * All that lies in rings and in cells is complete: NULL or what is wrong.
 * Sequence numbers of these tests fit 32 bits.
 */
static const char *
check_published(const struct stage *stage)
{
	const struct ferry_channel_shared *ch = stage->rig.ch;
	const struct ferry_cell *cells = ferry_channel_at(ch, ch->off_cells);
	const char *wrong = check_ring(stage, chan_fwd(ch));
	uint64_t i;
	uint32_t k;

	if (wrong == NULL)
		wrong = check_ring(stage, chan_out(ch));
	/* This process's handle: where the consumer was before, at least. */
	for (i = stage->rig.rx->cell_tail; wrong == NULL; i++) {
		const struct ferry_cell *cell = &cells[i % FERRY_N_CELLS];
		const uint32_t number = (uint32_t)cell->stamp;

		if (cell->stamp != ferry_cell_stamp(i, number))
			break;
		if (cell->len & FERRY_CELL_SLOT) {
			memcpy(&k, cell->data, sizeof(k));
			wrong = check_slot(stage, k, cell->len &
					~FERRY_CELL_SLOT, cell->tag, number);
		} else if (!content_is(stage, cell->data, cell->len, cell->tag,
				number)) {
			wrong = "a cell is published before it is complete";
		}
	}
	return wrong;
}

static const char *
check_census(const struct ferry_channel_shared *ch)
{
	struct ferry_channel_census c;

	if (ferry_channel_census(ch, NULL, false, &c) != 0)
		return "a slot is in two rings or in none that exists";
	if (c.lost != 0)
		return "a slot is lost";
	if (c.free + c.tx_held + c.jobs + c.in_flight + c.rx_held !=
			ch->n_slots)
		return "the slots do not add up";
	return NULL;
}

/* What the hub does about the jobs of the dead: jobs_finish(). */
static const char *
jobs_survive(struct ferry_channel_shared *ch)
{
	const struct ferry_serve serve = {
		.shared = ch,
		.config = { ch->slot_size, ch->n_slots },
		.local = true,
		.bells = no_bells,
		.n_bells = RIG_BELLS,
	};
	const char *wrong = NULL;
	struct ferry_copier copier;
	struct ferry_server server;

	assert_int_equal(ferry_copier_init(&copier, ferry_copy_cpu(),
		SOCKET_ID_ANY), 0);
	assert_int_equal(ferry_server_init(&server, &copier, NULL, 1), 0);
	ch->service.server = FERRY_SERVER_ENGINE + 77;
	if (ferry_server_add(&server, &serve) != 0)
		wrong = "nobody can take over the jobs";
	while (wrong == NULL && ferry_server_pending(&server, 0, true))
		ferry_server_poll(&server);
	if (server.stats.bad > 0 || ferry_channel_failed(ch) != 0)
		wrong = "a job of the dead cannot be carried out";
	ferry_server_remove(&server, 0);
	ferry_server_fini(&server);
	ferry_copier_fini(&copier);
	return wrong;
}

/*
 * The producer died here: its consumer takes what was published, in order and
 * complete, then learns of the death; and all slots are the dead one's or free.
 */
static const char *
consumer_survives(struct stage *stage, struct ferry_rx *rx)
{
	struct ferry_channel_shared *ch = rx->end.shared;
	struct ferry_channel_census c;
	uint64_t next = rx->end.seq, seen;
	const char *wrong = jobs_survive(ch);
	struct ferry_msg msg;
	int ret;

	if (wrong != NULL)
		return wrong;
	rig_set_state(&ch->tx, FERRY_END_GONE);
	while ((ret = ferry_rx_recv(rx, &msg, 1)) == 1) {
		if (!content_is(stage, msg.data, msg.len, msg.tag, next))
			return "the survivor gets a wrong message";
		next++;
		if (ferry_rx_release(rx, &msg, 1) != 0)
			return "the survivor cannot release";
	}
	if (ret != FERRY_E_PEER_GONE ||
			ferry_rx_wait(rx, UINT64_MAX) != FERRY_E_PEER_GONE)
		return "the consumer does not learn of the death";
	seen = next;
	if (seen < stage->visible)
		return "what was published is gone";
	stage->visible = seen;
	if (ferry_channel_census(ch, NULL, false, &c) != 0 || c.lost != 0 ||
			c.in_flight != 0 || c.rx_held != 0 ||
			c.free + c.tx_held != ch->n_slots)
		return "after the producer's death slots are missing";
	return NULL;
}

/* What is in a ring up to an index is as it was sent. */
static bool
ring_intact(const struct stage *stage, const struct ferry_channel_shared *ch,
		const struct rte_ring *ring, uint32_t to)
{
	const struct ferry_desc *descs = (const struct ferry_desc *)&ring[1];
	uint32_t at;

	for (at = ring->cons.tail; at != to; at++) {
		const struct ferry_desc *desc = &descs[at & ring->mask];

		if (!content_is(stage, (const uint8_t *)ch + ch->off_slots +
				desc->slot * ch->stride, desc->len, desc->tag,
				desc->seq))
			return false;
	}
	return true;
}

/* What is still the consumer's must be as it was before the operation. */
static const char *
check_consumers_share(const struct stage *stage,
		const struct ferry_channel_shared *ch, uint32_t sent)
{
	const struct rte_ring *out = chan_out(ch);
	const uint8_t *base = (const uint8_t *)ch;
	const struct ferry_rx *rx = stage->rig.rx;
	uint32_t i;

	/* In the rings, not yet taken. */
	if (!ring_intact(stage, ch, chan_fwd(ch), sent) ||
			!ring_intact(stage, ch, out, out->prod.tail))
		return "a message was overwritten before it was taken";
	/* In its hands, or about to be. */
	for (i = 0; i < stage->n_kept; i++) {
		const uint64_t number = stage->kept[i].number;
		const uint8_t *data = base + (stage->kept[i].data -
			(const uint8_t *)rx->end.shared);

		if (ferry_test_check(data, stage_len(stage, number), number) !=
				-1)
			return "a message was overwritten while it was held";
	}
	return NULL;
}

/*
 * The consumer stopped or died here. Before the producer knows of it, it uses
 * all slots and cells it can get. None of them may still be the consumer's.
 */
static const char *
producer_survives(struct stage *stage, struct ferry_tx *tx)
{
	static const uint8_t junk[2048] = { 0xee };
	struct ferry_channel_shared *ch = tx->end.shared;
	struct ferry_buf buf = { junk, FERRY_CELL_DATA, 0, 0 };
	const uint32_t sent = tx->end.fwd.ring->prod.tail;
	struct ferry_channel_census c;
	struct ferry_msg msg;
	const char *wrong;
	int ret;

	if (ferry_tx_loan(tx, &msg, 1) == 1 &&
			ferry_tx_cancel(tx, &msg, 1) != 0)
		return "the survivor cannot cancel";
	buf.len = RTE_MIN(buf.len, tx->end.slot_size);
	while ((ret = ferry_tx_send(tx, &buf, 1)) == 1)
		;
	if (ret != 0)
		return "the survivor cannot send";
	wrong = check_consumers_share(stage, ch, sent);
	if (wrong != NULL)
		return wrong;
	rig_set_state(&ch->rx, FERRY_END_GONE);
	if (ferry_tx_loan(tx, &msg, 1) != FERRY_E_PEER_GONE ||
			ferry_tx_send(tx, &buf, 1) != FERRY_E_PEER_GONE ||
			ferry_tx_wait(tx, UINT64_MAX) != FERRY_E_PEER_GONE ||
			ferry_tx_drain(tx, UINT64_MAX) != FERRY_E_PEER_GONE)
		return "the producer does not learn of the death";
	if (ferry_channel_census(ch, NULL, false, &c) != 0 || c.lost != 0 ||
			c.free + c.tx_held + c.in_flight + c.rx_held !=
			ch->n_slots)
		return "after the consumer's death slots are missing";
	return NULL;
}

static const char *
check_survivor(struct stage *stage)
{
	struct ferry_channel_shared *copy =
		(struct ferry_channel_shared *)stage->copy;

	memcpy(copy, stage->rig.ch, stage->rig.ch->size);
	if (stage->victim_tx) {
		struct ferry_rx rx = *stage->rig.rx;

		rebase(&rx.end, copy, false);
		rx.out.ring = chan_out(copy);
		rx.jobs = chan_jobs(copy);
			return consumer_survives(stage, &rx);
	} else {
		struct ferry_tx tx = *stage->rig.tx;
		struct ferry_post post = *tx.post;
		uint32_t queue[64];

		assert_true(tx.free_mask < RTE_DIM(queue));
		memcpy(queue, tx.free, (tx.free_mask + 1) * sizeof(queue[0]));
		rebase(&tx.end, copy, true);
		tx.free = queue;
		post.out = chan_out(copy);
		post.jobs.ring = chan_jobs(copy);
		post.tx = &tx;
		tx.post = &post;
		ferry_end_hang(&tx.end, &post.part, post.part.ops);
		return producer_survives(stage, &tx);
	}
}

/* A consumer that takes messages gives nothing back. */
static const char *
check_nothing_given(const struct stage *stage)
{
	const struct ferry_channel_shared *was =
		(const struct ferry_channel_shared *)stage->before;
	const struct ferry_channel_shared *is = stage->rig.ch;

	if (stage->victim_tx || stage->releases)
		return NULL;
	if (is->cells_freed != was->cells_freed ||
			chan_back(is)->prod.tail !=
			chan_back(was)->prod.tail)
		return "what was taken is given back at once";
	return NULL;
}

static const char *
check_stop(struct stage *stage)
{
	const char *wrong = check_census(stage->rig.ch);

	if (wrong == NULL)
		wrong = check_published(stage);
	if (wrong == NULL)
		wrong = check_nothing_given(stage);
	if (wrong == NULL)
		wrong = check_survivor(stage);
	return wrong;
}

static void
op_run(void *arg)
{
	struct stage *stage = arg;

	stage->op(stage);
}

/* One step of it: whether that went well. */
static bool
child_step(struct stage *stage, pid_t child)
{
	int status;

	if (step_one(child, &status) != 1 || stage->steps == STEPS_MAX) {
		stage->wrong = "the operation crashed or never ends";
		return false;
	}
	stage->steps += step_phase() == STEP_AT_WORK;
	return true;
}

int
stage_run(struct stage *stage, uint64_t kill_at)
{
	const size_t size = stage->rig.ch->size;
	pid_t child;
	int ret = 0;

	memcpy(stage->before, stage->rig.ch, size);
	memset(stage->last, 0, size);
	child = step_start(op_run, stage);
	if (child < 0)
		return child;
	while (step_phase() != STEP_DONE && stage->wrong == NULL) {
		if (step_phase() == STEP_AT_WORK && stage->steps == kill_at) {
			ret = 1;
			break;
		}
		/* One to be killed is looked at when it is dead. */
		if (!child_step(stage, child) || kill_at != UINT64_MAX ||
				step_phase() == STEP_NOT_YET ||
				memcmp(stage->last, stage->rig.ch, size) == 0)
			continue;
		memcpy(stage->last, stage->rig.ch, size);
		stage->changes++;
		stage->wrong = check_stop(stage);
		if (stage->wrong != NULL)
			stage->wrong_at = stage->steps;
	}
	step_kill(child);
	return ret;
}

int
stage_interleave(struct stage *stage, uint64_t steps,
		void (*act)(struct stage *stage))
{
	pid_t child = step_start(op_run, stage);
	int status;

	if (child < 0)
		return child;
	while (step_phase() != STEP_DONE && stage->steps < steps)
		if (!child_step(stage, child))
			break;
	if (step_phase() != STEP_AT_WORK || stage->wrong != NULL) {
		step_kill(child);
		return 0;
	}
	act(stage);
	if (step_rest(child, &status) != 0)
		stage->wrong = "the operation crashed";
	stage->result = step_reported();
	return 1;
}

const char *
stage_bury(struct stage *stage)
{
	/* The dead one's handle frees what is this process's own. */
	if (stage->victim_tx)
		return consumer_survives(stage, stage->rig.rx);
	return producer_survives(stage, stage->rig.tx);
}

static void
op_nothing(struct stage *stage)
{
	(void)stage;
}

void
stage_need_ptrace(void)
{
	static struct stage stage;
	int ret;

	stage_start(&stage, true, 64, 1, 0);
	stage.op = op_nothing;
	ret = stage_run(&stage, UINT64_MAX);
	stage_stop(&stage);
	if (ret >= 0)
		return;
	print_message("skipped: ptrace: %s\n", strerror(-ret));
	skip();
}
