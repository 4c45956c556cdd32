/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * A faulty process writes over shared memory while two ends and an engine work
 * there, each in a process of its own. Whatever it writes, ends and engine live
 * on. Their calls return only documented results, they end when they are told
 * to, and a channel beside theirs loses no message.
 *
 * FERRY_TEST_TRIALS: trials of each region, 20 if it is not set.
 */

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "ferry_bulk.h"
#include "ferry_procs.h"
#include "ferry_test.h"
#include "chan_rig.h"
#include "chance.h"

#define TRIALS 20
#define SLOT 4096
#define SLOTS 8
#define PAGE UINT64_C(4096)
/* Half for sources, half for destinations. */
#define AREA (UINT64_C(1) << 20)
#define LONGEST (UINT64_C(200) << 10)
/* They work while the mad one writes so many times and the engine makes so many
 * turns; or for so long. */
#define WRITES 500
#define TURNS 20
#define WORK_NS UINT64_C(2000000000)
/* Waits of theirs: a bell that is written over does not wake anybody. */
#define NAP_NS UINT64_C(1000000)
#define NAP_US 100
/* From SIGTERM to the end: what is waited for there is bounded by seconds. */
#define END_MS 120000
#define BYSTANDER 2

/* What the processes share beside the channels. */
static struct counts {
	/* By process; only that one writes. */
	uint64_t tx, rx, engine, scribbles;
	/* Of the bystanders, by both. */
	uint64_t sent, received, wrong;
	/* The last result that is no documented one; 0: there was none. */
	int32_t odd;
} *counts;

static struct rig victim, beside;
static uint8_t *area;
static uint64_t area_used;
static volatile sig_atomic_t stop;

struct region {
	const char *name;
	/* From where to where in the channel; NULL: it is not in it. */
	uint64_t (*from)(const struct ferry_channel_shared *ch);
	uint64_t (*to)(const struct ferry_channel_shared *ch);
};

static void
on_term(int number)
{
	(void)number;
	stop = 1;
}

/* First of all in each process: SIGTERM has been held back until here. */
static void
child_begin(void)
{
	sigset_t set;

	signal(SIGTERM, on_term);
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigprocmask(SIG_UNBLOCK, &set, NULL);
	chance_begin();
}

static void
child_start(struct ferry_proc *proc, ferry_proc_main_t main, void *arg)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigprocmask(SIG_BLOCK, &set, NULL);
	assert_int_equal(ferry_proc_start(proc, main, arg), 0);
	sigprocmask(SIG_UNBLOCK, &set, NULL);
}

static bool
documented(int ret)
{
	switch (ret) {
	case FERRY_E_CANCELLED:
	case FERRY_E_CLOSED:
	case FERRY_E_CORRUPT:
	case FERRY_E_HUB_GONE:
	case FERRY_E_NO_ROOM:
	case FERRY_E_PEER_GONE:
	case FERRY_E_REFUSED:
	/* Of an end that is opened over a spoilt head. */
	case FERRY_E_VERSION:
	case -EALREADY:
	case -EINVAL:
	case -EIO:
	case -EMSGSIZE:
	case -ENOBUFS:
	case -ENOMEM:
	case -ETIMEDOUT:
		return true;
	default:
		return ret >= 0;
	}
}

static int
look(int ret)
{
	if (!documented(ret))
		counts->odd = ret;
	return ret;
}

static int
area_alloc(void *arg, uint64_t size, void **mem)
{
	uint64_t at = AREA / 2 + area_used;

	(void)arg;
	size = RTE_ALIGN_CEIL(size, PAGE);
	if (size > AREA / 2 - area_used) {
		/* In turns: what lies there is not looked at. */
		area_used = 0;
		at = AREA / 2;
	}
	area_used += size;
	*mem = area + at;
	return size <= AREA / 2 ? 0 : FERRY_E_NO_ROOM;
}

static void
area_free(void *arg, void *mem)
{
	(void)arg;
	(void)mem;
}

static enum ferry_reach
area_reach(void *arg, const void *mem, uint64_t len)
{
	const uint64_t at = (uintptr_t)mem - (uintptr_t)area;

	(void)arg;
	return at < AREA && len <= AREA - at ? FERRY_REACH_ALL :
		FERRY_REACH_PRIVATE;
}

static void
area_hold(void *arg, const void *mem, uint64_t len)
{
	(void)arg;
	(void)mem;
	(void)len;
}

