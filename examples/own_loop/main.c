/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * own_loop: an application with a poll loop of its own drives an engine in it.
 *
 * An engine copies the messages that producers post. Mostly an engine has an
 * lcore to itself: see ferry_engine_launch(). An application that polls anyway
 * can instead give the engine one turn in each round of its own loop. Then it
 * needs no additional core.
 *
 * The application here is one process with two threads:
 *
 *     producer thread                  main thread, the application's loop
 *       posts buffers, and goes on       1. one turn of the engine: it copies
 *       while they are copied            2. receives what has been copied
 *                                        3. every 0.2 s: its other duties
 *
 * Build and run:
 *
 *     cc -pthread -o own_loop main.c $(pkg-config --cflags --libs libferry)
 *     ./own_loop
 */

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include <rte_cycles.h>

#include <ferry_eal.h>
#include <ferry_endpoint.h>
#include <ferry_engine.h>

#define N_MESSAGES 2000
#define MESSAGE_SIZE (32 * 1024)
/* Buffers that may be under way at once. */
#define N_BUFFERS 8

static const struct ferry_hub_config hub_config = {
	.memory = UINT64_C(16) << 20,
	.socket = -1, /* any NUMA node */
};
static const struct ferry_channel_config channel_config = {
	.slot_size = MESSAGE_SIZE,
	.n_slots = 16,
};
static volatile sig_atomic_t stop;

static void
on_signal(int sig)
{
	(void)sig;
	stop = 1;
}

/* Post one buffer. The producer must not write to it before it is copied. */
static int
post(struct ferry_tx *tx, uint8_t *data, uint32_t number)
{
	const struct ferry_buf buf = {
		.data = data,
		.len = MESSAGE_SIZE,
		.tag = number,
	};
	int ret;

	memset(data, (uint8_t)number, MESSAGE_SIZE);
	while ((ret = ferry_tx_post(tx, &buf, 1)) == 0) {
		/* All slots are full: wait until the loop has received some. */
		ret = ferry_tx_wait(tx, UINT64_MAX);
		if (ret != 0)
			break;
	}
	return ret;
}

/* The producer: a thread with an endpoint of its own. The thread may wait for
 * the engine, because another thread runs the engine. */
static void *
produce(void *arg)
{
	static uint8_t buffer[N_BUFFERS][MESSAGE_SIZE];
	struct ferry_endpoint *ep;
	struct ferry_tx *tx;
	uint32_t i;
	int ret = ferry_attach(&ep, NULL, "producer");

	(void)arg;
	if (ret == 0)
		ret = ferry_tx_open(&tx, ep, "work", &channel_config);
	/* In this mode the engine copies all messages that are not tiny. */
	if (ret == 0)
		ret = ferry_tx_set_mode(tx, FERRY_MODE_EFFICIENCY);
	for (i = 0; i < N_MESSAGES && ret >= 0 && !stop; i++) {
		/* Wait until fewer posts are pending than there are buffers.
		 * The next buffer is free then. */
		ret = ferry_tx_finish(tx, N_BUFFERS - 1, UINT64_MAX);
		if (ret == 0)
			ret = post(tx, buffer[i % N_BUFFERS], i);
	}
	if (ret >= 0)
		ret = ferry_tx_finish(tx, 0, UINT64_MAX);
	if (ret != 0)
		fprintf(stderr, "own_loop: the producer failed: %s\n",
			ferry_strerror(ret));
	/* The loop then receives FERRY_E_CLOSED, after all messages. */
	ferry_detach(ep);
	return NULL;
}

/* Look at what has arrived. Returns how many messages, or a negative result. */
static int
consume(struct ferry_rx *rx, uint32_t *next)
{
	struct ferry_msg msgs[8];
	const uint8_t *data;
	int i, n = ferry_rx_recv(rx, msgs, 8);

	for (i = 0; i < n; i++, ++*next) {
		data = msgs[i].data;
		if (msgs[i].tag != *next || data[0] != (uint8_t)*next ||
				data[MESSAGE_SIZE - 1] != (uint8_t)*next)
			printf("message %" PRIu32 " is wrong\n", *next);
	}
	if (n > 0)
		ferry_rx_release(rx, msgs, (uint16_t)n);
	return n;
}

