/* SPDX-License-Identifier: BSD-3-Clause */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include <rte_common.h>
#include <rte_dmadev.h>
#include <rte_malloc.h>

#include "peer.h"

#define BURST 32
#define LONGEST (64 * 1024)
/* A report that takes longer will not come. */

static uint32_t
length_of(const struct peer_order *o, uint64_t i)
{
	uint64_t x = o->seed * 1000003 + i;

	/* Mostly small, sometimes as long as can be. */
	x = ferry_test_random(&x);
	return (uint32_t)(x >> 8) % ((x & 15) == 0 ? o->longest + 1 :
		RTE_MIN(o->longest, 200u) + 1);
}

/* Send a burst, copied or loaned: how many, or why none. */
static int
send_some(struct peer *peer, const struct peer_order *o, uint8_t *payloads,
		uint64_t i, uint32_t n, bool loan)
{
	struct ferry_buf bufs[BURST] = { 0 };
	struct ferry_msg msgs[BURST];
	uint32_t k, len;
	int ret;

	if (loan) {
		ret = ferry_tx_loan(peer->tx, msgs, (uint16_t)n);
		if (ret <= 0)
			return ret;
		for (k = 0; k < (uint32_t)ret; k++) {
			len = length_of(o, i + k);
			ferry_test_fill(msgs[k].data, len, o->seed + i + k);
			msgs[k].len = len;
			msgs[k].tag = (uint32_t)(i + k);
		}
		return ferry_tx_commit(peer->tx, msgs, (uint16_t)ret);
	}
	for (k = 0; k < n; k++) {
		bufs[k].data = payloads + (size_t)k * LONGEST;
		bufs[k].len = length_of(o, i + k);
		bufs[k].tag = (uint32_t)(i + k);
		ferry_test_fill(payloads + (size_t)k * LONGEST, bufs[k].len,
			o->seed + i + k);
	}
	return ferry_tx_send(peer->tx, bufs, (uint16_t)n);
}

static int
do_send(struct peer *peer, const struct peer_order *o, uint64_t *count)
{
	const uint64_t end = ferry_test_now_ns() + o->timeout_ns;
	uint8_t *payloads = malloc((size_t)BURST * LONGEST);
	uint64_t random = o->seed;
	int ret = 0;

	if (payloads == NULL)
		return -ENOMEM;
	ferry_tx_set_wait(peer->tx, o->wait);
	for (*count = 0; *count < o->n;) {
		uint32_t n = (uint32_t)(ferry_test_random(&random) %
			RTE_MIN(o->burst, (uint32_t)BURST)) + 1;

		n = (uint32_t)RTE_MIN((uint64_t)n, o->n - *count);
		ret = send_some(peer, o, payloads, *count, n,
			ferry_test_random(&random) % 2);
		if (ret == 0) {
			ret = ferry_tx_wait(peer->tx, SECONDS(1));
			if (ferry_test_now_ns() > end)
				break;
			if (ret == -ETIMEDOUT)
				ret = 0;
		} else if (ret > 0) {
			*count += (uint32_t)ret;
			__atomic_store_n(&peer->progress->sent, *count,
				__ATOMIC_RELEASE);
			ret = 0;
		}
		if (ret < 0)
			break;
	}
	free(payloads);
	return *count == o->n ? 0 : ret != 0 ? ret : -ETIMEDOUT;
}

static bool
message_right(const struct peer_order *o, const struct ferry_msg *m, uint64_t i)
{
	return m->tag == (uint32_t)i && m->len == length_of(o, i) &&
		ferry_test_check(m->data, m->len, o->seed + i) == -1;
}

/* Receive until the end; keep some messages for a while, give them back in
 * another order. */
static int
do_recv(struct peer *peer, const struct peer_order *o, uint64_t *count)
{
	const uint64_t end = ferry_test_now_ns() + o->timeout_ns;
	struct ferry_msg kept[4], msgs[BURST];
	uint64_t random = o->seed;
	int ret, k, n_kept = 0;

	*count = 0;
	ferry_rx_set_wait(peer->rx, o->wait);
	for (;;) {
		ret = ferry_rx_recv(peer->rx, msgs, (uint16_t)
			(ferry_test_random(&random) % BURST + 1));
		if (ret == 0) {
			ret = ferry_rx_wait(peer->rx, SECONDS(1));
			if (ret == -ETIMEDOUT && ferry_test_now_ns() > end)
				return ret;
			continue; /* an end shows in the next recv */
		}
		if (ret < 0)
			return ret;
		for (k = 0; k < ret; k++) {
			if (!message_right(o, &msgs[k], *count)) {
				peer->progress->wrong++;
				return -EILSEQ;
			}
			(*count)++;
		}
		__atomic_store_n(&peer->progress->received, *count,
			__ATOMIC_RELEASE);
		if (ferry_rx_release(peer->rx, kept, (uint16_t)n_kept) != 0)
			return -EPROTO;
		n_kept = RTE_MIN(ret, (int)(ferry_test_random(&random) %
			RTE_DIM(kept)));
		/* The first ones stay, so that the order is not the sent
		 * one. */
		memcpy(kept, msgs, (size_t)n_kept * sizeof(kept[0]));
		if (ferry_rx_release(peer->rx, msgs + n_kept,
				(uint16_t)(ret - n_kept)) != 0)
			return -EPROTO;
	}
}

