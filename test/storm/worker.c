/* SPDX-License-Identifier: BSD-3-Clause */

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <rte_common.h>

#include "ferry_test.h"
#include "step.h"
#include "storm_eal.h"
#include "worker.h"

/* Turns that found nothing before a worker waits. */
#define IDLE_TURNS 20
/* A worker with one end may wait longer than one with several. */
#define WAIT_ONE_NS UINT64_C(300000000)
#define WAIT_ONE_OF_NS UINT64_C(2000000)
/* Pieces of memory that a hog takes. */
#define HOG_PIECES 64
#define HOG_PIECE (UINT64_C(2) << 20)
#define HOG_US 30000
#define HOG_FORGETS 128

static const struct ferry_channel_config channel = {
	.slot_size = STORM_SLOT, .n_slots = STORM_N_SLOTS,
};

/* An end of one of the routes. */
struct end {
	unsigned int route;
	bool produces;
	bool open;
	/* A message has crossed since the worker began. */
	bool proven;
	uint64_t again_ns;
	struct producer p;
	struct consumer c;
};

struct worker {
	struct storm_worker *self;
	unsigned int number;
	struct ferry_endpoint *ep;
	struct end ends[STORM_ROUTES];
	unsigned int n_ends;
	uint64_t rng;
	bool hub_gone;
};

static uint32_t asked_to_end;

static void
on_end(int signal)
{
	(void)signal;
	__atomic_store_n(&asked_to_end, 1, __ATOMIC_RELAXED);
}

static bool
ending(const struct worker *w)
{
	return __atomic_load_n(&w->self->end, __ATOMIC_ACQUIRE) != 0 ||
		(w->number != STORM_LOCAL &&
		__atomic_load_n(&asked_to_end, __ATOMIC_RELAXED) != 0);
}

/* Whether a control call may fail so, and be tried again. */
static bool
try_again(struct worker *w, int ret, const char *what)
{
	switch (ret) {
	case FERRY_E_HUB_GONE:
		w->hub_gone = true;
		return true;
	case FERRY_E_NO_ROOM:
		storm_count(STORM_N_NO_ROOM, 1);
		return true;
	case -ETIMEDOUT:
		storm_count(STORM_N_TIMEOUTS, 1);
		return true;
	case -EMFILE:
	case -ENFILE:
		storm_count(STORM_N_NO_FDS, 1);
		return true;
	case -EEXIST: /* the dead have it, until the hub has heard */
		return true;
	default:
		storm_complain(STORM_UNEXPECTED, "worker %u: %s: %s", w->number,
			what, ferry_strerror(ret));
		return false;
	}
}

static void
end_close(struct end *e)
{
	if (e->produces)
		producer_close(&e->p);
	else
		consumer_close(&e->c);
	e->open = false;
}

static void
end_open(struct worker *w, struct end *e)
{
	char name[8];
	int ret;

	if (ferry_test_now_ns() < e->again_ns)
		return;
	snprintf(name, sizeof(name), "r%u", e->route);
	storm_at(STORM_OPEN);
	ret = e->produces ? ferry_tx_open(&e->p.tx, w->ep, name, &channel) :
		ferry_rx_open(&e->c.rx, w->ep, name, &channel);
	storm_at(STORM_ELSEWHERE);
	if (ret != 0) {
		e->p.tx = NULL;
		e->c.rx = NULL;
		try_again(w, ret, "open");
		e->again_ns = ferry_test_now_ns() + 2000000;
		return;
	}
	ret = e->produces ? producer_opened(&e->p) : consumer_opened(&e->c);
	if (ret != 0) {
		storm_complain(STORM_UNEXPECTED, "the ledger is full");
		exit(1);
	}
	e->open = true;
}

