/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Memory of endpoints that die, with others copying there. Claims in bulk
 * messages are written by hand: who has them is alive or dead, but does not move.
 */

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include <rte_common.h>

#include "ferry_bulk.h"
#include "ferry_engine.h"
#include "ferry_memory.h"
#include "peer.h"

#define CHANNEL "bulk"
#define BYTES (40 * MIB)
/* The last unit of the last block, used for the 7th time. */
#define BLOCK (FERRY_BULK_BLOCKS - 1)
#define UNIT (FERRY_BULK_UNITS - 1)
#define GEN 7
/* Of streams, and how many are killed. */
#define STREAMED (8 * MIB)
#define KILLS 30

static const struct ferry_channel_config small = { 256, 64 };
static const struct peer_order attach = { .op = PEER_ATTACH, .name = HUB };

static int
stop_all(void **state)
{
	(void)state;
	ferry_procs_kill();
	ferry_test_clean();
	return 0;
}

static struct peer_report
info_of(struct peer *hub)
{
	const struct peer_order order = { .op = PEER_INFO };

	return peer_do(hub, &order);
}

static int
do_custom(struct peer *peer, int (*custom)(struct peer *peer))
{
	const struct peer_order order = { .op = PEER_CUSTOM, .custom = custom };

	return peer_do(peer, &order).result;
}

/* Wait until the hub has so many bytes in limbo and of endpoints. */
static void
await_memory(struct peer *hub, uint64_t limbo, uint64_t endpoints)
{
	const uint64_t end = ferry_test_now_ns() + SECONDS(1);
	struct peer_report rep = info_of(hub);

	while (rep.info.memory_limbo != limbo ||
			rep.info.memory_endpoints != endpoints) {
		assert_true(ferry_test_now_ns() < end);
		usleep(10000);
		rep = info_of(hub);
	}
}

/* Whether a hub's process wakes up from time to time. */
static bool
ticks(const struct peer *hub)
{
	char path[64], line[128];
	bool found = false;
	FILE *file;
	int fd;

	for (fd = 0; fd < 256; fd++) {
		snprintf(path, sizeof(path), "/proc/%d/fdinfo/%d",
			(int)hub->proc.pid, fd);
		file = fopen(path, "r");
		if (file == NULL)
			continue;
		while (fgets(line, sizeof(line), file) != NULL)
			found |= strcmp(line, "it_interval: (0, 100000000)\n")
				== 0;
		fclose(file);
	}
	return found;
}

/* In the peers. */

static int
alloc(struct peer *peer)
{
	uint8_t *mem = ferry_alloc(peer->ep, BYTES);

	if (mem == NULL)
		return -ENOMEM;
	memset(mem, 0x5a, BYTES);
	return 0;
}

/* Too much while the other one's memory is in limbo. */
static int
alloc_most(struct peer *peer)
{
	uint8_t *mem = ferry_alloc(peer->ep, 2 * BYTES);

	if (mem == NULL)
		return -ENOMEM;
	ferry_free(peer->ep, mem);
	return 0;
}

static const struct ferry_channel_shared *
channel_of(struct peer *peer)
{
	return peer->tx != NULL ? ferry_tx_channel(peer->tx) :
		ferry_rx_channel(peer->rx);
}

static void
unit_set(struct peer *peer, uint8_t party)
{
	struct ferry_bulk_block *b = &ferry_channel_bulk(channel_of(peer))[
		BLOCK];

	b->gen = GEN;
	__atomic_store_n(&b->units[UNIT], party, __ATOMIC_SEQ_CST);
}

static int
claim(struct peer *peer)
{
	unit_set(peer, peer->tx != NULL ? FERRY_UNIT_TX : FERRY_UNIT_RX);
	return 0;
}

/* The other one's: it says nothing about who is alive. */
static int
claim_other(struct peer *peer)
{
	unit_set(peer, peer->tx != NULL ? FERRY_UNIT_RX : FERRY_UNIT_TX);
	return 0;
}

static int
drop(struct peer *peer)
{
	unit_set(peer, FERRY_UNIT_FREE);
	return 0;
}

