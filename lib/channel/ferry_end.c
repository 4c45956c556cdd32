/* SPDX-License-Identifier: BSD-3-Clause */

#include <rte_cycles.h>

#include "ferry_channel.h"
#include "ferry_end_part.h"
#include "ferry_process.h"

int
ferry_end_init(struct ferry_end *end, const struct ferry_channel_attach *attach,
		struct ferry_channel_parts *parts, bool producer)
{
	int ret;

	if (attach == NULL || attach->shared == NULL || attach->bells == NULL ||
			attach->endpoint >= attach->n_bells ||
			attach->epoch == 0 || attach->epoch == UINT32_MAX)
		return -EINVAL;
	ret = ferry_channel_find(parts, attach->shared, attach->size, NULL);
	if (ret != 0)
		return ret;
	end->shared = parts->shared;
	end->own = producer ? &parts->shared->tx : &parts->shared->rx;
	end->other = producer ? &parts->shared->rx : &parts->shared->tx;
	end->held = producer ? parts->tx_held : parts->rx_held;
	end->cells = parts->cells;
	end->slots = parts->slots;
	end->stride = parts->stride;
	end->slot_size = parts->slot_size;
	end->n_slots = parts->n_slots;
	end->epoch = attach->epoch;
	end->n_bells = attach->n_bells;
	end->bells = attach->bells;
	end->endpoint = attach->endpoint;
	end->memory = attach->memory;
	end->copier = attach->copier;
	end->boards = attach->boards;
	end->local = attach->local;
	end->owner = attach->owner;
	end->kinds = attach->kinds;
	SLIST_INIT(&end->parts);
	return ferry_wait_init(&end->wait, FERRY_WAIT_SPIN);
}

int
ferry_end_open(struct ferry_end *end, const struct ferry_channel_attach *attach)
{
	struct ferry_channel_end *own = end->own;
	uint32_t absent = FERRY_END_ABSENT;
	struct ferry_process self;

	ferry_process_self(&self);
	/* Atomic, because the other end may read the number to ring the
	 * bell. */
	__atomic_store_n(&own->endpoint, attach->endpoint, __ATOMIC_RELAXED);
	own->epoch = attach->epoch;
	own->pid = self.pid;
	own->process = self.token;
	own->token_at = self.token_at;
	__atomic_store_n(&own->left, 0, __ATOMIC_RELAXED);
	__atomic_store_n(&own->may_sleep, 0, __ATOMIC_RELAXED);
	/* A compare-and-exchange, because the hub may have shut down in the
	 * meantime. */
	return __atomic_compare_exchange_n(&own->state, &absent,
			FERRY_END_OPEN, false, __ATOMIC_RELEASE,
			__ATOMIC_RELAXED) ? 0 : FERRY_E_HUB_GONE;
}

/* Wake the other end's endpoint even if its bell does not ask for it. */
static void
end_shout(const struct ferry_end *end)
{
	/* Acquire: the other end sets its state after its endpoint. */
	uint32_t state = __atomic_load_n(&end->other->state, __ATOMIC_ACQUIRE);
	uint32_t bell = __atomic_load_n(&end->other->endpoint,
			__ATOMIC_RELAXED);

	if (state != FERRY_END_ABSENT && bell < end->n_bells)
		ferry_bell_shout(&end->bells[bell]);
}

/* Close this end. GONE and HUB_GONE stay, because the hub wrote them. */
static void
state_close(struct ferry_channel_end *own)
{
	uint32_t was = __atomic_load_n(&own->state, __ATOMIC_RELAXED);

	/* Q in ferry_bulk_layout.h. The part's stopped() has a fence, and looks
	 * at the claims after it. */
	__atomic_store_n(&own->left, 1, __ATOMIC_RELEASE);
	while (was <= FERRY_END_OPEN && !__atomic_compare_exchange_n(
			&own->state, &was, FERRY_END_CLOSED, false,
			__ATOMIC_RELEASE, __ATOMIC_RELAXED))
		;
}

void
ferry_end_fini(struct ferry_end *end)
{
	struct ferry_end_part *part;

	while ((part = SLIST_FIRST(&end->parts)) != NULL) {
		SLIST_REMOVE_HEAD(&end->parts, next);
		part->ops->stopped(part);
	}
}

void
ferry_end_close(struct ferry_end *end)
{
	struct ferry_end_part *part;

	SLIST_FOREACH(part, &end->parts, next)
		if (part->ops->stop != NULL)
			part->ops->stop(part);
	state_close(end->own);
	end_shout(end);
	ferry_end_fini(end);
}

void
ferry_end_refuse(struct ferry_rx *rx, const struct ferry_msg *msg)
{
	const struct ferry_end_kind *const *kind = rx->end.kinds;

	for (; kind != NULL && *kind != NULL; kind++)
		if ((*kind)->refuse != NULL)
			(*kind)->refuse(rx, msg);
}

/* Let the parts advance their work. Returns the most that the calling thread
 * did for one of them. */