/* The hub's first dma device copies. */
static int
dma_copy(void)
{
	const struct rte_dma_conf conf = { .nb_vchans = 1 };
	const struct rte_dma_vchan_conf vchan = {
		.direction = RTE_DMA_DIR_MEM_TO_MEM,
		.nb_desc = 64,
	};
	static bool started;
	bool error = false;
	uint16_t last, n = 0;
	char *mem;
	int i, ret;

	if (!rte_dma_is_valid(0))
		return -ENODEV;
	if (!started && (rte_dma_configure(0, &conf) != 0 ||
			rte_dma_vchan_setup(0, 0, &vchan) != 0 ||
			rte_dma_start(0) != 0))
		return -EIO;
	started = true;
	mem = rte_malloc(NULL, 8192, 4096);
	if (mem == NULL)
		return -ENOMEM;
	ferry_test_fill(mem, 4096, 1);
	memset(mem + 4096, 0, 4096);
	/* dma_skeleton takes virtual addresses. */
	ret = rte_dma_copy(0, 0, (uintptr_t)mem, (uintptr_t)mem + 4096, 4096,
		RTE_DMA_OP_FLAG_SUBMIT);
	for (i = 0; i < 2000 && ret >= 0 && n == 0; i++) {
		n = rte_dma_completed(0, 0, 1, &last, &error);
		usleep(1000);
	}
	ret = n == 1 && !error && ferry_test_check(mem + 4096, 4096, 1) == -1 ?
		0 : -EIO;
	rte_free(mem);
	return ret;
}

static int
do_create(struct peer *peer, const struct peer_order *o)
{
	const struct ferry_hub_config config = {
		.name = o->name,
		.memory = o->n,
		.socket = -1,
	};

	return ferry_hub_create(&peer->hub, &config);
}

static int
execute(struct peer *peer, const struct peer_order *o, struct peer_report *rep)
{
	switch (o->op) {
	case PEER_CREATE:
		return do_create(peer, o);
	case PEER_DESTROY:
		return ferry_hub_destroy(peer->hub);
	case PEER_INFO:
		ferry_hub_info(peer->hub, &rep->info);
		rep->n_channels = ferry_hub_channels(peer->hub, rep->channels,
			RTE_DIM(rep->channels));
		return 0;
	case PEER_DMA_COPY:
		return dma_copy();
	case PEER_DMA_STOP:
		return rte_dma_stop(0);
	case PEER_ATTACH:
		return ferry_attach(&peer->ep, o->name, "peer");
	case PEER_DETACH:
		ferry_detach(peer->ep);
		peer->ep = NULL;
		peer->tx = NULL;
		peer->rx = NULL;
		return 0;
	case PEER_OPEN_TX:
		return ferry_tx_open(&peer->tx, peer->ep, o->name, &o->config);
	case PEER_OPEN_RX:
		return ferry_rx_open(&peer->rx, peer->ep, o->name, &o->config);
	case PEER_CLOSE:
		ferry_tx_close(peer->tx);
		ferry_rx_close(peer->rx);
		peer->tx = NULL;
		peer->rx = NULL;
		return 0;
	case PEER_SEND:
		return do_send(peer, o, &rep->count);
	case PEER_RECV:
		return do_recv(peer, o, &rep->count);
	case PEER_WAIT_RX:
		ferry_rx_set_wait(peer->rx, o->wait);
		return ferry_rx_wait(peer->rx, o->timeout_ns);
	case PEER_CUSTOM:
		return o->custom(peer);
	case PEER_EXIT:
		break;
	}
	return -ENOSYS;
}

static int
eal_start(struct peer *peer, struct ferry_eal_args *args)
{
	static char prefix[64];
	char *argv[] = {
		(char *)(uintptr_t)"peer", prefix, (char *)(uintptr_t)"-m",
		(char *)(uintptr_t)"64", (char *)(uintptr_t)"--no-telemetry",
		(char *)(uintptr_t)"--log-level=error",
		(char *)(uintptr_t)"--no-pci",
		/* Where EAL looks first, AddressSanitizer has its shadow. */
		(char *)(uintptr_t)"--base-virtaddr=0x200000000000",
		(char *)(uintptr_t)peer->eal,
	};
	int argc = peer->eal != NULL ? RTE_DIM(argv) : RTE_DIM(argv) - 1;
	int ret;

	snprintf(prefix, sizeof(prefix), "--file-prefix=%s",
		ferry_test_prefix());
	ret = ferry_eal_args(args, peer->role, argc, argv);
	return ret != 0 ? ret : ferry_eal_init(args, peer->role);
}