/* Why the message is over, by the hub; others are as they were. */
static int
why(struct peer *peer)
{
	const struct ferry_bulk_block *b = ferry_channel_bulk(channel_of(peer));
	uint32_t i;

	for (i = 0; i < FERRY_BULK_BLOCKS; i++)
		if (i != BLOCK && (b[i].gen != 0 || b[i].over != 0))
			return -EPROTO;
	return ferry_bulk_over(&b[BLOCK], GEN);
}

static int
grants_make(struct peer *peer)
{
	struct ferry_bulk_grant *g = ferry_channel_grants(channel_of(peer));

	g[0].state = FERRY_GRANT_OFFERED;
	g[FERRY_BULK_BLOCKS - 1].state = FERRY_GRANT_TAKEN;
	return 0;
}

static int
grants_check(struct peer *peer)
{
	const struct ferry_bulk_grant *g =
		ferry_channel_grants(channel_of(peer));

	return g[0].state == FERRY_GRANT_NONE &&
		g[FERRY_BULK_BLOCKS - 1].state == FERRY_GRANT_TAKEN ?
		0 : -EPROTO;
}

static int
close_rx(struct peer *peer)
{
	ferry_rx_close(peer->rx);
	peer->rx = NULL;
	return 0;
}

/* Messages of registered memory: what both have, or what each has for itself. */
#define PIECE (4 * MIB)
static uint8_t *both;
/* Who is asked to copy. */
static uint32_t *copiers;
static uint8_t *const each = (uint8_t *)(uintptr_t)UINT64_C(0x180000000000);

static int
map_each(uint64_t seed)
{
	static bool mapped;

	if (!mapped && mmap(each, PIECE, PROT_READ | PROT_WRITE, MAP_PRIVATE |
			MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0) != each)
		return -errno;
	mapped = true;
	ferry_test_fill(each, PIECE, seed);
	return 0;
}

static int
send_from(struct peer *peer, uint8_t *mem, struct ferry_bulk_stats *stats)
{
	const struct ferry_bulk_options options = { .by = *copiers };
	const struct iovec iov = { .iov_base = mem, .iov_len = PIECE };
	struct ferry_bulk_out *out;
	int ret = ferry_bulk_send(peer->tx, &iov, 1, &options, &out);

	if (ret != 1)
		return ret < 0 ? ret : -EAGAIN;
	/* While somebody may read it. */
	ret = ferry_unregister(peer->ep, mem, PIECE);
	if (ret != -EBUSY && ret != -ENOENT)
		return -EPROTO;
	ret = ferry_bulk_wait(out, SECONDS(20));
	ferry_bulk_close(out);
	ferry_bulk_tx_stats(peer->tx, stats);
	return ret;
}

/* What comes has to have the pattern of that seed. */
static int
recv_seed(struct peer *peer, uint64_t seed, const struct iovec *to)
{
	struct ferry_bulk_in *in;
	struct ferry_msg msg;
	int ret;

	while ((ret = ferry_rx_recv(peer->rx, &msg, 1)) == 0) {
		ret = ferry_rx_wait(peer->rx, SECONDS(20));
		if (ret != 0)
			return ret;
	}
	if (ret != 1 || !ferry_msg_is_bulk(&msg))
		return -EPROTO;
	ret = ferry_bulk_accept(peer->rx, &msg, to, to != NULL, &in);
	if (ret == 0)
		ret = ferry_bulk_await(in, PIECE, SECONDS(20));
	if (ret == 0 && ferry_test_check(ferry_bulk_data(in), PIECE, seed) !=
			-1)
		ret = -EILSEQ;
	if (ret == 0)
		ret = ferry_bulk_release(in, SECONDS(20));
	return ret;
}

static int
send_both(struct peer *peer)
{
	struct ferry_bulk_stats stats;
	int ret = ferry_register(peer->ep, both, PIECE);

	ferry_test_fill(both, PIECE, 1);
	if (ret == 0)
		ret = send_from(peer, both, &stats);
	if (ret == 0 && stats.private_msgs != 0)
		ret = -EPROTO;
	/* Nobody reads it any more. */
	return ret != 0 ? ret : ferry_unregister(peer->ep, both, PIECE);
}

