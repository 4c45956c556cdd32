/* SPDX-License-Identifier: BSD-3-Clause */

/* Bulk messages between processes: with each kind of memory as source and
 * destination, and with either end killed. */

#include <errno.h>
#include <setjmp.h>
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

#include "chan_parts.h"
#include "ferry_bulk.h"
#include "ferry_engine.h"
#include "ferry_memory.h"
#include "peer.h"

#define CHANNEL "bulk"
/* Of streams, and how many are killed. */
#define STREAMED (8 * MIB)
#define KILLS 30

static const struct ferry_channel_config small = { 256, 64 };
static const struct peer_order attach = { .op = PEER_ATTACH, .name = HUB };

static int
do_custom(struct peer *peer, int (*custom)(struct peer *peer))
{
	const struct peer_order order = { .op = PEER_CUSTOM, .custom = custom };

	return peer_do(peer, &order).result;
}

/* Messages of registered memory: what both have, or each has for itself. */
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
	ret = ferry_bulk_wait(out, FERRY_TEST_HANG_NS);
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
		ret = ferry_rx_wait(peer->rx, FERRY_TEST_HANG_NS);
		if (ret != 0)
			return ret;
	}
	if (ret != 1 || !ferry_msg_is_bulk(&msg))
		return -EPROTO;
	ret = ferry_bulk_accept(peer->rx, &msg, to, to != NULL, &in);
	if (ret == 0)
		ret = ferry_bulk_await(in, PIECE, FERRY_TEST_HANG_NS);
	if (ret == 0 && ferry_test_check(ferry_bulk_data(in), PIECE, seed) !=
			-1)
		ret = -EILSEQ;
	if (ret == 0)
		ret = ferry_bulk_release(in, FERRY_TEST_HANG_NS);
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
	/* No participant reads the memory any more. */
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
			ret = ferry_bulk_wait(out[seq % 2], FERRY_TEST_HANG_NS);
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
		ret = ferry_bulk_await(in, STREAMED, FERRY_TEST_HANG_NS);
		/* Whole or not at all. */
		if (ret == 0 && !stamped(ferry_bulk_data(in), seq))
			return -EILSEQ;
		ferry_bulk_release(in, FERRY_TEST_HANG_NS);
		if (ret == 0)
			__atomic_store_n(&peer->progress->received, ++seq,
				__ATOMIC_RELEASE);
		else if (ret != FERRY_E_PEER_GONE)
			return ret;
	}
}

/* A hub and both ends of a channel. */
static void
start(struct peer *hub, struct peer *rx, struct peer *tx)
{
	memset(hub, 0, sizeof(*hub));
	memset(rx, 0, sizeof(*rx));
	memset(tx, 0, sizeof(*tx));
	both = ferry_test_shared(PIECE);
	copiers = ferry_test_shared(sizeof(*copiers));
	assert_non_null(both);
	assert_non_null(copiers);
	peer_start_hub(hub, 100 * MIB);
	peer_start_endpoint(rx);
	peer_start_endpoint(tx);
	assert_int_equal(peer_open(rx, PEER_OPEN_RX, CHANNEL, &small), 0);
	assert_int_equal(peer_open(tx, PEER_OPEN_TX, CHANNEL, &small), 0);
}

static void
stop(struct peer *hub, struct peer *last)
{
	assert_int_equal(peer_simple(last, PEER_DETACH), 0);
	peer_check_hub(hub, 0);
	peer_exit(last);
	peer_exit_hub(hub);
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
	start(&hub, &rx, &tx);
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
	start(&hub, &rx, &tx);
	*copiers = FERRY_BULK_ENGINE;
	for (i = 0; i < 2; i++) {
		const struct peer_order send = {
			.op = PEER_CUSTOM,
			.custom = i == 0 ? send_both : send_private,
		};
		const uint64_t end = ferry_test_now_ns() + FERRY_TEST_HANG_NS;
		const uint64_t *copied = &hub.progress->received;

		memset(hub.progress, 0, sizeof(*hub.progress));
		peer_order(&hub, &order);
		while (__atomic_load_n(copied, __ATOMIC_ACQUIRE) == 0)
			assert_true(ferry_test_now_ns() < end);
		/* As long as it gets no CPU, the ends copy all of a message. */
		for (n = 0; n < 10000 && (i == 1 ? n < 5 : __atomic_load_n(
				copied, __ATOMIC_RELAXED) == 1); n++) {
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

/* Runs in the consumer: as many buffers as it may. */
static int
lend(struct peer *peer)
{
	uint8_t *mem = ferry_alloc(peer->ep, MIB);
	int n = 0, ret = mem != NULL ? 0 : -ENOMEM;

	while (ret == 0) {
		ret = ferry_bulk_lend(peer->rx, mem + n * 4096, 4096);
		n += ret == 0;
	}
	return ret == -ENOBUFS ? n : ret;
}

/* Runs in the producer: those that it could take. */
static int
count_lent(struct peer *peer)
{
	const struct ferry_bulk_grant *grants =
		chan_grants(ferry_tx_channel(peer->tx));
	unsigned int i;
	int n = 0;

	for (i = 0; i < FERRY_BULK_BLOCKS; i++)
		n += __atomic_load_n(&grants[i].state, __ATOMIC_RELAXED) ==
			FERRY_GRANT_OFFERED;
	return n;
}

static int
await_gone(struct peer *peer)
{
	const uint64_t end = ferry_test_now_ns() + FERRY_TEST_HANG_NS;

	while (ferry_tx_peer(peer->tx) != FERRY_END_GONE)
		if (ferry_test_now_ns() > end)
			return -ETIMEDOUT;
	return 0;
}

/* A producer that is about to send may not have seen yet that it died. */
static void
what_a_dead_consumer_lent_cannot_be_taken(void **state)
{
	struct peer hub, rx, tx;

	(void)state;
	ferry_procs_need();
	start(&hub, &rx, &tx);
	assert_int_equal(do_custom(&rx, lend), FERRY_BULK_BLOCKS);
	assert_int_equal(do_custom(&tx, count_lent), FERRY_BULK_BLOCKS);
	ferry_proc_kill(&rx.proc);
	assert_int_equal(do_custom(&tx, await_gone), 0);
	assert_int_equal(do_custom(&tx, count_lent), 0);
	assert_int_equal(peer_simple(&tx, PEER_CLOSE), 0);
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
		end = ferry_test_now_ns() + FERRY_TEST_HANG_NS;
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
		end = ferry_test_now_ns() + FERRY_TEST_HANG_NS;
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
		cmocka_unit_test_teardown(
			registered_memory_is_shared_if_both_ends_say_so,
			ferry_procs_end),
		cmocka_unit_test_teardown(
			engines_copy_what_an_end_and_the_hub_registered,
			ferry_procs_end),
		cmocka_unit_test_teardown(
			what_a_dead_consumer_lent_cannot_be_taken,
			ferry_procs_end),
		cmocka_unit_test_teardown(
		whoever_is_killed_in_the_middle_of_messages_costs_no_memory,
			ferry_procs_end),
	};

	if (argc > 1) /* one of them, by name */
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
