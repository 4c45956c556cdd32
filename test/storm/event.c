/* SPDX-License-Identifier: BSD-3-Clause */

#include <signal.h>
#include <string.h>
#include <sys/resource.h>

#include "conductor.h"
#include "ferry_test.h"
#include "soft_rig.h"

const char *const event_names[EVENTS] = {
	"kill", "kill-two", "kill-pair", "stop", "stop-long", "stop-hub",
	"exit", "kill-init", "kill-exit", "fault", "faults-off", "unbind",
	"repair", "rebuild", "move", "mode", "hog", "fds-worker", "fds-hub",
	"clock", "kill-hub",
};

/* Longer than any wait of ferry's requests and lanes. */
#define STOP_LONG_NS (4 * SECOND)
#define FDS_NS (500 * MS)
/* rte_eal_init() of a secondary takes about so long. */
#define INIT_SPAN_NS (120 * MS)

/* Nanoseconds of any magnitude below a second: inside a call, or after it. */
static uint32_t
delay(uint64_t *rng, uint32_t most)
{
	const uint32_t top = UINT32_C(512) << ferry_test_random(rng) % 15;

	return (uint32_t)(ferry_test_random(rng) % top % most);
}

static bool
is_fit(const struct conductor *c, unsigned int worker)
{
	const struct place *p = &c->places[worker];

	return p->alive && !p->doomed && !p->stopped && !p->ending &&
		!conductor_in_eal(worker);
}

/* Choose the worker that an event happens to; STORM_LOCAL if there is none. */
static unsigned int
victim(struct conductor *c, uint64_t *rng)
{
	const unsigned int first = ferry_test_random(rng) % STORM_LOCAL;
	/* Mostly those that have done something. */
	const bool any = ferry_test_random(rng) % 8 == 0;
	unsigned int i;

	for (i = 0; i < STORM_LOCAL; i++) {
		const unsigned int worker = (first + i) % STORM_LOCAL;

		if (is_fit(c, worker) &&
				(any || storm->workers[worker].settled))
			return worker;
	}
	return STORM_LOCAL;
}

/* Places that a worker passes only at its begin. */
static bool
is_early(enum storm_place place)
{
	return place == STORM_ATTACH || place == STORM_ALLOC ||
		place == STORM_OPEN;
}

static void
kill_worker(struct conductor *c, unsigned int worker, uint64_t *rng)
{
	const uint64_t draw = ferry_test_random(rng) % (STORM_PLACES + 4);
	enum storm_place place = draw < STORM_PLACES ?
		(enum storm_place)draw : STORM_PLACES;
	const uint32_t ns = delay(rng, 10000000);

	if (place == STORM_INIT || place == STORM_EXIT)
		place = STORM_PLACES; /* these are events of their own */
	if (is_early(place)) {
		c->places[worker].next_trap = place + 1;
		c->places[worker].next_trap_ns = ns;
		place = STORM_PLACES;
	}
	conductor_kill(c, worker, place, ns);
}

static void
kill_some(struct conductor *c, unsigned int n, uint64_t *rng)
{
	while (n-- > 0) {
		const unsigned int worker = victim(c, rng);

		if (worker != STORM_LOCAL)
			kill_worker(c, worker, rng);
	}
}

static void
kill_pair(struct conductor *c, uint64_t *rng)
{
	const struct storm_route *r =
		&storm_routes[ferry_test_random(rng) % 4];

	if (!is_fit(c, r->from) || !is_fit(c, r->to))
		return;
	/* The second one within microseconds, or where it happens to be. */
	conductor_kill(c, r->from, STORM_PLACES, 0);
	kill_worker(c, r->to, rng);
}

static void
stop(struct conductor *c, uint64_t ns, uint64_t *rng)
{
	const unsigned int worker = victim(c, rng);

	if (worker != STORM_LOCAL)
		conductor_stop(c, worker, ns,
			ferry_test_random(rng) % 3 == 0);
}

static void
stop_hub(struct conductor *c, uint64_t *rng)
{
	if (c->hub_limited)
		return;
	ferry_proc_signal(&c->hub, SIGSTOP);
	c->hub_stopped = true;
	c->hub_resume_ns = ferry_test_now_ns() + STOP_LONG_NS;
	/* It hears of them when it goes on. */
	kill_some(c, ferry_test_random(rng) % 3, rng);
}

static void
exit_worker(struct conductor *c, bool killed, uint64_t *rng)
{
	const unsigned int worker = victim(c, rng);
	struct place *p = &c->places[worker];

	if (worker == STORM_LOCAL)
		return;
	p->ending = true;
	p->end_ns = ferry_test_now_ns();
	if (killed)
		conductor_kill(c, worker, STORM_EXIT,
			delay(rng, 10000000));
	ferry_proc_signal(&p->proc, SIGTERM);
	/* It may not get to its exit at once. */
	p->deadline_ns += SECOND;
}

static void
kill_init(struct conductor *c, uint64_t *rng)
{
	const unsigned int worker = victim(c, rng);

	if (worker == STORM_LOCAL)
		return;
	c->places[worker].next_trap = STORM_INIT + 1;
	c->places[worker].next_trap_ns = (uint32_t)
		(ferry_test_random(rng) % INIT_SPAN_NS);
	conductor_kill(c, worker, STORM_PLACES, 0);
}