static int
recv_both(struct peer *peer)
{
	int ret = ferry_register(peer->ep, both, PIECE);

	if (ret == 0)
		ret = recv_seed(peer, 1, NULL);
	return ret != 0 ? ret : ferry_unregister(peer->ep, both, PIECE);
}

/* Only the consumer says that others have it: it is its own all the same. */
static int
send_private(struct peer *peer)
{
	struct ferry_bulk_stats stats;
	int ret = map_each(2);

	if (ret == 0)
		ret = send_from(peer, each, &stats);
	return ret != 0 || stats.private_msgs > 0 ? ret : -EPROTO;
}

static int
recv_private(struct peer *peer)
{
	int ret = map_each(3);

	if (ret == 0)
		ret = ferry_register(peer->ep, each, PIECE);
	if (ret == 0)
		ret = recv_seed(peer, 2, NULL);
	return ret != 0 ? ret : ferry_unregister(peer->ep, each, PIECE);
}

/* Only the producer does; the message goes to the consumer's. */
static int
send_registered(struct peer *peer)
{
	struct ferry_bulk_stats stats;
	uint8_t *mem = ferry_alloc(peer->ep, PIECE);
	int ret = ferry_register(peer->ep, each, PIECE);

	if (ret != 0 || mem == NULL)
		return ret != 0 ? ret : -ENOMEM;
	ferry_test_fill(mem, PIECE, 4);
	ret = send_from(peer, mem, &stats);
	if (ret == 0 && ferry_test_check(each, PIECE, 2) != -1)
		ret = -EILSEQ;
	return ret;
}

static int
recv_to_private(struct peer *peer)
{
	const struct iovec to = { .iov_base = each, .iov_len = PIECE };

	return recv_seed(peer, 4, &to);
}

/* Runs in the hub until it is told that all messages have arrived: an engine
 * that reaches both kinds of memory. Tells how much it has copied so far. */
static int
serve(struct peer *peer)
{
	struct ferry_engine_info info;
	struct ferry_engine *engine;
	struct ferry_endpoint *ep;
	int ret = ferry_attach(&ep, HUB, "local");

	if (ret == 0)
		ret = ferry_register(ep, both, PIECE);
	if (ret == 0)
		ret = map_each(9);
	if (ret == 0)
		ret = ferry_register(ep, each, PIECE);
	if (ret == 0)
		ret = ferry_engine_create(&engine, peer->hub, NULL);
	if (ret != 0)
		return ret;
	while (__atomic_load_n(&peer->progress->sent, __ATOMIC_ACQUIRE) == 0) {
		ferry_engine_poll(engine);
		ferry_engine_info(engine, &info);
		/* From 1 up: it is there. */
		__atomic_store_n(&peer->progress->received, 1 +
			info.bulk_bytes, __ATOMIC_RELEASE);
	}
	ferry_engine_destroy(engine);
	ferry_detach(ep);
	return 0;
}

/* A stream of messages from and to endpoints' memory, until it ends. */
static void
stamp(uint64_t *mem, uint64_t seq)
{
	uint64_t i;

	for (i = 0; i < STREAMED / sizeof(*mem); i += 64)
		mem[i] = seq ^ i;
}

static bool
stamped(const uint64_t *mem, uint64_t seq)
{
	uint64_t i;

	for (i = 0; i < STREAMED / sizeof(*mem); i += 64)
		if (mem[i] != (seq ^ i))
			return false;
	return true;
}