static struct ferry_channel_attach
attach_of(struct rig *rig, uint32_t endpoint)
{
	struct ferry_channel_attach attach = rig_attach(rig, endpoint);

	/* A process other than the hub's. */
	attach.local = false;
	return attach;
}

static void
send_any(struct ferry_tx *tx, struct ferry_bulk_out **out)
{
	static uint8_t payload[SLOT];
	const struct ferry_bulk_options options = {
		.by = (1 + chance(7)) << 1,
	};
	struct ferry_buf bufs[4];
	struct ferry_msg msg = { 0 };
	struct iovec iov;
	uint32_t i;

	for (i = 0; i < RTE_DIM(bufs); i++)
		bufs[i] = (struct ferry_buf) {
			.data = chance(2) ? payload : area,
			.len = chance(2) ? chance(100) : chance(SLOT),
		};
	switch (chance(6)) {
	case 0:
		look(ferry_tx_send(tx, bufs, (uint16_t)(1 + chance(4))));
		break;
	case 1:
		look(ferry_tx_post(tx, bufs, (uint16_t)(1 + chance(4))));
		break;
	case 2:
		if (look(ferry_tx_loan(tx, &msg, 1)) == 1) {
			memset(msg.data, 1, SLOT);
			look(ferry_tx_commit(tx, &msg, 1));
		}
		break;
	case 3:
		look(ferry_tx_finish(tx, 0, NAP_NS));
		break;
	case 4:
		look(ferry_tx_set_mode(tx, (enum ferry_mode)
			chance(FERRY_MODES)));
		break;
	default:
		if (*out != NULL) {
			if (look(ferry_bulk_wait(*out, NAP_NS)) ==
					-ETIMEDOUT)
				break;
			ferry_bulk_close(*out);
			*out = NULL;
			break;
		}
		iov.iov_base = chance(4) ? area : payload;
		iov.iov_len = iov.iov_base == area ? 1 + chance(LONGEST) :
			1 + chance(SLOT);
		if (look(ferry_bulk_send(tx, &iov, 1, &options, out)) != 1)
			*out = NULL;
		break;
	}
}

static int
tx_main(int fd, void *arg)
{
	struct ferry_channel_attach attach = attach_of(&victim, RIG_TX);
	struct ferry_bulk_out *out = NULL;
	struct ferry_tx *tx;

	(void)fd;
	(void)arg;
	child_begin();
	/* Written over already: refused in words. */
	if (look(ferry_tx_start(&tx, &attach)) != 0)
		return 0;
	while (!stop) {
		send_any(tx, &out);
		counts->tx++;
		if (look(ferry_tx_wait(tx, 0)) < 0)
			usleep(NAP_US);
	}
	/* Of a message under way too: part of the end's own. */
	ferry_tx_stop(tx);
	return 0;
}

/* The application reads all it gets. */
static void
read_all(const void *data, uint64_t len)
{
	const uint8_t *p = data;
	uint32_t sum = 0;
	uint64_t i;

	for (i = 0; i < len; i += 64)
		sum += p[i];
	__asm__ volatile("" : : "r" (sum));
}

static void
take_bulk(struct ferry_rx *rx, struct ferry_msg *msg)
{
	struct ferry_bulk_in *in;
	uint64_t ready;
	int i, ended = 0;

	if (look(ferry_bulk_accept(rx, msg, NULL, 0, &in)) != 0) {
		look(ferry_rx_release(rx, msg, 1));
		return;
	}
	for (i = 0; i < 20 && !stop && ended == 0; i++) {
		look(ferry_bulk_await(in, ferry_bulk_len(in), NAP_NS));
		ready = ferry_bulk_ready(in, &ended);
		read_all(ferry_bulk_data(in), ready);
	}
	look(ended);
	/* What cannot be released yet is let go of when the end stops. */
	look(ferry_bulk_release(in, NAP_NS));
}

