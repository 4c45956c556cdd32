/* SPDX-License-Identifier: BSD-3-Clause */

#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "ferry_test.h"
#include "step.h"
#include "storm.h"

/* One in so many calls of the data path sleeps at some instruction. It is one
 * in more of those calls that are repeated until something has happened. */
#define SLEEP_ONE_IN 64
#define SLEEP_POLL_ONE_IN 1024
#define SLEEP_NS UINT32_C(1500000)

/* A ring of three, a pair, and a thread of the hub between two of the ring. */
const struct storm_route storm_routes[STORM_ROUTES] = {
	{ 0, 1 }, { 1, 2 }, { 2, 0 }, { 3, 4 }, { 0, STORM_LOCAL },
	{ STORM_LOCAL, 2 },
};

const char *const storm_place_names[STORM_PLACES] = {
	"init", "attach", "open", "send", "loan", "post", "finish",
	"bulk send", "bulk wait", "bulk cancel", "tx wait", "drain", "mode",
	"recv", "rx wait", "release", "bulk accept", "bulk await",
	"bulk release", "alloc", "close", "detach", "exit", "elsewhere",
};

const char *const storm_count_names[STORM_COUNTS] = {
	"sent in cells", "sent in bursts", "loaned", "posted",
	"bulk, private", "bulk, shared", "bulk, cancelled", "bulk, refused",
	"bulk, given up", "bulk, ended early", "received", "bytes received",
	"bulk received", "bulk bytes received", "pairings", "drains",
	"mode changes", "attaches", "closes", "requests timed out",
	"refused for no memory", "refused for no descriptor",
	"memory taken away", "device faults set", "lanes given back",
	"engines made anew", "channels moved",
};

const char *const storm_wrong_names[STORM_WRONGS] = {
	"lost", "doubled", "misordered", "damaged", "invented", "unexpected",
	"crashed", "hung", "leaked",
};

struct storm *storm;
static __thread struct storm_worker *self;
static __thread uint64_t self_rng;

void
storm_count(enum storm_count what, uint64_t n)
{
	__atomic_fetch_add(&storm->counts[what], n, __ATOMIC_RELAXED);
}

void
storm_complain(enum storm_wrong what, const char *format, ...)
{
	char text[256];
	va_list ap;

	__atomic_fetch_add(&storm->wrongs[what], 1, __ATOMIC_RELAXED);
	va_start(ap, format);
	vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	fprintf(stderr, "storm: %s: %s (pid %d, seed %" PRIu64 ")\n",
		storm_wrong_names[what], text, (int)getpid(), storm->seed);
}

bool
storm_spoils(enum storm_spoil what)
{
	uint32_t is = what;

	/* What ends the hub, too, would be another wrong. */
	if (self == &storm->workers[STORM_LOCAL])
		return false;
	return what == __atomic_load_n(&storm->spoil, __ATOMIC_RELAXED) &&
		__atomic_compare_exchange_n(&storm->spoil, &is,
			STORM_SPOIL_NOTHING, false, __ATOMIC_RELAXED,
			__ATOMIC_RELAXED);
}

bool
storm_is_spoilt(enum storm_spoil what)
{
	return what == __atomic_load_n(&storm->spoil, __ATOMIC_RELAXED);
}

uint64_t
storm_wrong(void)
{
	uint64_t n = 0;
	unsigned int i;

	for (i = 0; i < STORM_WRONGS; i++)
		n += __atomic_load_n(&storm->wrongs[i], __ATOMIC_RELAXED);
	return n;
}

void
storm_is(unsigned int worker, uint64_t seed)
{
	self = &storm->workers[worker];
	self_rng = seed;
}

static void
end_signals(sigset_t *set)
{
	sigemptyset(set);
	sigaddset(set, SIGTERM);
	sigaddset(set, SIGINT);
}

void
storm_hold_end(void)
{
	sigset_t set;

	end_signals(&set);
	sigprocmask(SIG_BLOCK, &set, NULL);
}

bool
storm_is_asked_to_end(void)
{
	sigset_t set;

	return sigpending(&set) == 0 && (sigismember(&set, SIGTERM) == 1 ||
		sigismember(&set, SIGINT) == 1);
}

void
storm_on_end(void (*handler)(int signal))
{
	sigset_t set;

	signal(SIGTERM, handler);
	signal(SIGINT, handler);
	end_signals(&set);
	sigprocmask(SIG_UNBLOCK, &set, NULL);
}

/* A number of any magnitude, as calls have instructions. */
static uint32_t
instructions(uint64_t draw)
{
	return (uint32_t)(1 + (draw >> 8) % (UINT32_C(16) << draw % 10));
}

/* Sending, receiving, and what belongs to it: no signals are blocked there. */
static bool
may_step(enum storm_place place)
{
	return place >= STORM_SEND && place <= STORM_BULK_RELEASE;
}

static bool
is_polled(enum storm_place place)
{
	return place == STORM_FINISH || place == STORM_BULK_WAIT ||
		place == STORM_TX_WAIT || place == STORM_DRAIN ||
		place == STORM_RECV || place == STORM_RX_WAIT ||
		place == STORM_BULK_AWAIT;
}

/* Be killed in so many nanoseconds, wherever the process is by then. */
static void
trap(uint32_t ns)
{
	struct sigevent event = {
		.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGKILL,
	};
	const struct itimerspec when = {
		.it_value = { ns / 1000000000, ns % 1000000000 + 1 },
	};
	timer_t timer;

	if (timer_create(CLOCK_MONOTONIC, &event, &timer) != 0 ||
			timer_settime(timer, 0, &when, NULL) != 0)
		raise(SIGKILL);
}

void
storm_at(enum storm_place place)
{
	uint64_t draw;

	__atomic_store_n(&self->place, place, __ATOMIC_RELAXED);
	step_end();
	draw = ferry_test_random(&self_rng);
	/* The conductor wrote when before. */
	if (__atomic_load_n(&self->trap, __ATOMIC_ACQUIRE) == place) {
		/* One time in two at an instruction; in the next call, if this
		 * one has fewer. */
		if (may_step(place) && self->trap_ns % 2 != 0) {
			step_kill(instructions(draw));
			return;
		}
		__atomic_store_n(&self->trap, STORM_PLACES, __ATOMIC_RELAXED);
		trap(self->trap_ns);
	} else if (may_step(place) && draw % (is_polled(place) ?
			SLEEP_POLL_ONE_IN : SLEEP_ONE_IN) == 0) {
		draw = ferry_test_random(&self_rng);
		step_sleep(instructions(draw), (uint32_t)(draw >> 32) %
			SLEEP_NS);
	}
}

uint64_t
storm_mix(uint64_t a, uint64_t b)
{
	uint64_t state = a * UINT64_C(0x9e3779b97f4a7c15) + b;

	return ferry_test_random(&state);
}