static int
stream_tx(struct peer *peer)
{
	struct ferry_bulk_out *out[2] = { NULL, NULL };
	uint64_t seq;
	void *mem[2];
	int ret = 0;

	mem[0] = ferry_alloc(peer->ep, STREAMED);
	mem[1] = ferry_alloc(peer->ep, STREAMED);
	for (seq = 0; ret == 0 && mem[1] != NULL; seq++) {
		const struct iovec iov = { mem[seq % 2], STREAMED };

		if (out[seq % 2] != NULL)
			ret = ferry_bulk_wait(out[seq % 2], SECONDS(20));
		ferry_bulk_close(out[seq % 2]);
		out[seq % 2] = NULL;
		if (ret != 0)
			break;
		stamp(mem[seq % 2], seq);
		while ((ret = ferry_bulk_send(peer->tx, &iov, 1, NULL,
				&out[seq % 2])) == 0)
			ferry_bulk_tx_wait(peer->tx, SECONDS(1));
		ret = ret == 1 ? 0 : ret;
		__atomic_store_n(&peer->progress->sent, seq, __ATOMIC_RELEASE);
	}
	ferry_bulk_close(out[0]);
	ferry_bulk_close(out[1]);
	ferry_free(peer->ep, mem[0]);
	ferry_free(peer->ep, mem[1]);
	return ret;
}

static int
stream_rx(struct peer *peer)
{
	struct ferry_bulk_in *in;
	struct ferry_msg msg;
	uint64_t seq;
	int ret;

	for (seq = 0;;) {
		ret = ferry_rx_recv(peer->rx, &msg, 1);
		if (ret == 0)
			ferry_rx_wait(peer->rx, SECONDS(1));
		if (ret < 0)
			return ret;
		if (ret == 0)
			continue;
		ret = ferry_bulk_accept(peer->rx, &msg, NULL, 0, &in);
		if (ret != 0)
			return ret;
		ret = ferry_bulk_await(in, STREAMED, SECONDS(20));
		/* Whole or not at all. */
		if (ret == 0 && !stamped(ferry_bulk_data(in), seq))
			return -EILSEQ;
		ferry_bulk_release(in, SECONDS(20));
		if (ret == 0)
			__atomic_store_n(&peer->progress->received, ++seq,
				__ATOMIC_RELEASE);
		else if (ret != FERRY_E_PEER_GONE)
			return ret;
	}
}

/* A hub, one that has memory, and one with the other end of its channel. */
static void
start(struct peer *hub, struct peer *owner, struct peer *other,
		bool owner_sends)
{
	memset(hub, 0, sizeof(*hub));
	memset(owner, 0, sizeof(*owner));
	memset(other, 0, sizeof(*other));
	peer_start_hub(hub, 100 * MIB);
	peer_start_endpoint(owner);
	peer_start_endpoint(other);
	assert_int_equal(peer_open(owner, owner_sends ? PEER_OPEN_TX :
		PEER_OPEN_RX, CHANNEL, &small), 0);
	assert_int_equal(peer_open(other, owner_sends ? PEER_OPEN_RX :
		PEER_OPEN_TX, CHANNEL, &small), 0);
	assert_int_equal(do_custom(owner, alloc), 0);
	await_memory(hub, 0, BYTES);
}

static void
stop(struct peer *hub, struct peer *other)
{
	assert_int_equal(peer_simple(other, PEER_DETACH), 0);
	peer_check_hub(hub, 0);
	assert_int_equal(info_of(hub).info.memory_limbo, 0);
	peer_exit(other);
	peer_exit_hub(hub);
}

static void
a_killed_endpoint_gives_its_memory_back(void **state)
{
	struct peer hub, owner, other;

	(void)state;
	ferry_procs_need();
	start(&hub, &owner, &other, true);
	/* Its own claims died with it. */
	assert_int_equal(do_custom(&other, claim_other), 0);
	ferry_proc_kill(&owner.proc);
	await_memory(&hub, 0, 0);
	assert_int_equal(info_of(&hub).info.deaths, 1);
	assert_int_equal(do_custom(&other, why), FERRY_E_PEER_GONE);
	assert_int_equal(do_custom(&other, alloc_most), 0);
	stop(&hub, &other);
}