static int
rx_main(int fd, void *arg)
{
	struct ferry_channel_attach attach = attach_of(&victim, RIG_RX);
	struct ferry_msg msgs[4];
	struct ferry_rx *rx;
	int n, i;

	(void)fd;
	(void)arg;
	child_begin();
	if (look(ferry_rx_start(&rx, &attach)) != 0)
		return 0;
	while (!stop) {
		n = look(ferry_rx_recv(rx, msgs, RTE_DIM(msgs)));
		counts->rx++;
		for (i = 0; i < n; i++) {
			if (ferry_msg_is_bulk(&msgs[i])) {
				take_bulk(rx, &msgs[i]);
				continue;
			}
			read_all(msgs[i].data, msgs[i].len);
			look(ferry_rx_release(rx, &msgs[i], 1));
		}
		/* A broken channel: the others are to have the core. */
		if (n < 0 || (n == 0 && look(ferry_rx_wait(rx, NAP_NS)) < 0))
			usleep(NAP_US);
	}
	ferry_rx_stop(rx);
	return 0;
}

static int
engine_main(int fd, void *arg)
{
	struct rig_engine e;
	const struct ferry_serve serve = {
		.shared = victim.ch,
		.config = { SLOT, SLOTS },
		.memory = &victim.memory,
		.bells = victim.bells,
		.n_bells = RIG_BELLS,
	};

	(void)fd;
	(void)arg;
	child_begin();
	rig_engine_make(&victim, &e, 0);
	__atomic_store_n(&victim.ch->service.server, e.word, __ATOMIC_RELEASE);
	if (look(ferry_server_add(&e.server, &serve)) == 0) {
		while (!stop) {
			if (ferry_server_poll(&e.server) == 0)
				usleep(NAP_US);
			counts->engine++;
		}
		ferry_server_remove(&e.server, 0);
	} else {
		/* It has done all that it ever will. */
		counts->engine += TURNS;
	}
	__atomic_store_n(&victim.ch->service.server, FERRY_SERVER_NONE,
			__ATOMIC_RELEASE);
	rig_engine_free(&e);
	return 0;
}

/* A channel that the mad one does not write to. */
static int
bystander_tx(int fd, void *arg)
{
	struct ferry_channel_attach attach = attach_of(&beside, RIG_TX);
	uint8_t data[SLOT];
	struct ferry_tx *tx;
	uint64_t i = 0;

	(void)fd;
	(void)arg;
	child_begin();
	if (ferry_tx_start(&tx, &attach) != 0)
		return 1;
	while (!stop) {
		struct ferry_buf buf = { data, (uint32_t)(i * 37 % SLOT),
			rig_tag(i), 0 };

		rig_fill(data, buf.len, i);
		if (ferry_tx_send(tx, &buf, 1) == 1)
			counts->sent = ++i;
		else if (look(ferry_tx_wait(tx, NAP_NS)) == FERRY_E_CORRUPT)
			counts->wrong++;
	}
	ferry_tx_stop(tx);
	return 0;
}

static int
bystander_rx(int fd, void *arg)
{
	struct ferry_channel_attach attach = attach_of(&beside, RIG_RX);
	struct ferry_msg msg;
	struct ferry_rx *rx;
	uint64_t i = 0;
	int ret;

	(void)fd;
	(void)arg;
	child_begin();
	if (ferry_rx_start(&rx, &attach) != 0)
		return 1;
	while ((ret = ferry_rx_recv(rx, &msg, 1)) >= 0) {
		if (ret == 0) {
			ferry_rx_wait(rx, NAP_NS);
			continue;
		}
		if (msg.len != i * 37 % SLOT || msg.tag != rig_tag(i) ||
				ferry_test_check(msg.data, msg.len, i) != -1)
			counts->wrong++;
		counts->received = ++i;
		ferry_rx_release(rx, &msg, 1);
	}
	ferry_rx_stop(rx);
	return ret == FERRY_E_CLOSED ? 0 : 1;
}

#define OFFSET(name, field) \
static uint64_t \
at_ ## name(const struct ferry_channel_shared *ch) \
{ \
	(void)ch; \
	return field; \
}
OFFSET(start, 0)
OFFSET(ends, offsetof(struct ferry_channel_shared, tx))
OFFSET(head_end, sizeof(*ch))
OFFSET(rings, victim.ch->off_fwd)
OFFSET(held, victim.ch->off_tx_held)
OFFSET(cells, victim.ch->off_cells)
OFFSET(bulk, victim.ch->off_bulk)
OFFSET(grants, victim.ch->off_bulk + FERRY_BULK_BLOCKS *
		sizeof(struct ferry_bulk_block))
OFFSET(slots, victim.ch->off_slots)
OFFSET(end, victim.ch->size)

