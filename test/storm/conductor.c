/* SPDX-License-Identifier: BSD-3-Clause */

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "conductor.h"
#include "ferry_test.h"

/* How long the conductor waits for a worker to enter the place of its trap. */
#define TRAP_NS (400 * MS)
/* Inside rte_eal_init() for so long, with EAL's locks perhaps held. */
#define INIT_NS (8 * SECOND)
#define TAINTED_END_MS 5000
#define ANSWER_MS 240000
/* Clocks of time namespaces, in seconds. */
#define CLOCK_BEHIND -60
#define CLOCK_AHEAD 3600
#define PUMP_US 500

static struct storm_worker *
shared(unsigned int worker)
{
	return &storm->workers[worker];
}

void
conductor_hung(pid_t pid, const char *what)
{
	char command[160];

	storm_complain(STORM_HUNG, "%s, process %d", what, (int)pid);
	if (access("/usr/bin/gdb", X_OK) != 0)
		return;
	fflush(NULL);
	snprintf(command, sizeof(command), "timeout 60 gdb -p %d -batch -nx "
		"-ex 'thread apply all bt' < /dev/null 2>&1 | "
		"grep -v '^\\[New LWP' >&2", (int)pid);
	if (system(command) != 0)
		fprintf(stderr, "storm: no backtrace\n");
}

bool
conductor_order(struct conductor *c, const struct hub_order *order,
		struct hub_told *told)
{
	memset(told, 0, sizeof(*told));
	if (!c->hub_alive)
		return false;
	if (ferry_proc_write(c->hub.fd, order, sizeof(*order)) != 0 ||
			ferry_proc_read(c->hub.fd, told, sizeof(*told),
				ANSWER_MS) != 0) {
		memset(told, 0, sizeof(*told));
		fprintf(stderr,
			"storm: order %d of queue, engine or route %u:\n",
			(int)order->op, order->which);
		conductor_hung(c->hub.pid, "the hub does not answer");
		return false;
	}
	if (told->result != 0)
		storm_complain(STORM_UNEXPECTED, "the hub: order %d: %s",
			(int)order->op, ferry_strerror(told->result));
	return true;
}

bool
conductor_in_eal(unsigned int worker)
{
	const uint32_t at = __atomic_load_n(&shared(worker)->place,
		__ATOMIC_RELAXED);

	return at == STORM_INIT || at == STORM_EXIT;
}

void
conductor_kill(struct conductor *c, unsigned int worker,
		enum storm_place place, uint32_t delay_ns)
{
	struct place *p = &c->places[worker];
	struct storm_worker *s = shared(worker);

	p->doomed = true;
	p->in_eal = place == STORM_INIT || place == STORM_EXIT;
	p->deadline_ns = ferry_test_now_ns();
	if (place == STORM_PLACES) {
		ferry_proc_signal(&p->proc, SIGKILL);
		return;
	}
	p->deadline_ns += TRAP_NS;
	s->trap_ns = delay_ns;
	/* The worker reads when, after it has read where. */
	__atomic_store_n(&s->trap, place, __ATOMIC_RELEASE);
}

void
conductor_stop(struct conductor *c, unsigned int worker, uint64_t ns,
		bool dies)
{
	struct place *p = &c->places[worker];

	ferry_proc_signal(&p->proc, SIGSTOP);
	p->stopped = true;
	p->dies_stopped = dies;
	p->resume_ns = ferry_test_now_ns() + ns;
}

