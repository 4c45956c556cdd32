/* SPDX-License-Identifier: BSD-3-Clause */

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "conductor.h"
#include "ferry_test.h"

/* What the hub takes some time to hear of. */
#define SOON_NS (20 * SECOND)
/* Descriptors of lanes come and go while workers are there. */
#define FDS_SLACK 8

/* Sockets of EAL in the runtime directory whose process is no more. */
static unsigned int
stale_sockets(void)
{
	char path[64];
	struct dirent *e;
	unsigned int n = 0;
	DIR *dir;
	int pid;

	snprintf(path, sizeof(path), "/var/run/dpdk/%s", ferry_test_prefix());
	dir = opendir(path);
	while (dir != NULL && (e = readdir(dir)) != NULL)
		if (sscanf(e->d_name, "mp_socket_%d_", &pid) == 1 &&
				kill(pid, 0) != 0 && errno == ESRCH)
			n++;
	if (dir != NULL)
		closedir(dir);
	return n;
}

static bool
channel_rests(const struct ferry_hub_channel *ch)
{
	const struct ferry_channel_census *s = &ch->slots;

	return ch->tx.state == FERRY_END_OPEN &&
		ch->rx.state == FERRY_END_OPEN && s->lost == 0 &&
		s->in_flight == 0 && s->jobs == 0 && s->rx_held == 0 &&
		s->free + s->tx_held == ch->config.n_slots;
}

/* Nothing is under way: what was begun was promised and received. */
static bool
books_agree(const struct ferry_hub_channel *ch)
{
	const struct ledger_page *p = ledger_page(&storm->ledger, ch->id);

	return p != NULL && p->begun == p->promised && p->begun == p->received;
}

static bool
memory_adds_up(const struct conductor *c, const struct hub_told *told)
{
	const struct ferry_hub_info *now = &told->info;
	const struct ferry_hub_info *base = &c->base.info;
	uint64_t all = now->memory_free + now->memory_endpoints +
		now->memory_limbo;
	uint32_t i;

	for (i = 0; i < told->n_channels && i < HUB_CHANNELS; i++)
		all += told->channels[i].memory;
	return all == base->memory_free;
}

static bool
rests(const struct conductor *c, const struct hub_told *told)
{
	uint32_t i;

	if (told->n_channels != STORM_ROUTES ||
			told->info.endpoints != STORM_WORKERS ||
			told->info.memory_limbo != 0 ||
			!memory_adds_up(c, told))
		return false;
	for (i = 0; i < told->n_channels; i++)
		if (!channel_rests(&told->channels[i]) ||
				!books_agree(&told->channels[i]))
			return false;
	return true;
}

static void
tell(const struct conductor *c, const struct hub_told *told)
{
	uint32_t i;

	fprintf(stderr, "storm: %u endpoints, %u channels; memory %" PRIu64
		" of %" PRIu64 " free, %" PRIu64 " of endpoints, %" PRIu64
		" in limbo, largest %" PRIu64 "; %u descriptors, %u at first\n",
		told->info.endpoints, told->n_channels, told->info.memory_free,
		c->base.info.memory_free, told->info.memory_endpoints,
		told->info.memory_limbo, told->info.memory_largest, told->fds,
		c->base.fds);
	for (i = 0; i < told->n_channels && i < HUB_CHANNELS; i++) {
		const struct ferry_hub_channel *ch = &told->channels[i];
		const struct ledger_page *p = ledger_page(&storm->ledger,
			ch->id);

		fprintf(stderr, "storm: %s (%" PRIu64 "): ends %d %d, slots: "
			"free %u, tx %u, in flight %u, jobs %u, rx %u, lost %u;"
			" begun %" PRIu64 ", promised %" PRIu64 ", received %"
			PRIu64 "\n", ch->name, ch->id, (int)ch->tx.state,
			(int)ch->rx.state, ch->slots.free, ch->slots.tx_held,
			ch->slots.in_flight, ch->slots.jobs, ch->slots.rx_held,
			ch->slots.lost, p != NULL ? p->begun : 0,
			p != NULL ? p->promised : 0,
			p != NULL ? p->received : 0);
	}
}

/* Wait until all workers have heeded a number. */
static bool
heeded(struct conductor *c, uint32_t number, bool freeze)
{
	const uint64_t end = ferry_test_now_ns() + c->hang_ns;
	const struct hub_order o = { .op = HUB_LOOK };
	struct hub_told told;
	unsigned int i, n;

	do {
		conductor_pump(c);
		for (i = n = 0; i < STORM_WORKERS; i++) {
			const struct storm_worker *w = &storm->workers[i];

			n += __atomic_load_n(freeze ? &w->frozen : &w->drained,
				__ATOMIC_ACQUIRE) == number;
		}
		if (n == STORM_WORKERS)
			return true;
		/* What went wrong has been told. */
		if (storm_wrong() != 0 || !c->hub_alive || c->give_up)
			return false;
	} while (ferry_test_now_ns() < end);
	for (i = 0; i < STORM_LOCAL; i++)
		if ((freeze ? storm->workers[i].frozen :
				storm->workers[i].drained) != number)
			conductor_hung(c->places[i].proc.pid,
				"a worker does not come to rest");
	if ((freeze ? storm->workers[STORM_LOCAL].frozen :
			storm->workers[STORM_LOCAL].drained) != number)
		conductor_hung(c->hub.pid, "the hub's worker does not rest");
	if (conductor_order(c, &o, &told))
		tell(c, &told);
	return false;
}