static enum ferry_end_step
parts_step(struct ferry_end *end)
{
	enum ferry_end_step most = FERRY_STEP_NONE, step;
	struct ferry_end_part *part;

	SLIST_FOREACH(part, &end->parts, next) {
		if (part->ops->step == NULL)
			continue;
		step = part->ops->step(part);
		most = RTE_MAX(most, step);
	}
	return most;
}

void
ferry_end_wish(struct ferry_end *end, bool each)
{
	struct ferry_end_part *part;

	SLIST_FOREACH(part, &end->parts, next)
		if (part->ops->wish != NULL)
			part->ops->wish(part, each);
}

bool
ferry_end_drained(const struct ferry_end *end)
{
	const struct ferry_end_part *part;

	SLIST_FOREACH(part, &end->parts, next)
		if (part->ops->drained != NULL && !part->ops->drained(part))
			return false;
	return true;
}

/* A wait, for the re-check once the bell is armed. */
struct end_wait {
	const struct ferry_end *end;
	const struct ferry_end_want *want;
};

static bool
end_wake(void *arg)
{
	const struct end_wait *w = arg;
	const struct ferry_end_part *part;

	SLIST_FOREACH(part, &w->end->parts, next)
		if (part->ops->wake != NULL && part->ops->wake(part))
			return true;
	return w->want->look(w->want->arg) != 0 ||
		ferry_channel_mode(w->end->shared) != w->end->mode;
}

int
ferry_end_wait(struct ferry_end *end, const struct ferry_end_want *want,
		uint64_t timeout_ns)
{
	struct end_wait w = { end, want };
	enum ferry_end_step step;
	struct ferry_wait busy;
	uint64_t deadline;
	int late, ret;

	ret = want->look(want->arg);
	if (ret != 0 || timeout_ns == 0)
		return ret == 0 ? -ETIMEDOUT : RTE_MIN(ret, 0);
	deadline = ferry_wait_deadline(timeout_ns);
	ferry_wait_reset(&end->wait);
	/* For a thread that has work of its own, because no bell rings for that
	 * work. */
	ferry_wait_init(&busy, FERRY_WAIT_YIELD);
	do {
		ferry_end_take_mode(end);
		step = parts_step(end);
		if (want->wish != NULL)
			want->wish(want->arg);
		if (step == FERRY_STEP_NONE) {
			late = ferry_wait_idle(&end->wait,
					&end->bells[end->endpoint], end_wake,
					&w, deadline);
		} else if (step == FERRY_STEP_TENDED) {
			late = ferry_wait_idle(&busy, NULL, NULL, NULL,
					deadline);
		} else {
			ferry_wait_reset(&end->wait);
			late = rte_get_tsc_cycles() >= deadline;
		}
		ret = want->look(want->arg);
	} while (ret == 0 && late == 0);
	return ret == 0 ? -ETIMEDOUT : RTE_MIN(ret, 0);
}

bool
ferry_end_quiet(bool (*is_quiet)(void *), void *arg, uint64_t timeout_ns)
{
	struct ferry_wait wait;
	uint64_t deadline;

	if (is_quiet(arg))
		return true;
	if (timeout_ns == 0)
		return false;
	deadline = ferry_wait_deadline(timeout_ns);
	ferry_wait_init(&wait, FERRY_WAIT_YIELD);
	do {
		if (ferry_wait_idle(&wait, NULL, NULL, NULL, deadline) != 0)
			return false;
	} while (!is_quiet(arg));
	return true;
}

void
ferry_end_set_wait(struct ferry_end *end, enum ferry_wait_policy policy)
{
	uint32_t may_sleep;

	if (ferry_wait_set_policy(&end->wait, policy) != 0)
		return;
	may_sleep = ferry_wait_may_sleep(policy);
	if (may_sleep == end->own->may_sleep)
		return;
	__atomic_store_n(&end->own->may_sleep, may_sleep, __ATOMIC_RELAXED);
	/*
	 * Without a barrier on every CPU the other end might not see the flag
	 * in time for the first sleep. Where the kernel has no such barrier,
	 * naps are bounded.
	 */
	if (may_sleep)
		ferry_bell_settle();
}

static const enum ferry_wait_policy mode_waits[FERRY_MODES] = {
	[FERRY_MODE_LATENCY] = FERRY_WAIT_SPIN,
	[FERRY_MODE_THROUGHPUT] = FERRY_WAIT_YIELD,
	[FERRY_MODE_EFFICIENCY] = FERRY_WAIT_NAP,
};

void
ferry_end_take_mode(struct ferry_end *end)
{
	const enum ferry_mode mode = ferry_channel_mode(end->shared);

	if (likely(mode == end->mode))
		return;
	end->mode = (uint8_t)mode;
	ferry_end_set_wait(end, mode_waits[mode]);
}

int
ferry_end_set_mode(struct ferry_end *end, enum ferry_mode mode)
{
	if ((unsigned int)mode >= FERRY_MODES)
		return -EINVAL;
	/* Stored before the bells ring, so that the endpoint that they wake
	 * finds it. */
	__atomic_store_n(&end->shared->service.mode, mode, __ATOMIC_RELEASE);
	end_shout(end);
	ferry_board_tell(end->shared, &end->boards);
	ferry_end_take_mode(end);
	return 0;
}
