/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * dma: an engine lets DMA devices copy, and prints how much each lane copied.
 *
 * Any DPDK dmadev will do. If you have no such device, use the soft DSA that
 * comes with ferry. It runs anywhere, but does not make copies faster.
 *
 * Build and run:
 *
 *     cc -pthread -o dma main.c $(pkg-config --cflags --libs libferry)
 *     P=$(pkg-config --variable=plugindir libferry)
 *     ./dma -d $P/libferry_softdsa.so
 *
 * An Intel DSA may be bound to the kernel's idxd driver. Then give a work queue
 * of type "user" a name that begins with "dpdk_", or with the file prefix and
 * "_". DPDK's driver takes such queues, and needs no option:
 *
 *     ./dma
 *
 * A DSA may be bound to vfio-pci. Then name its PCI address:
 *
 *     ./dma -a 0000:6a:01.0
 */

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include <rte_errno.h>
#include <rte_lcore.h>

#include <ferry_eal.h>
#include <ferry_endpoint.h>
#include <ferry_engine.h>
#include <ferry_memory.h>

#define N_MESSAGES 1000
#define MESSAGE_SIZE (64 * 1024)
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

/* Make an engine. All DMA devices of the machine become its lanes. */
static int
engine_with_devices(struct ferry_engine **engine, struct ferry_hub *hub)
{
	int ret = ferry_engine_create(engine, hub, NULL);

	if (ret != 0)
		return ret;
	ret = ferry_engine_add_devices(*engine, ferry_copy_dmadev(), NULL);
	return ret < 0 ? ret : 0;
}

static void *
run(void *engine)
{
	ferry_engine_run(engine);
	return NULL;
}

/* Run the engine on a worker lcore if there is one ("-l 0,1" makes one). If
 * not, run it on a thread, which the system moves between the CPUs. */
static int
start(struct ferry_engine *engine, pthread_t *thread, int *has_thread)
{
	const unsigned int lcore = rte_get_next_lcore(-1, 1, 0);

	if (lcore < RTE_MAX_LCORE)
		return ferry_engine_launch(engine, lcore);
	*has_thread = 1;
	return -pthread_create(thread, NULL, run, engine);
}

/* Receive what is there, and check it. Returns 0, or negative if a message is
 * wrong. */
static int
receive(struct ferry_rx *rx, uint32_t *next)
{
	static uint8_t wanted[MESSAGE_SIZE];
	struct ferry_msg msg;
	int ret;

	while ((ret = ferry_rx_recv(rx, &msg, 1)) == 1) {
		memset(wanted, (uint8_t)*next, sizeof(wanted));
		if (msg.tag != (*next)++ || msg.len != sizeof(wanted) ||
				memcmp(msg.data, wanted, sizeof(wanted)) != 0)
			return -EBADMSG;
		ferry_rx_release(rx, &msg, 1);
	}
	return ret;
}

/* This thread has both ends of a channel; the engine copies in between. */
static int
transfer(struct ferry_endpoint *ep)
{
	struct ferry_buf buf = { .len = MESSAGE_SIZE };
	uint32_t sent = 0, received = 0;
	struct ferry_tx *tx;
	struct ferry_rx *rx;
	uint8_t *mem, *data;
	int ret = ferry_tx_open(&tx, ep, "frames", &channel_config);

	if (ret == 0)
		ret = ferry_rx_open(&rx, ep, "frames", &channel_config);
	if (ret != 0)
		return ret;
	/* In this mode devices copy all messages that are not tiny. */
	ferry_tx_set_mode(tx, FERRY_MODE_EFFICIENCY);
	/* A device reaches only DPDK's memory, not that of malloc(). */
	mem = ferry_alloc(ep, N_BUFFERS * MESSAGE_SIZE);
	if (mem == NULL)
		return -rte_errno;
	for (; sent < N_MESSAGES && !stop && ret == 0; sent++) {
		/* Wait until fewer posts are pending than there are buffers.
		 * The next buffer is free then. */
		ret = ferry_tx_finish(tx, N_BUFFERS - 1, UINT64_MAX);
		if (ret != 0)
			break;
		data = mem + sent % N_BUFFERS * MESSAGE_SIZE;
		memset(data, (uint8_t)sent, MESSAGE_SIZE);
		buf.data = data;
		buf.tag = sent;
		/* 0: no slot is free. Receive messages to free some. */
		while (ret == 0 && (ret = ferry_tx_post(tx, &buf, 1)) == 0)
			ret = receive(rx, &received);
		if (ret > 0)
			ret = receive(rx, &received);
	}
	if (ret == 0)
		ret = ferry_tx_finish(tx, 0, UINT64_MAX);
	if (ret == 0)
		ret = receive(rx, &received);
	printf("received %" PRIu32 " of %" PRIu32 " messages of 64 KiB\n",
		received, sent);
	return ret;
}

/* Print what each lane did. Lane 0 is the core that runs the engine. */
static void
report(struct ferry_engine *engine)
{
	struct ferry_engine_lane lane;
	unsigned int i;

	for (i = 0; ferry_engine_lane(engine, i, &lane) == 0; i++)
		printf("lane %-16s copied %5.1f MiB in %" PRIu64 " jobs, %"
			PRIu64 " failed\n", lane.info.name,
			(double)lane.stats.bytes / (1 << 20), lane.stats.jobs,
			lane.stats.errors);
}

/* Say in one line what is wrong, and what the user can do about it. */
static void
complain(int ret)
{
	if (ret == -ENODEV)
		fprintf(stderr, "dma: no DMA device: try a soft one, -d "
			"$(pkg-config --variable=plugindir libferry)/"
			"libferry_softdsa.so, or see the top of main.c\n");
	else if (ret == -ENOMEM)
		fprintf(stderr, "dma: no memory: reserve hugepages: echo 64 > "
			"/proc/sys/vm/nr_hugepages\n");
	else
		fprintf(stderr, "dma: %s: start it again\n",
			ferry_strerror(ret));
}

int
main(int argc, char **argv)
{
	struct ferry_engine *engine = NULL;
	struct ferry_endpoint *ep = NULL;
	struct ferry_hub *hub = NULL;
	struct ferry_eal_args eal;
	pthread_t thread;
	int ret, has_thread = 0;

	if (ferry_eal_args(&eal, FERRY_EAL_HUB, argc, argv) != 0 ||
			ferry_eal_init(&eal, FERRY_EAL_HUB) != 0) {
		fprintf(stderr, "dma: %s\n", eal.error);
		return 1;
	}
	signal(SIGINT, on_signal);
	signal(SIGTERM, on_signal);
	setvbuf(stdout, NULL, _IOLBF, 0);
	ret = ferry_hub_create(&hub, &hub_config);
	if (ret == 0)
		ret = engine_with_devices(&engine, hub);
	if (ret == 0)
		ret = start(engine, &thread, &has_thread);
	if (ret == 0)
		ret = ferry_attach(&ep, NULL, "dma");
	if (ret == 0) {
		ret = transfer(ep);
		report(engine);
	}
	if (ret != 0)
		complain(ret);
	ferry_detach(ep);
	if (has_thread) {
		ferry_engine_stop(engine);
		pthread_join(thread, NULL);
	}
	ferry_engine_destroy(engine);
	ferry_hub_destroy(hub);
	ferry_eal_cleanup(&eal, FERRY_EAL_HUB);
	return ret != 0;
}