static const struct region regions[] = {
	{ "head", at_start, at_ends },
	{ "ends", at_ends, at_head_end },
	{ "rings", at_rings, at_held },
	{ "held tables", at_held, at_cells },
	{ "cells", at_cells, at_bulk },
	{ "bulk blocks", at_bulk, at_grants },
	{ "lent buffers", at_grants, at_slots },
	{ "slots", at_slots, at_end },
	{ "all", at_start, at_end },
	{ "bells", NULL, NULL },
	{ "boards", NULL, NULL },
};

/* One region's trials. */
struct scribble {
	uint8_t *at;
	uint64_t len;
};

/* Words that look like something, and words that do not. */
static uint64_t
word(void)
{
	static const uint64_t words[] = { 0, 1, 2, SLOT, UINT32_MAX,
		UINT64_MAX, UINT64_C(1) << 44, UINT64_C(1) << 63 };
	uint64_t any;

	switch (chance(3)) {
	case 0:
		return words[chance(RTE_DIM(words))];
	case 1:
		return (uintptr_t)area + chance(AREA);
	default:
		chance_scribble(&any, sizeof(any));
		return any;
	}
}

static int
scribble_main(int fd, void *arg)
{
	const struct scribble *s = arg;
	uint64_t value;
	uint32_t width, i;

	(void)fd;
	child_begin();
	/* Until it is killed, which SIGTERM does not. */
	while (s->len > 0) {
		for (i = 0; i < 16; i++) {
			width = 1u << chance(4);
			value = word();
			memcpy(s->at + (chance((uint32_t)s->len) &
				~(width - 1)), &value, width);
			counts->scribbles++;
		}
		/* Now and then a pause, so that others get on. */
		if (chance(8) == 0)
			usleep(chance(100));
	}
	return 1;
}

static void
processes_end(struct ferry_proc *procs, unsigned int n, const char *region,
		unsigned int trial)
{
	static const char *const names[] = { "producer", "consumer", "engine" };
	unsigned int i, bad = 0;
	int ret;

	for (i = 0; i < n; i++)
		ferry_proc_signal(&procs[i], SIGTERM);
	for (i = 0; i < n; i++) {
		ret = ferry_proc_wait(&procs[i], END_MS);
		if (ret != 0) {
			print_message("%s, trial %u: the %s ended with %d\n",
				region, trial, names[i], ret);
			bad++;
		}
	}
	assert_int_equal(bad, 0);
	if (counts->odd != 0)
		fail_msg("%s, trial %u: a call returned %d", region, trial,
			counts->odd);
}

/* The victims' channel and bells as they were made. */
static void
victims_begin(void)
{
	const struct ferry_channel_config config = { SLOT, SLOTS };
	unsigned int i;

	assert_int_equal(ferry_channel_format(victim.ch, &config, "victim", 1),
		0);
	for (i = 0; i < RIG_BELLS; i++)
		assert_int_equal(ferry_bell_init(&victim.bells[i]), 0);
	memset(victim.boards.base, 0, PAGE);
	ferry_board_init(victim.boards.base);
	counts->odd = 0;
}

static void
trial(const struct region *region, unsigned int number)
{
	static const ferry_proc_main_t mains[] = { tx_main, rx_main,
		engine_main };
	struct ferry_proc procs[RTE_DIM(mains)], mad;
	struct scribble s;
	uint64_t end, tx, rx, engine, written;
	unsigned int i;
	char seed[32];

	victims_begin();
	if (region->from != NULL) {
		s.at = (uint8_t *)victim.ch + region->from(victim.ch);
		s.len = region->to(victim.ch) - region->from(victim.ch);
	} else if (strcmp(region->name, "bells") == 0) {
		s.at = (uint8_t *)victim.bells;
		s.len = RIG_BELLS * sizeof(struct ferry_bell);
	} else {
		s.at = victim.boards.base;
		s.len = victim.boards.size;
	}
	/* Each process draws from it. */
	snprintf(seed, sizeof(seed), "%u", 1000 + number);
	setenv("FERRY_TEST_SEED", seed, 1);
	tx = counts->tx;
	rx = counts->rx;
	engine = counts->engine;
	written = counts->scribbles;
	for (i = 0; i < RTE_DIM(mains); i++)
		child_start(&procs[i], mains[i], NULL);
	/* In every second trial they have begun before. */
	end = ferry_test_now_ns() + WORK_NS;
	while (number % 2 == 0 && (counts->tx == tx || counts->rx == rx) &&
			ferry_test_now_ns() < end)
		usleep(200);
	child_start(&mad, scribble_main, &s);
	end = ferry_test_now_ns() + WORK_NS;
	while ((counts->scribbles - written < WRITES ||
			counts->engine - engine < TURNS) &&
			ferry_test_now_ns() < end)
		usleep(500);
	/* In every fourth one it goes on while they end. */
	if (number % 4 != 3)
		ferry_proc_kill(&mad);
	processes_end(procs, RTE_DIM(procs), region->name, number);
	ferry_proc_kill(&mad);
}