/* The application's loop, until the producer has ended. */
static int
loop(struct ferry_engine *engine, struct ferry_rx *rx)
{
	const uint64_t period = rte_get_tsc_hz() / 5;
	uint64_t rounds = 0, idle = 0, due = rte_get_tsc_cycles();
	struct ferry_engine_info info;
	uint32_t received = 0;
	unsigned int work;
	int n;

	for (;;) {
		/* A turn does a bounded amount of work, and never waits. */
		work = ferry_engine_poll(engine);
		n = consume(rx, &received);
		if (n < 0)
			break;
		rounds++;
		if (rte_get_tsc_cycles() >= due) {
			due += period;
			printf("%" PRIu32 " messages so far\n", received);
		}
		/* There was nothing to do. An application with a core of its
		 * own would go on at once. This one may share its CPU with the
		 * producer, and gives the CPU up. */
		if (work == 0 && n == 0) {
			idle++;
			sched_yield();
		}
	}
	ferry_engine_info(engine, &info);
	printf("received %" PRIu32 " messages; the engine copied %" PRIu64
		" of them, %" PRIu64 " MiB\n", received, info.msgs,
		info.bytes >> 20);
	printf("%" PRIu64 " rounds, %" PRIu64 " of them without work\n",
		rounds, idle);
	/* The producer has closed its end, and all messages are received. */
	if (n == FERRY_E_CLOSED)
		n = received == N_MESSAGES ? 0 : -ECANCELED;
	return n;
}

/* Say in one line what is wrong, and what the user can do about it. */
static void
complain(int ret)
{
	if (ret == -ECANCELED)
		fprintf(stderr, "own_loop: stopped before all was received: "
			"start it again\n");
	else if (ret == -ENOMEM)
		fprintf(stderr, "own_loop: no memory: reserve hugepages: echo "
			"64 > /proc/sys/vm/nr_hugepages\n");
	else
		fprintf(stderr, "own_loop: %s: start it again\n",
			ferry_strerror(ret));
}

int
main(int argc, char **argv)
{
	struct ferry_engine *engine = NULL;
	struct ferry_endpoint *ep = NULL;
	struct ferry_hub *hub = NULL;
	struct ferry_eal_args eal;
	struct ferry_rx *rx;
	pthread_t producer;
	int ret, has_producer = 0;

	if (ferry_eal_args(&eal, FERRY_EAL_HUB, argc, argv) != 0 ||
			ferry_eal_init(&eal, FERRY_EAL_HUB) != 0) {
		fprintf(stderr, "own_loop: %s\n", eal.error);
		return 1;
	}
	signal(SIGINT, on_signal);
	signal(SIGTERM, on_signal);
	setvbuf(stdout, NULL, _IOLBF, 0);
	ret = ferry_hub_create(&hub, &hub_config);
	if (ret == 0)
		ret = ferry_engine_create(&engine, hub, NULL);
	if (ret == 0)
		ret = ferry_attach(&ep, NULL, "loop");
	if (ret == 0)
		ret = ferry_rx_open(&rx, ep, "work", &channel_config);
	if (ret == 0)
		ret = -pthread_create(&producer, NULL, produce, NULL);
	has_producer = ret == 0;
	if (ret == 0)
		ret = loop(engine, rx);
	if (ret != 0)
		complain(ret);
	ferry_detach(ep);
	/* After this the producer does not wait for the engine any more. */
	ferry_engine_destroy(engine);
	if (has_producer)
		pthread_join(producer, NULL);
	ferry_hub_destroy(hub);
	ferry_eal_cleanup(&eal, FERRY_EAL_HUB);
	return ret != 0;
}