static void
order(struct conductor *c, enum hub_order_op op, uint64_t *rng)
{
	struct hub_order o = { .op = op };
	struct hub_told told;

	/* To set up a device takes descriptors. */
	if (c->hub_limited && op != HUB_MOVE)
		return;
	o.which = ferry_test_random(rng) %
		(op == HUB_MOVE ? STORM_ROUTES : HUB_ENGINES);
	o.to = ferry_test_random(rng) % (2 * HUB_ENGINES + 1) / 2;
	if (op == HUB_FAULT)
		rig_fault(rng, o.text, sizeof(o.text));
	conductor_order(c, &o, &told);
}

static void
faults_off(struct conductor *c)
{
	const struct hub_order o = {
		.op = HUB_FAULT, .text = "faults=off,preset=none",
	};
	struct hub_told told;

	conductor_order(c, &o, &told);
}

/* As many descriptors as it has got, and hardly more. */
static void
few_fds(const struct ferry_proc *proc, uint64_t *rng)
{
	struct rlimit few = { 0, 0 };
	char path[64];
	FILE *f;
	int n;

	/* Descriptors are given out from the lowest: as many as are used. */
	snprintf(path, sizeof(path), "ls /proc/%d/fd | wc -l", (int)proc->pid);
	f = popen(path, "r");
	if (f == NULL || fscanf(f, "%d", &n) != 1)
		n = 32;
	if (f != NULL)
		pclose(f);
	getrlimit(RLIMIT_NOFILE, &few);
	few.rlim_cur = (rlim_t)n + ferry_test_random(rng) % 3;
	prlimit(proc->pid, RLIMIT_NOFILE, &few, NULL);
}

static void
fds_worker(struct conductor *c, uint64_t *rng)
{
	const unsigned int worker = victim(c, rng);
	struct place *p = &c->places[worker];

	if (worker == STORM_LOCAL)
		return;
	few_fds(&p->proc, rng);
	p->limited = true;
	p->relief_ns = ferry_test_now_ns() + FDS_NS;
}

static void
fds_hub(struct conductor *c, uint64_t *rng)
{
	/* Nor could one that hangs be stopped, which is a fault of its own. */
	faults_off(c);
	few_fds(&c->hub, rng);
	c->hub_limited = true;
	c->hub_relief_ns = ferry_test_now_ns() + FDS_NS;
	/* Somebody attaches meanwhile. */
	kill_some(c, 1, rng);
}

static void
other_clock(struct conductor *c, uint64_t *rng)
{
	const unsigned int worker = victim(c, rng);

	if (worker == STORM_LOCAL)
		return;
	c->places[worker].other_clock = true;
	conductor_kill(c, worker, STORM_PLACES, 0);
}

static void
kill_hub(struct conductor *c, uint64_t *rng)
{
	/* Some die with it. */
	kill_some(c, ferry_test_random(rng) % 3, rng);
	c->hub_alive = false;
	c->hub_stopped = false;
	c->tally.hub_kills++;
	ferry_proc_kill(&c->hub);
}

static void
hog(struct conductor *c, uint64_t *rng)
{
	const unsigned int worker = victim(c, rng);

	if (worker != STORM_LOCAL)
		__atomic_store_n(&storm->workers[worker].hog, 1,
			__ATOMIC_RELAXED);
}

static void
happen(struct conductor *c, enum event what, uint64_t *rng)
{
	switch (what) {
	case EVENT_KILL:
		kill_some(c, 1, rng);
		break;
	case EVENT_KILL_TWO:
		kill_some(c, 2, rng);
		break;
	case EVENT_KILL_PAIR:
		kill_pair(c, rng);
		break;
	case EVENT_STOP:
		stop(c, ferry_test_random(rng) % (300 * MS), rng);
		break;
	case EVENT_STOP_LONG:
		stop(c, STOP_LONG_NS, rng);
		break;
	case EVENT_STOP_HUB:
		stop_hub(c, rng);
		break;
	case EVENT_EXIT:
		exit_worker(c, false, rng);
		break;
	case EVENT_KILL_INIT:
		kill_init(c, rng);
		break;
	case EVENT_KILL_EXIT:
		exit_worker(c, true, rng);
		break;
	case EVENT_FAULT:
		order(c, HUB_FAULT, rng);
		break;
	case EVENT_FAULTS_OFF:
		faults_off(c);
		break;
	case EVENT_UNBIND:
		order(c, HUB_UNBIND, rng);
		break;
	case EVENT_REPAIR:
		order(c, HUB_REPAIR, rng);
		break;
	case EVENT_REBUILD:
		order(c, HUB_REBUILD, rng);
		break;
	case EVENT_MOVE:
		order(c, HUB_MOVE, rng);
		break;
	case EVENT_MODE:
		storm->mode = (uint32_t)(ferry_test_random(rng) %
			(FERRY_MODES + 1));
		break;
	case EVENT_HOG:
		hog(c, rng);
		break;
	case EVENT_FDS_WORKER:
		fds_worker(c, rng);
		break;
	case EVENT_FDS_HUB:
		fds_hub(c, rng);
		break;
	case EVENT_CLOCK:
		other_clock(c, rng);
		break;
	case EVENT_KILL_HUB:
		kill_hub(c, rng);
		break;
	case EVENTS:
		break;
	}
}

void
event_happen(struct conductor *c)
{
	uint64_t rng = storm_mix(storm->seed, ++c->n_events);
	unsigned int i, all = 0, draw;

	/* A hub that is stopped carries out nothing. */
	if (c->hub_stopped)
		return;
	for (i = 0; i < EVENTS; i++)
		all += c->weights[i];
	draw = ferry_test_random(&rng) % all;
	for (i = 0; draw >= c->weights[i]; i++)
		draw -= c->weights[i];
	c->tally.events[i]++;
	happen(c, (enum event)i, &rng);
}