/* Children have a monotonic clock that is ahead by so many seconds. */
static int
clock_begin(int64_t ahead)
{
	char text[32];
	int fd, n;

	if (unshare(CLONE_NEWTIME) != 0)
		return -errno;
	fd = open("/proc/self/timens_offsets", O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	n = snprintf(text, sizeof(text), "monotonic %" PRId64 " 0\n", ahead);
	n = write(fd, text, (size_t)n) == n ? 0 : -errno;
	close(fd);
	return n;
}

static void
clock_end(void)
{
	int fd = open("/proc/self/ns/time", O_RDONLY | O_CLOEXEC);

	if (fd < 0 || setns(fd, CLONE_NEWTIME) != 0)
		fprintf(stderr, "storm: cannot leave a time namespace: %m\n");
	close(fd);
}

static void
worker_start(struct conductor *c, unsigned int worker)
{
	struct place *p = &c->places[worker];
	struct storm_worker *s = shared(worker);
	const uint64_t seed = storm_mix(storm->seed, ++c->tally.starts);
	bool clock = p->other_clock;

	memset(p, 0, sizeof(*p));
	s->end = s->hog = s->settled = s->drained = s->frozen = 0;
	s->place = STORM_INIT;
	s->trap = STORM_PLACES;
	if (clock && clock_begin(++c->tally.clocks % 2 != 0 ?
			CLOCK_BEHIND : CLOCK_AHEAD) != 0) {
		fprintf(stderr, "storm: no time namespaces: %m\n");
		c->weights[EVENT_CLOCK] = 0;
	}
	if (ferry_proc_start(&p->proc, storm_worker_main,
			(void *)(uintptr_t)worker) != 0) {
		storm_complain(STORM_UNEXPECTED, "cannot fork: %m");
		return;
	}
	if (clock)
		clock_end();
	p->alive = true;
	p->beat = s->beat;
	p->beat_ns = ferry_test_now_ns();
	ferry_proc_write(p->proc.fd, &seed, sizeof(seed));
}

static void
worker_ended(struct conductor *c, unsigned int worker, int code)
{
	struct place *p = &c->places[worker];
	const uint32_t at = shared(worker)->place;
	const uint64_t now = ferry_test_now_ns();

	p->alive = false;
	p->start_ns = now;
	if (code == 128 + SIGKILL && p->doomed) {
		c->tally.kills[at < STORM_PLACES ? at : STORM_ELSEWHERE]++;
		c->tally.kills_stopped += p->stopped;
		c->round_kills++;
		c->tainted |= at == STORM_INIT || at == STORM_EXIT;
	} else if (code > 128) {
		storm_complain(STORM_CRASHED, "worker %u ended by signal %d in "
			"%s", worker, code - 128, storm_place_names[at]);
	} else if (code == STORM_EXIT_DONE ? p->ending :
			code == STORM_EXIT_HUB_GONE && !c->hub_alive) {
		/* as it should */
	} else if (code == STORM_EXIT_NO_EAL && c->tainted) {
		c->tally.eal_refused++;
		c->give_up = true;
	} else if ((code == STORM_EXIT_NO_EAL || code == STORM_EXIT_NO_HUB ||
			(code == STORM_EXIT_HUB_GONE && c->hub_limited)) &&
			(!c->hub_alive || c->hub_limited || p->limited)) {
		c->tally.refused++;
	} else {
		storm_complain(STORM_UNEXPECTED, "worker %u ended with code %d "
			"in %s", worker, code, storm_place_names[at]);
		p->start_ns = now + SECOND;
	}
	if (p->ending && now - p->end_ns > c->tally.slowest_end_ns)
		c->tally.slowest_end_ns = now - p->end_ns;
	p->stopped = false;
}

/* The hub's own worker. */
static void
watch_local(struct conductor *c, uint64_t now)
{
	const uint32_t beat = __atomic_load_n(&shared(STORM_LOCAL)->beat,
		__ATOMIC_RELAXED);
	uint64_t since;

	if (beat != c->local_beat || c->hub_stopped) {
		c->local_beat = beat;
		c->local_beat_ns = now;
	}
	since = c->local_beat_ns > c->calm_ns ? c->local_beat_ns : c->calm_ns;
	if (now - since > c->hang_ns && !c->give_up) {
		conductor_hung(c->hub.pid, "the hub's worker does not get on");
		c->give_up = true;
	}
}

static void
watch(struct conductor *c, unsigned int worker, uint64_t now)
{
	struct place *p = &c->places[worker];
	const uint32_t beat = __atomic_load_n(&shared(worker)->beat,
		__ATOMIC_RELAXED);
	const uint32_t at = __atomic_load_n(&shared(worker)->place,
		__ATOMIC_RELAXED);
	uint64_t since;

	if (beat != p->beat || p->stopped) {
		p->beat = beat;
		p->beat_ns = now;
	}
	since = p->beat_ns > c->calm_ns ? p->beat_ns : c->calm_ns;
	if (p->doomed && p->in_eal) {
		return; /* it is dying */
	} else if (c->tainted && (at == STORM_INIT || at == STORM_EXIT) &&
			now - since > INIT_NS) {
		/* EAL's locks are known to stay held. */
		c->tally.eal_stuck++;
		c->give_up = true;
		p->doomed = p->in_eal = true;
		ferry_proc_signal(&p->proc, SIGKILL);
	} else if (now - since > c->hang_ns) {
		char text[80];

		snprintf(text, sizeof(text), "worker %u does not get on in %s",
			worker, storm_place_names[at]);
		conductor_hung(p->proc.pid, text);
		p->doomed = p->in_eal = true;
		ferry_proc_signal(&p->proc, SIGKILL);
	}
}

/* As many descriptors as the conductor may have itself. */
static void
relieve(const struct ferry_proc *proc)
{
	struct rlimit own;

	if (getrlimit(RLIMIT_NOFILE, &own) != 0 ||
			prlimit(proc->pid, RLIMIT_NOFILE, &own, NULL) != 0)
		fprintf(stderr, "storm: prlimit: %m\n");
}

static void
pump_worker(struct conductor *c, unsigned int worker, uint64_t now)
{
	struct place *p = &c->places[worker];
	int code;

	if (!p->alive)
		return;
	code = ferry_proc_wait(&p->proc, 0);
	if (code != -ETIMEDOUT) {
		worker_ended(c, worker, code);
		return;
	}
	if (p->stopped && now >= p->resume_ns) {
		if (p->dies_stopped) {
			conductor_kill(c, worker, STORM_PLACES, 0);
			return;
		}
		ferry_proc_signal(&p->proc, SIGCONT);
		p->stopped = false;
	}
	if (p->limited && now >= p->relief_ns) {
		relieve(&p->proc);
		p->limited = false;
	}
	if (p->doomed && !p->stopped && now >= p->deadline_ns &&
			(p->in_eal || !conductor_in_eal(worker)))
		ferry_proc_signal(&p->proc, SIGKILL);
	if (p->stopped || c->hub_stopped)
		c->calm_ns = now;
	watch(c, worker, now);
}

void
conductor_pump(struct conductor *c)
{
	const uint64_t now = ferry_test_now_ns();
	unsigned int i;
	int code;

	if (c->hub_stopped && now >= c->hub_resume_ns) {
		ferry_proc_signal(&c->hub, SIGCONT);
		c->hub_stopped = false;
		c->calm_ns = now;
	}
	if (c->hub_limited && now >= c->hub_relief_ns) {
		relieve(&c->hub);
		c->hub_limited = false;
	}
	if (c->hub_alive) {
		code = ferry_proc_wait(&c->hub, 0);
		if (code != -ETIMEDOUT) {
			storm_complain(STORM_CRASHED, "the hub ended with %d",
				code);
			c->hub_alive = false;
			c->give_up = true;
		} else if (__atomic_load_n(&shared(STORM_LOCAL)->end,
				__ATOMIC_RELAXED) == 0) {
			watch_local(c, now);
		}
	}
	for (i = 0; i < STORM_LOCAL; i++)
		pump_worker(c, i, now);
	usleep(PUMP_US);
}

/* Processes that have ended are followed by others. */
static void
replace(struct conductor *c)
{
	unsigned int i;

	for (i = 0; i < STORM_LOCAL && c->hub_alive && !c->hub_stopped; i++) {
		struct place *p = &c->places[i];
		const uint32_t trap = p->next_trap;
		const uint32_t ns = p->next_trap_ns;

		if (p->alive || ferry_test_now_ns() < p->start_ns)
			continue;
		worker_start(c, i);
		if (trap != 0) {
			conductor_kill(c, i, trap - 1, ns);
			/* It takes its time to get there. */
			c->places[i].deadline_ns += 2 * SECOND;
		}
	}
}

bool
conductor_settle(struct conductor *c)
{
	const uint64_t end = ferry_test_now_ns() + 2 * c->hang_ns;
	unsigned int i, good;

	do {
		if (ferry_test_now_ns() > end || c->give_up || !c->hub_alive)
			return false;
		conductor_pump(c);
		replace(c);
		for (i = good = 0; i < STORM_LOCAL; i++) {
			const struct place *p = &c->places[i];

			good += p->alive && !p->stopped && !p->doomed &&
				!p->limited && !p->ending;
		}
	} while (good < STORM_LOCAL || c->hub_limited || c->hub_stopped);
	return true;
}

static int
round_begin(struct conductor *c)
{
	uint64_t seed = storm_mix(storm->seed, UINT64_C(1) << 32 |
		++storm->generation);
	unsigned int i;
	int ret;

	c->tally.rounds++;
	memset(&storm->ledger, 0, sizeof(storm->ledger));
	storm->rest = storm->freeze = 0;
	memset(&storm->workers[STORM_LOCAL], 0, sizeof(storm->workers[0]));
	storm->workers[STORM_LOCAL].trap = STORM_PLACES;
	c->tainted = c->give_up = c->hub_stopped = c->hub_limited = false;
	c->fds_rest = 0;
	c->local_beat_ns = ferry_test_now_ns();
	c->round_kills = 0;
	ret = ferry_proc_start(&c->hub, storm_hub_main, &seed);
	if (ret != 0)
		return ret;
	c->hub_alive = true;
	c->hub_pid = c->hub.pid;
	if (ferry_proc_read(c->hub.fd, &c->base, sizeof(c->base),
			ANSWER_MS) != 0) {
		ret = ferry_proc_wait(&c->hub, 1000);
		if (ret == -ETIMEDOUT)
			conductor_hung(c->hub.pid, "the hub does not come up");
		else
			storm_complain(STORM_CRASHED, "the hub ended with %d "
				"at its start", ret);
		ferry_proc_kill(&c->hub);
		c->hub_alive = false;
		return -ETIMEDOUT;
	}
	if (c->base.result != 0) {
		storm_complain(STORM_UNEXPECTED, "the hub did not start: %s",
			ferry_strerror(c->base.result));
		ferry_proc_wait(&c->hub, ANSWER_MS);
		c->hub_alive = false;
		return c->base.result;
	}
	for (i = 0; i < STORM_LOCAL; i++) {
		memset(&c->places[i], 0, sizeof(c->places[i]));
		worker_start(c, i);
	}
	return 0;
}

/* All workers that are there end, each on its own: all that hang are told. */
static void
workers_end(struct conductor *c, bool ask)
{
	const uint64_t now = ferry_test_now_ns();
	unsigned int i, left;

	for (i = 0; i < STORM_LOCAL; i++) {
		struct place *p = &c->places[i];

		if (!p->alive)
			continue;
		if (p->stopped)
			ferry_proc_signal(&p->proc, SIGCONT);
		p->stopped = false;
		p->ending = true;
		p->end_ns = now;
		if (ask)
			ferry_proc_signal(&p->proc, i % 2 ? SIGINT : SIGTERM);
	}
	do {
		conductor_pump(c);
		for (i = left = 0; i < STORM_LOCAL; i++)
			left += c->places[i].alive;
	} while (left > 0 && ferry_test_now_ns() < now +
			(c->tainted ? TAINTED_END_MS * MS : c->end_limit_ns));
	for (i = 0; i < STORM_LOCAL && left > 0; i++) {
		if (!c->places[i].alive)
			continue;
		if (c->tainted)
			c->tally.eal_stuck++;
		else
			conductor_hung(c->places[i].proc.pid,
				"a worker does not end");
		ferry_proc_kill(&c->places[i].proc);
		c->places[i].alive = false;
	}
}

static void
hub_end(struct conductor *c)
{
	const uint64_t begin = ferry_test_now_ns();
	uint64_t took;
	int code;

	ferry_proc_signal(&c->hub, c->tally.rounds % 2 ? SIGTERM : SIGINT);
	/* EAL's end waits for the locks of the dead for ever. */
	code = ferry_proc_wait(&c->hub, c->tainted ? TAINTED_END_MS :
		(uint32_t)(c->end_limit_ns / MS));
	c->hub_alive = false;
	took = ferry_test_now_ns() - begin;
	if (took > c->tally.slowest_hub_end_ns)
		c->tally.slowest_hub_end_ns = took;
	if (code == -ETIMEDOUT) {
		if (c->tainted)
			c->tally.eal_hub_stuck++;
		else
			conductor_hung(c->hub.pid, "the hub does not end");
		ferry_proc_kill(&c->hub);
		ferry_test_clean();
	} else if (code != 0) {
		storm_complain(STORM_CRASHED, "the hub ended with %d", code);
		ferry_test_clean();
	}
}

/* In good order, with all that can be looked at looked at. */
static void
round_end(struct conductor *c)
{
	/* Where something is wrong, nothing is to be expected. */
	bool whole = storm_wrong() == 0 && conductor_settle(c);

	if (whole) {
		oracle_rest(c);
	} else if (storm_wrong() == 0 && !c->give_up && c->hub_alive) {
		storm_complain(STORM_HUNG, "the workers do not settle");
	}
	workers_end(c, true);
	if (!c->hub_alive) {
		ferry_test_clean();
		return;
	}
	if (whole)
		oracle_alone(c);
	hub_end(c);
	oracle_gone(c, false);
}

/* The hub was killed: workers end by themselves. */
static void
round_end_killed(struct conductor *c)
{
	workers_end(c, false);
	/* The next hub takes over what this one left; the last one's is
	 * removed by the conductor. */
	oracle_gone(c, true);
}

/* Until something goes wrong; or, where that is to be noticed, just that. */
static bool
goes_on(const struct conductor *c)
{
	if (c->give_up || !c->hub_alive || storm_is_asked_to_end())
		return false;
	if (c->awaited != STORM_WRONGS && storm->wrongs[c->awaited] == 0)
		return true;
	return storm_wrong() == 0;
}

int
conductor_round(struct conductor *c)
{
	const unsigned int gap = (unsigned int)(c->gap_ns / 1000);
	unsigned int n = 0;
	uint64_t next = 0;
	int ret = round_begin(c);

	if (ret != 0)
		return ret;
	if (!conductor_settle(c) && !c->give_up)
		storm_complain(STORM_HUNG, "the workers do not settle");
	while (goes_on(c) && c->round_kills < c->kills_goal &&
			ferry_test_now_ns() < c->until_ns) {
		conductor_pump(c);
		replace(c);
		if (ferry_test_now_ns() < next)
			continue;
		event_happen(c);
		next = ferry_test_now_ns() + 1000 * (storm_mix(storm->seed ^ 1,
			c->n_events) % gap);
		if (++n % c->rest_every == 0 && conductor_settle(c))
			oracle_rest(c);
	}
	if (c->hub_alive || c->give_up)
		round_end(c);
	else
		round_end_killed(c);
	return 0;
}