/* Either it got on (1) or not (0). */
static int
end_step(struct worker *w, struct end *e)
{
	const bool sends = __atomic_load_n(&storm->rest, __ATOMIC_RELAXED) == 0;
	int ret;

	if (!e->open) {
		end_open(w, e);
		return e->open;
	}
	if (e->produces)
		ret = sends ? producer_step(&e->p) : producer_wait(&e->p, 0);
	else
		ret = consumer_step(&e->c);
	if (ret >= 0) {
		e->proven |= ret > 0;
		return ret > 0;
	}
	w->hub_gone |= ret == FERRY_E_HUB_GONE;
	end_close(e);
	return 1;
}

/* Take all memory of the hub for a while, so that no other endpoint gets
 * any. */
static void
hog(struct worker *w)
{
	void *pieces[HOG_PIECES];
	unsigned int i, n;

	storm_at(STORM_ALLOC);
	for (n = 0; n < HOG_PIECES; n++) {
		pieces[n] = ferry_alloc(w->ep, HOG_PIECE);
		if (pieces[n] == NULL)
			break;
	}
	usleep(HOG_US);
	for (i = 0; i < n; i++)
		ferry_free(w->ep, pieces[i]);
	/* An endpoint keeps what it had in use lately, by its allocations. */
	for (i = 0; i < HOG_FORGETS; i++)
		ferry_free(w->ep, ferry_alloc(w->ep, 1));
	storm_at(STORM_ELSEWHERE);
	storm_count(STORM_N_HOGS, 1);
}

static void
wait_some(struct worker *w)
{
	struct end *e = &w->ends[ferry_test_random(&w->rng) % w->n_ends];
	const uint64_t ns = ferry_test_random(&w->rng) %
		(w->n_ends == 1 ? WAIT_ONE_NS : WAIT_ONE_OF_NS);
	int ret;

	if (!e->open) {
		usleep(500);
		return;
	}
	ret = e->produces ? producer_wait(&e->p, ns) : consumer_wait(&e->c, ns);
	if (ret < 0) {
		w->hub_gone |= ret == FERRY_E_HUB_GONE;
		end_close(e);
	}
}

/* Whether all is drained; and, if it shall keep still, do so. */
static void
rest(struct worker *w, uint32_t number)
{
	unsigned int i;
	bool quiet = true;

	for (i = 0; i < w->n_ends; i++) {
		struct end *e = &w->ends[i];

		quiet &= e->open && (e->produces ? producer_rested(&e->p) :
			consumer_rested(&e->c));
	}
	__atomic_store_n(&w->self->drained, quiet ? number : 0,
		__ATOMIC_RELEASE);
	if (quiet)
		usleep(500);
	if (__atomic_load_n(&storm->freeze, __ATOMIC_ACQUIRE) != number)
		return;
	__atomic_store_n(&w->self->frozen, number, __ATOMIC_RELEASE);
	while (__atomic_load_n(&storm->freeze, __ATOMIC_ACQUIRE) == number &&
			!ending(w)) {
		w->self->beat++;
		usleep(500);
	}
}

static void
churn(struct worker *w)
{
	const uint32_t one_in = __atomic_load_n(&storm->churn,
		__ATOMIC_RELAXED);
	struct end *e = &w->ends[ferry_test_random(&w->rng) % w->n_ends];

	if (one_in == 0 || ferry_test_random(&w->rng) % one_in != 0)
		return;
	if (e->open)
		end_close(e);
}

static void
turn(struct worker *w, unsigned int *idle)
{
	const uint32_t number = __atomic_load_n(&storm->rest, __ATOMIC_ACQUIRE);
	unsigned int i, proven = 0;
	int done = 0;

	for (i = 0; i < w->n_ends && !w->hub_gone; i++) {
		done |= end_step(w, &w->ends[i]);
		proven += w->ends[i].proven;
	}
	__atomic_store_n(&w->self->settled, proven > 0,
		__ATOMIC_RELAXED);
	__atomic_store_n(&w->self->beat, w->self->beat + 1, __ATOMIC_RELAXED);
	*idle = done ? 0 : *idle + 1;
	if (number != 0) {
		rest(w, number);
	} else {
		if (__atomic_exchange_n(&w->self->hog, 0, __ATOMIC_RELAXED))
			hog(w);
		churn(w);
	}
	if (*idle > IDLE_TURNS && !w->hub_gone)
		wait_some(w);
}