static void
memory_of_the_dead_waits_for_who_copies_there(void **state)
{
	struct peer hub, owner, other;
	int sends;

	(void)state;
	ferry_procs_need();
	for (sends = 0; sends < 2; sends++) {
		start(&hub, &owner, &other, sends != 0);
		assert_int_equal(do_custom(&other, claim), 0);
		ferry_proc_kill(&owner.proc);
		await_memory(&hub, BYTES, 0);
		assert_int_equal(do_custom(&other, why), FERRY_E_PEER_GONE);
		/* For several looks of the hub, and a request. */
		usleep(350000);
		assert_int_equal(do_custom(&other, alloc_most), -ENOMEM);
		await_memory(&hub, BYTES, 0);
		assert_true(ticks(&hub));
		/* The hub finds out by itself. */
		assert_int_equal(do_custom(&other, drop), 0);
		await_memory(&hub, 0, 0);
		assert_false(ticks(&hub));
		assert_int_equal(do_custom(&other, alloc_most), 0);
		stop(&hub, &other);
	}
}

static void
memory_of_the_dead_goes_back_when_who_copied_there_dies(void **state)
{
	struct peer hub, owner, other;
	int sends;

	(void)state;
	ferry_procs_need();
	for (sends = 0; sends < 2; sends++) {
		start(&hub, &owner, &other, sends != 0);
		assert_int_equal(do_custom(&other, claim), 0);
		ferry_proc_kill(&owner.proc);
		await_memory(&hub, BYTES, 0);
		ferry_proc_kill(&other.proc);
		await_memory(&hub, 0, 0);
		peer_check_hub(&hub, 0);
		peer_exit_hub(&hub);
	}
}

static void
a_stopped_process_keeps_what_it_copies(void **state)
{
	struct peer hub, owner, other;

	(void)state;
	ferry_procs_need();
	start(&hub, &owner, &other, false);
	assert_int_equal(do_custom(&other, claim), 0);
	ferry_proc_signal(&other.proc, SIGSTOP);
	/* In good order, too: nobody can wait for it. */
	assert_int_equal(peer_simple(&owner, PEER_DETACH), 0);
	await_memory(&hub, BYTES, 0);
	usleep(350000);
	await_memory(&hub, BYTES, 0);
	ferry_proc_signal(&other.proc, SIGCONT);
	assert_int_equal(do_custom(&other, why), FERRY_E_CLOSED);
	assert_int_equal(do_custom(&other, drop), 0);
	await_memory(&hub, 0, 0);
	peer_exit(&owner);
	stop(&hub, &other);
}

static void
what_a_stopped_hub_could_not_give_in_time_is_not_given(void **state)
{
	const struct peer_order order = { .op = PEER_CUSTOM, .custom = alloc };
	struct peer hub = { 0 }, a = { 0 };

	(void)state;
	ferry_procs_need();
	peer_start_hub(&hub, 100 * MIB);
	peer_start_endpoint(&a);
	ferry_proc_signal(&hub.proc, SIGSTOP);
	usleep(100000); /* all its threads */
	assert_int_equal(do_custom(&a, alloc), -ENOMEM);
	/* It goes on while the next request waits, and finds both. */
	peer_order(&a, &order);
	usleep(200000);
	ferry_proc_signal(&hub.proc, SIGCONT);
	assert_int_equal(peer_report(&a).result, 0);
	await_memory(&hub, 0, BYTES);
	stop(&hub, &a);
}

static void
memory_waits_also_if_only_the_channel_is_closed(void **state)
{
	struct peer hub, owner, other;

	(void)state;
	ferry_procs_need();
	start(&hub, &owner, &other, false);
	assert_int_equal(do_custom(&other, claim), 0);
	assert_int_equal(do_custom(&owner, close_rx), 0);
	/* The endpoint goes on, so its memory is still its own. */
	await_memory(&hub, 0, BYTES);
	assert_int_equal(do_custom(&other, why), FERRY_E_CLOSED);
	ferry_proc_kill(&owner.proc);
	await_memory(&hub, BYTES, 0);
	/* Closing is an end of claims as good as any. */
	assert_int_equal(peer_simple(&other, PEER_CLOSE), 0);
	await_memory(&hub, 0, 0);
	stop(&hub, &other);
}