static int
peer_main(int fd, void *arg)
{
	/* EAL keeps pointers into it. */
	static struct ferry_eal_args args;
	struct peer *peer = arg;
	struct peer_report rep = { 0 };
	struct peer_order order;
	uint64_t start;

	rep.result = eal_start(peer, &args);
	if (rep.result != 0) {
		ferry_proc_write(fd, &rep, sizeof(rep));
		return 1;
	}
	rep.at_ns = ferry_test_now_ns();
	while (ferry_proc_write(fd, &rep, sizeof(rep)) == 0 &&
			ferry_proc_read(fd, &order, sizeof(order),
				UINT32_MAX) == 0 && order.op != PEER_EXIT) {
		memset(&rep, 0, sizeof(rep));
		start = ferry_test_now_ns();
		rep.result = execute(peer, &order, &rep);
		rep.at_ns = ferry_test_now_ns();
		rep.took_ns = rep.at_ns - start;
	}
	ferry_eal_cleanup(&args, peer->role);
	return 0;
}

int
peer_try_start(struct peer *peer, enum ferry_eal_role role, const char *eal)
{
	struct peer_progress *progress = peer->progress;

	memset(peer, 0, sizeof(*peer));
	if (progress == NULL)
		progress = ferry_test_shared(sizeof(*progress));
	assert_non_null(progress);
	memset(progress, 0, sizeof(*progress));
	peer->progress = progress;
	peer->role = role;
	peer->eal = eal;
	assert_int_equal(ferry_proc_start(&peer->proc, peer_main, peer), 0);
	return peer_report(peer).result;
}

void
peer_start(struct peer *peer, enum ferry_eal_role role, const char *eal)
{
	int ret = peer_try_start(peer, role, eal);

	if (ret != 0)
		fail_msg("EAL of a peer: %s", ferry_strerror(ret));
}

void
peer_start_hub(struct peer *peer, uint64_t memory)
{
	struct peer_order order = { .op = PEER_CREATE, .n = memory };

	strcpy(order.name, HUB);
	peer_start(peer, FERRY_EAL_HUB, NULL);
	assert_int_equal(peer_do(peer, &order).result, 0);
}

void
peer_start_endpoint(struct peer *peer)
{
	struct peer_order order = { .op = PEER_ATTACH };

	strcpy(order.name, HUB);
	peer_start(peer, FERRY_EAL_SECONDARY, NULL);
	assert_int_equal(peer_do(peer, &order).result, 0);
}

void
peer_order(struct peer *peer, const struct peer_order *order)
{
	assert_int_equal(ferry_proc_write(peer->proc.fd, order,
		sizeof(*order)), 0);
}

struct peer_report
peer_report(struct peer *peer)
{
	struct peer_report rep;

	assert_int_equal(ferry_proc_read(peer->proc.fd, &rep, sizeof(rep),
		REPORT_MS), 0);
	return rep;
}

struct peer_report
peer_do(struct peer *peer, const struct peer_order *order)
{
	peer_order(peer, order);
	return peer_report(peer);
}

int
peer_simple(struct peer *peer, enum peer_op op)
{
	const struct peer_order order = { .op = op };

	return peer_do(peer, &order).result;
}

int
peer_open(struct peer *peer, enum peer_op op, const char *name,
		const struct ferry_channel_config *config)
{
	struct peer_order order = { .op = op };

	snprintf(order.name, sizeof(order.name), "%s", name);
	if (config != NULL)
		order.config = *config;
	return peer_do(peer, &order).result;
}

void
peer_exit(struct peer *peer)
{
	const struct peer_order order = { .op = PEER_EXIT };

	peer_order(peer, &order);
	assert_int_equal(ferry_proc_wait(&peer->proc, 60000), 0);
}

void
peer_exit_hub(struct peer *peer)
{
	assert_int_equal(peer_simple(peer, PEER_DESTROY), 0);
	peer_exit(peer);
	assert_int_equal(ferry_test_leftovers(), 0);
}

void
peer_check_hub(struct peer *hub, uint32_t endpoints)
{
	const struct peer_order order = { .op = PEER_INFO };
	const uint64_t end = ferry_test_now_ns() + FERRY_TEST_HANG_NS;
	struct peer_report rep = peer_do(hub, &order);

	/* It learns of ends and deaths, and frees memory, when it gets a
	 * CPU. */
	while (rep.result == 0 && (rep.info.endpoints != endpoints ||
			rep.info.channels != 0 || rep.info.memory_limbo != 0) &&
			ferry_test_now_ns() < end) {
		usleep(1000);
		rep = peer_do(hub, &order);
	}
	assert_int_equal(rep.result, 0);
	assert_int_equal(rep.info.endpoints, endpoints);
	assert_int_equal(rep.info.channels, 0);
	assert_int_equal(rep.info.memory_free, rep.info.memory);
	assert_int_equal(rep.info.memory_largest, rep.info.memory);
}