static unsigned int
trials(void)
{
	const char *text = getenv("FERRY_TEST_TRIALS");

	return text != NULL ? (unsigned int)strtoul(text, NULL, 0) : TRIALS;
}

static void
rigs_make(void)
{
	const struct ferry_channel_memory memory = {
		.alloc = area_alloc, .free = area_free,
		.reach = area_reach, .hold = area_hold,
		.unhold = area_hold,
	};

	rig_make(&victim, SLOT, SLOTS);
	rig_make(&beside, SLOT, SLOTS);
	victim.memory = memory;
	victim.boards.size = ferry_board_size(1);
	victim.boards.n = 1;
	victim.boards.n_channels = 1;
	victim.boards.base = mmap(NULL, PAGE, PROT_READ | PROT_WRITE,
			MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_true(victim.boards.base != MAP_FAILED);
	/* Bells and boards are everybody's. */
	beside.bells = victim.bells;
	area = ferry_test_shared(AREA);
	counts = ferry_test_shared(sizeof(*counts));
	assert_non_null(area);
	assert_non_null(counts);
}

static void
whoever_writes_nonsense_the_others_live(void **state)
{
	const struct region *region = *state;
	struct ferry_proc procs[BYSTANDER];
	unsigned int i, n = trials();
	uint64_t before;

	memset(counts, 0, sizeof(*counts));
	assert_int_equal(ferry_channel_format(beside.ch,
		&(struct ferry_channel_config){ SLOT, SLOTS }, "beside", 2), 0);
	for (i = 0; i < RIG_BELLS; i++)
		assert_int_equal(ferry_bell_init(&victim.bells[i]), 0);
	print_message("%s: seeds from 1000 on\n", region->name);
	child_start(&procs[0], bystander_tx, NULL);
	child_start(&procs[1], bystander_rx, NULL);
	for (i = 0; i < n; i++)
		trial(region, i);
	/* Still at work after all of that. */
	before = counts->received;
	while (counts->received == before && counts->wrong == 0)
		usleep(1000);
	ferry_proc_signal(&procs[0], SIGTERM);
	assert_int_equal(ferry_proc_wait(&procs[0], END_MS), 0);
	assert_int_equal(ferry_proc_wait(&procs[1], END_MS), 0);
	assert_int_equal(counts->wrong, 0);
	assert_int_equal(counts->received, counts->sent);
	/* They all had their part. */
	assert_true(counts->scribbles > 0 && counts->tx > 0 &&
		counts->rx > 0 && counts->engine > 0);
	print_message("%u trials, %ju writes; calls: producer %ju, consumer "
		"%ju, engine %ju; bystanders %ju messages\n", n,
		(uintmax_t)counts->scribbles, (uintmax_t)counts->tx,
		(uintmax_t)counts->rx, (uintmax_t)counts->engine,
		(uintmax_t)counts->received);
}

static int
teardown(void **state)
{
	(void)state;
	ferry_procs_kill();
	return 0;
}

int
main(void)
{
	struct CMUnitTest tests[RTE_DIM(regions)];
	char names[RTE_DIM(regions)][40];
	unsigned int i;

	rigs_make();
	for (i = 0; i < RTE_DIM(regions); i++) {
		snprintf(names[i], sizeof(names[i]), "over_%s",
			regions[i].name);
		for (char *p = names[i]; *p != '\0'; p++)
			if (*p == ' ')
				*p = '_';
		tests[i] = (struct CMUnitTest) {
			.name = names[i],
			.test_func = whoever_writes_nonsense_the_others_live,
			.teardown_func = teardown,
			.initial_state = (void *)(uintptr_t)&regions[i],
		};
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