static void
buffers_that_a_dead_consumer_lent_are_not_given_out(void **state)
{
	struct peer hub, owner, other;

	(void)state;
	ferry_procs_need();
	start(&hub, &owner, &other, false);
	assert_int_equal(do_custom(&owner, grants_make), 0);
	ferry_proc_kill(&owner.proc);
	/* One was taken, by a message that nobody has seen. */
	await_memory(&hub, BYTES, 0);
	assert_int_equal(do_custom(&other, grants_check), 0);
	usleep(350000);
	await_memory(&hub, BYTES, 0);
	assert_int_equal(peer_simple(&other, PEER_CLOSE), 0);
	await_memory(&hub, 0, 0);
	stop(&hub, &other);
}

static void
a_hub_in_limbo_is_destroyed_when_all_have_left(void **state)
{
	struct peer hub, owner, other;

	(void)state;
	ferry_procs_need();
	start(&hub, &owner, &other, true);
	assert_int_equal(do_custom(&other, claim), 0);
	ferry_proc_kill(&owner.proc);
	await_memory(&hub, BYTES, 0);
	assert_int_equal(peer_simple(&hub, PEER_DESTROY), -EBUSY);
	assert_int_equal(info_of(&hub).info.memory_limbo, BYTES);
	ferry_proc_kill(&other.proc);
	peer_exit_hub(&hub);
}

static void
registered_memory_is_shared_if_both_ends_say_so(void **state)
{
	static int (*const custom[][2])(struct peer *peer) = {
		{ send_both, recv_both },
		{ send_private, recv_private },
		{ send_registered, recv_to_private },
	};
	struct peer hub, rx, tx;
	unsigned int i;

	(void)state;
	ferry_procs_need();
	both = ferry_test_shared(PIECE);
	copiers = ferry_test_shared(sizeof(*copiers));
	assert_non_null(both);
	assert_non_null(copiers);
	start(&hub, &rx, &tx, false);
	for (i = 0; i < RTE_DIM(custom); i++) {
		const struct peer_order order = {
			.op = PEER_CUSTOM, .custom = custom[i][0],
		};

		peer_order(&tx, &order);
		assert_int_equal(do_custom(&rx, custom[i][1]), 0);
		assert_int_equal(peer_report(&tx).result, 0);
	}
	peer_exit(&rx);
	stop(&hub, &tx);
}

static void
engines_copy_what_an_end_and_the_hub_registered(void **state)
{
	const struct peer_order order = { .op = PEER_CUSTOM, .custom = serve };
	struct peer hub, rx, tx;
	unsigned int i, n;

	(void)state;
	ferry_procs_need();
	both = ferry_test_shared(PIECE);
	copiers = ferry_test_shared(sizeof(*copiers));
	assert_non_null(both);
	assert_non_null(copiers);
	*copiers = FERRY_BULK_ENGINE;
	start(&hub, &rx, &tx, false);
	for (i = 0; i < 2; i++) {
		const struct peer_order send = {
			.op = PEER_CUSTOM,
			.custom = i == 0 ? send_both : send_private,
		};
		const uint64_t end = ferry_test_now_ns() + SECONDS(10);
		const volatile uint64_t *copied = &hub.progress->received;

		memset(hub.progress, 0, sizeof(*hub.progress));
		peer_order(&hub, &order);
		while (__atomic_load_n(copied, __ATOMIC_ACQUIRE) == 0)
			assert_true(ferry_test_now_ns() < end);
		/* If it gets no CPU, the ends copy all of a message. */
		for (n = 0; n < 50 && (i == 1 ? n < 5 : *copied == 1); n++) {
			peer_order(&tx, &send);
			assert_int_equal(do_custom(&rx, i == 0 ? recv_both :
				recv_private), 0);
			assert_int_equal(peer_report(&tx).result, 0);
		}
		__atomic_store_n(&hub.progress->sent, 1, __ATOMIC_RELEASE);
		assert_int_equal(peer_report(&hub).result, 0);
		print_message("the engine copied %u KiB of %u messages\n",
			(unsigned int)((*copied - 1) >> 10), n);
		if (i == 0)
			assert_true(*copied > 1);
		else
			assert_true(*copied == 1);
	}
	peer_exit(&rx);
	stop(&hub, &tx);
}