static int
attach(struct worker *w)
{
	char name[8];
	int ret;

	snprintf(name, sizeof(name), "w%u", w->number);
	do {
		storm_at(STORM_ATTACH);
		ret = ferry_attach(&w->ep, STORM_HUB, name);
		storm_at(STORM_ELSEWHERE);
		__atomic_store_n(&w->self->beat, w->self->beat + 1,
			__ATOMIC_RELAXED);
	} while (ret != 0 && try_again(w, ret, "attach") && !w->hub_gone &&
			!ending(w));
	storm_count(STORM_N_ATTACHES, ret == 0);
	return ret;
}

/* From attach to detach. */
static int
life(struct worker *w)
{
	const uint32_t one_in = __atomic_load_n(&storm->churn,
		__ATOMIC_RELAXED);
	uint64_t turns = UINT64_MAX;
	unsigned int i, idle = 0;
	int ret = attach(w);

	if (ret != 0)
		return ret;
	if (one_in != 0)
		turns = ferry_test_random(&w->rng) % (20 * (uint64_t)one_in);
	for (i = 0; i < w->n_ends && ret == 0; i++) {
		struct end *e = &w->ends[i];
		const uint64_t rng = ferry_test_random(&w->rng);

		ret = e->produces ? producer_init(&e->p, w->ep, rng) :
			consumer_init(&e->c, w->ep, rng);
	}
	while (ret == 0 && !ending(w) && !w->hub_gone &&
			(turns-- > 0 || storm->rest != 0))
		turn(w, &idle);
	for (i = 0; i < w->n_ends; i++)
		if (w->ends[i].open && ferry_test_random(&w->rng) % 2 == 0)
			end_close(&w->ends[i]);
	storm_at(STORM_DETACH);
	ferry_detach(w->ep);
	storm_at(STORM_ELSEWHERE);
	for (i = 0; i < w->n_ends; i++) {
		struct end *e = &w->ends[i];

		e->open = false;
		if (e->produces)
			producer_fini(&e->p);
		else
			consumer_fini(&e->c);
	}
	return ret;
}

int
storm_work(unsigned int worker, uint64_t seed)
{
	struct worker *w = calloc(1, sizeof(*w));
	unsigned int i;
	int ret = 0;

	if (w == NULL)
		return 1;
	w->number = worker;
	w->self = &storm->workers[worker];
	w->rng = seed;
	for (i = 0; i < STORM_ROUTES; i++) {
		const struct storm_route *r = &storm_routes[i];

		if (r->from == worker || r->to == worker)
			w->ends[w->n_ends++] = (struct end){
				.route = i, .produces = r->from == worker,
			};
	}
	while (ret == 0 && !ending(w) && !w->hub_gone)
		ret = life(w);
	if (w->hub_gone)
		ret = STORM_EXIT_HUB_GONE;
	else if (ret != 0)
		ret = STORM_EXIT_NO_HUB;
	free(w);
	return ret;
}

int
storm_worker_main(int fd, void *arg)
{
	const unsigned int worker = (unsigned int)(uintptr_t)arg;
	static struct ferry_eal_args args;
	uint64_t seed;
	int ret;

	/* Ctrl-C is for the conductor. */
	setpgid(0, 0);
	storm_on_end(on_end);
	step_init();
	if (ferry_proc_read(fd, &seed, sizeof(seed), 60000) != 0)
		return 1;
	storm_is(worker, seed);
	storm_at(STORM_INIT);
	ret = storm_eal_start(&args, FERRY_EAL_SECONDARY, NULL);
	storm_at(STORM_ELSEWHERE);
	if (ret != 0)
		return STORM_EXIT_NO_EAL;
	ret = storm_work(worker, seed);
	storm_at(STORM_EXIT);
	ferry_eal_cleanup(&args, FERRY_EAL_SECONDARY);
	return ret;
}