static void
look(struct conductor *c)
{
	const struct hub_order o = { .op = HUB_LOOK };
	const uint64_t end = ferry_test_now_ns() + SOON_NS;
	struct hub_told told;

	do {
		if (!conductor_order(c, &o, &told))
			return;
		if (rests(c, &told))
			break;
		usleep(10000);
	} while (ferry_test_now_ns() < end);
	if (!rests(c, &told)) {
		storm_complain(STORM_LEAKED, "all rest, but not so the hub's "
			"books");
		tell(c, &told);
	}
	if (told.unsafe != 0 || told.bad != 0)
		storm_complain(STORM_UNEXPECTED, "engines: %" PRIu64
			" channels given up, %" PRIu64 " bad jobs",
			told.unsafe, told.bad);
	if (c->fds_rest == 0)
		c->fds_rest = told.fds;
	if (told.fds > c->fds_rest + FDS_SLACK) {
		storm_complain(STORM_LEAKED, "the hub's descriptors: %u, %u at "
			"its first rest", told.fds, c->fds_rest);
	}
}

/* The hub removes those of the dead, once all workers are attached at last. */
static void
look_for_sockets(void)
{
	const uint64_t end = ferry_test_now_ns() + SOON_NS;
	unsigned int n;

	while ((n = stale_sockets()) > 0 && ferry_test_now_ns() < end)
		usleep(10000);
	if (n > 0)
		storm_complain(STORM_LEAKED, "%u sockets of EAL's whose "
			"processes are gone", n);
}

void
oracle_rest(struct conductor *c)
{
	static uint32_t number;

	c->tally.rests++;
	number++;
	__atomic_store_n(&storm->rest, number, __ATOMIC_RELEASE);
	if (heeded(c, number, false)) {
		__atomic_store_n(&storm->freeze, number, __ATOMIC_RELEASE);
		if (heeded(c, number, true))
			look(c);
	}
	look_for_sockets();
	__atomic_store_n(&storm->freeze, 0, __ATOMIC_RELEASE);
	__atomic_store_n(&storm->rest, 0, __ATOMIC_RELEASE);
}

static bool
is_empty(const struct conductor *c, const struct hub_told *told)
{
	return told->info.endpoints == 0 && told->n_channels == 0 &&
		told->info.memory_free == c->base.info.memory_free &&
		told->info.memory_largest == c->base.info.memory_largest &&
		told->info.memory_limbo == 0 && told->fds <= c->base.fds;
}

void
oracle_alone(struct conductor *c)
{
	const struct hub_order o = { .op = HUB_ALONE };
	const uint64_t end = ferry_test_now_ns() + SOON_NS;
	struct tally *t = &c->tally;
	struct hub_told told;

	do {
		if (!conductor_order(c, &o, &told))
			return;
		if (is_empty(c, &told))
			break;
		usleep(10000);
	} while (ferry_test_now_ns() < end);
	if (!is_empty(c, &told)) {
		storm_complain(STORM_LEAKED, "all workers are gone, but the "
			"hub is not as at first");
		tell(c, &told);
	}
	t->engine_msgs += told.engine_msgs;
	t->engine_bulk_bytes += told.engine_bulk_bytes;
	t->device_bytes += told.device_bytes;
	t->device_errors += told.device_errors;
	t->device_faults += told.device_faults;
}

/* Directories of the hub's soft device. */
static unsigned int
soft_directories(const struct conductor *c)
{
	struct dirent *e;
	unsigned int n = 0;
	DIR *dir = opendir("/run");
	int pid;

	while (dir != NULL && (e = readdir(dir)) != NULL)
		n += sscanf(e->d_name, "ferry-softdsa.%d.", &pid) == 1 &&
			pid == c->hub_pid;
	if (dir != NULL)
		closedir(dir);
	return n;
}

/* Processes that the hub or a worker left, which are the conductor's now. */
static bool
orphans(void)
{
	pid_t pid;

	do {
		pid = waitpid(-1, NULL, WNOHANG);
	} while (pid > 0);
	return pid == 0;
}

void
oracle_gone(struct conductor *c, bool killed)
{
	const uint64_t end = ferry_test_now_ns() + SOON_NS;

	while ((orphans() || soft_directories(c) > 0) &&
			ferry_test_now_ns() < end)
		usleep(1000);
	if (orphans())
		storm_complain(STORM_LEAKED, "processes");
	if (soft_directories(c) > 0)
		storm_complain(STORM_LEAKED, "directories of soft devices");
	/* What a killed hub leaves is the next one's. */
	if (!killed && ferry_test_leftovers() != 0)
		storm_complain(STORM_LEAKED, "files");
}