static void
whoever_is_killed_in_the_middle_of_messages_costs_no_memory(void **state)
{
	const struct peer_order info = { .op = PEER_INFO };
	const struct peer_order tx_order = {
		.op = PEER_CUSTOM, .custom = stream_tx,
	};
	const struct peer_order rx_order = {
		.op = PEER_CUSTOM, .custom = stream_rx,
	};
	struct peer hub = { 0 }, survivor = { 0 }, victim = { 0 };
	uint64_t random = (uint64_t)getpid(), end;
	unsigned int i, cut = 0;

	(void)state;
	ferry_procs_need();
	print_message("seed %d\n", (int)getpid());
	peer_start_hub(&hub, 100 * MIB);
	peer_start_endpoint(&survivor);
	for (i = 0; i < KILLS; i++) {
		const bool sends = i % 2;
		struct peer *rx = sends ? &survivor : &victim;
		struct peer *tx = sends ? &victim : &survivor;

		peer_start_endpoint(&victim);
		memset(survivor.progress, 0, sizeof(*survivor.progress));
		assert_int_equal(peer_open(rx, PEER_OPEN_RX, CHANNEL, &small),
			0);
		assert_int_equal(peer_open(tx, PEER_OPEN_TX, CHANNEL, &small),
			0);
		peer_order(rx, &rx_order);
		peer_order(tx, &tx_order);
		end = ferry_test_now_ns() + SECONDS(10);
		while (__atomic_load_n(&rx->progress->received,
				__ATOMIC_ACQUIRE) < 2)
			assert_true(ferry_test_now_ns() < end);
		usleep((useconds_t)(ferry_test_random(&random) % 10000));
		ferry_proc_kill(&victim.proc);
		assert_int_equal(peer_report(&survivor).result,
			FERRY_E_PEER_GONE);
		cut += tx->progress->sent >= rx->progress->received;
		assert_int_equal(peer_simple(&survivor, PEER_CLOSE), 0);
		/* All is there but what the survivor keeps. */
		end = ferry_test_now_ns() + SECONDS(1);
		for (;;) {
			const struct ferry_hub_info now =
				peer_do(&hub, &info).info;

			if (now.endpoints == 1 && now.channels == 0 &&
					now.memory_limbo == 0)
				break;
			assert_true(ferry_test_now_ns() < end);
		}
		assert_int_equal(peer_simple(&survivor, PEER_DETACH), 0);
		peer_check_hub(&hub, 0);
		assert_int_equal(peer_do(&survivor, &attach).result, 0);
	}
	print_message("%u of %u in the middle of a message\n", cut, i);
	stop(&hub, &survivor);
}

int
main(int argc, char *argv[])
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(a_killed_endpoint_gives_its_memory_back, stop_all),
		cmocka_unit_test_teardown(memory_of_the_dead_waits_for_who_copies_there, stop_all),
		cmocka_unit_test_teardown(memory_of_the_dead_goes_back_when_who_copied_there_dies, stop_all),
		cmocka_unit_test_teardown(a_stopped_process_keeps_what_it_copies, stop_all),
		cmocka_unit_test_teardown(what_a_stopped_hub_could_not_give_in_time_is_not_given, stop_all),
		cmocka_unit_test_teardown(memory_waits_also_if_only_the_channel_is_closed, stop_all),
		cmocka_unit_test_teardown(buffers_that_a_dead_consumer_lent_are_not_given_out, stop_all),
		cmocka_unit_test_teardown(registered_memory_is_shared_if_both_ends_say_so, stop_all),
		cmocka_unit_test_teardown(engines_copy_what_an_end_and_the_hub_registered, stop_all),
		cmocka_unit_test_teardown(whoever_is_killed_in_the_middle_of_messages_costs_no_memory, stop_all),
		cmocka_unit_test_teardown(a_hub_in_limbo_is_destroyed_when_all_have_left, stop_all),
	};

	if (argc > 1) /* one of them, by name */
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
