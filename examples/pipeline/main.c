/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * pipeline: three processes in a row, and no copy between them.
 *
 *     source ---- channel "raw" ----> filter ---- channel "done" ----> sink
 *
 * Each stage builds its blocks in slots of shared memory that it has on loan.
 * Passing a block on costs the same for any length, because only the number of
 * its slot travels. The next stage reads the block in that slot and then gives
 * the slot back. A slow stage gives its slots back late. That slows down the
 * stages before it, so that no block is dropped.
 *
 * Build and run:
 *
 *     cc -o pipeline main.c $(pkg-config --cflags --libs libferry)
 *     ./pipeline sink &
 *     ./pipeline filter &
 *     ./pipeline source
 */

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <ferry_eal.h>
#include <ferry_endpoint.h>

/* A wait ends after 100 ms, to see whether the user has pressed Ctrl-C. */
#define TICK_NS UINT64_C(100000000)
/* A block is 64 KiB. */
#define N_SAMPLES 16384

static const struct ferry_hub_config hub_config = {
	.memory = UINT64_C(16) << 20,
	.socket = -1, /* any NUMA node */
};
static const struct ferry_channel_config channel_config = {
	.slot_size = N_SAMPLES * sizeof(uint32_t),
	.n_slots = 16,
};
/* Blocks that this stage has processed. */
static uint32_t n_blocks;
static volatile sig_atomic_t stop;

static void
on_signal(int sig)
{
	(void)sig;
	stop = 1;
}

/* A free slot to build a block in: wait for one. Returns 1; 0 after Ctrl-C;
 * negative if no slot will come. */
static int
next_slot(struct ferry_tx *tx, struct ferry_msg *msg)
{
	int ret = 0;

	while (!stop && (ret = ferry_tx_loan(tx, msg, 1)) == 0) {
		ret = ferry_tx_wait(tx, TICK_NS);
		if (ret != 0 && ret != -ETIMEDOUT)
			break;
	}
	return stop ? 0 : ret;
}

/* The next block of the stage before: wait for it. Returns as next_slot(). */
static int
next_block(struct ferry_rx *rx, struct ferry_msg *msg)
{
	int ret = 0;

	while (!stop && (ret = ferry_rx_recv(rx, msg, 1)) == 0) {
		ret = ferry_rx_wait(rx, TICK_NS);
		if (ret != 0 && ret != -ETIMEDOUT)
			break;
	}
	return stop ? 0 : ret;
}

/* The first stage: build blocks in slots, and pass them on. */
static int
source(struct ferry_endpoint *ep)
{
	uint32_t *sample, i;
	struct ferry_msg msg;
	struct ferry_tx *tx;
	int ret = ferry_tx_open(&tx, ep, "raw", &channel_config);

	if (ret != 0)
		return ret;
	/* Both ends of the channel sleep while they have nothing to do. */
	ferry_tx_set_mode(tx, FERRY_MODE_EFFICIENCY);
	while ((ret = next_slot(tx, &msg)) == 1) {
		sample = msg.data;
		for (i = 0; i < N_SAMPLES; i++)
			sample[i] = n_blocks + i;
		/* The block fills the slot, whose size msg.len already is. */
		ret = ferry_tx_commit(tx, &msg, 1);
		if (ret < 0)
			return ret;
		n_blocks++;
	}
	return ret;
}

/* The middle stage: read a block in one slot, write the result to another. */
static int
filter(struct ferry_endpoint *ep)
{
	struct ferry_msg in, out;
	const uint32_t *from;
	struct ferry_rx *rx;
	struct ferry_tx *tx;
	uint32_t *to, i;
	int ret = ferry_rx_open(&rx, ep, "raw", &channel_config);

	if (ret == 0)
		ret = ferry_tx_open(&tx, ep, "done", &channel_config);
	if (ret != 0)
		return ret;
	ferry_tx_set_mode(tx, FERRY_MODE_EFFICIENCY);
	while ((ret = next_block(rx, &in)) == 1 &&
			(ret = next_slot(tx, &out)) == 1) {
		from = in.data;
		to = out.data;
		for (i = 0; i < N_SAMPLES; i++)
			to[i] = 2 * from[i];
		ret = ferry_tx_commit(tx, &out, 1);
		if (ret < 0)
			return ret;
		/* From here on the source may fill this slot again. */
		ferry_rx_release(rx, &in, 1);
		n_blocks++;
	}
	return ret;
}

/* The last stage: check each block, and print a line once a second. */
static int
sink(struct ferry_endpoint *ep)
{
	const uint32_t *sample;
	struct ferry_msg msg;
	struct ferry_rx *rx;
	time_t told = 0;
	uint32_t i;
	int ret = ferry_rx_open(&rx, ep, "done", &channel_config);

	if (ret != 0)
		return ret;
	printf("sink: ready; now start ./pipeline filter, ./pipeline source\n");
	while ((ret = next_block(rx, &msg)) == 1) {
		sample = msg.data;
		for (i = 0; i < N_SAMPLES; i++)
			if (sample[i] != 2 * (n_blocks + i))
				return -EBADMSG;
		ferry_rx_release(rx, &msg, 1);
		n_blocks++;
		if (time(NULL) != told) {
			told = time(NULL);
			printf("sink: %" PRIu32 " blocks so far\n", n_blocks);
		}
	}
	return ret;
}

/* Unmake the hub. It owns the memory, and therefore ends last. The other
 * stages learn from their channels that the sink has ended. Wait 10 s for
 * them. */
static void
end_hub(struct ferry_hub *hub)
{
	struct ferry_hub_info info;
	int i;

	for (i = 0; i < 1000; i++) {
		ferry_hub_info(hub, &info);
		if (info.endpoints == 0)
			break;
		usleep(10000);
	}
	ferry_hub_destroy(hub);
}

/* What the user can do about an error. */
static const char *
cure(int ret)
{
	switch (ret) {
	case -ENOMEM:
		return "reserve hugepages: echo 64 > /proc/sys/vm/nr_hugepages";
	case -EEXIST:
		return "that stage runs already: end it first";
	case -EBADMSG:
		return "a block is wrong: build all stages of the same main.c";
	default:
		return "start all stages again, the sink first";
	}
}

int
main(int argc, char **argv)
{
	static const struct {
		const char *name;
		int (*run)(struct ferry_endpoint *ep);
		enum ferry_eal_role role;
	} stages[] = {
		{ "source", source, FERRY_EAL_SECONDARY },
		{ "filter", filter, FERRY_EAL_SECONDARY },
		{ "sink", sink, FERRY_EAL_HUB },
	};
	struct ferry_endpoint *ep = NULL;
	struct ferry_hub *hub = NULL;
	struct ferry_eal_args eal;
	int i, ret = 0;

	for (i = 0; i < 3; i++)
		if (argc > 1 && strcmp(argv[1], stages[i].name) == 0)
			break;
	if (i == 3) {
		fprintf(stderr, "pipeline: say which stage this shall be: "
			"pipeline sink|filter|source [EAL options]\n");
		return 1;
	}
	/* argv[1] stands where EAL ignores the name of the program. */
	if (ferry_eal_args(&eal, stages[i].role, argc - 1, argv + 1) != 0 ||
			ferry_eal_init(&eal, stages[i].role) != 0) {
		fprintf(stderr, "pipeline: %s\n", eal.error);
		return 1;
	}
	signal(SIGINT, on_signal);
	signal(SIGTERM, on_signal);
	setvbuf(stdout, NULL, _IOLBF, 0);
	if (stages[i].role == FERRY_EAL_HUB)
		ret = ferry_hub_create(&hub, &hub_config);
	if (ret == 0)
		ret = ferry_attach(&ep, NULL, stages[i].name);
	if (ret == 0)
		ret = stages[i].run(ep);
	/* The stage before, or the one after, has closed its end. */
	if (ret == FERRY_E_CLOSED)
		ret = 0;
	if (ret != 0)
		fprintf(stderr, "pipeline: %s: %s; %s\n", stages[i].name,
			ferry_strerror(ret), cure(ret));
	printf("%s: %" PRIu32 " blocks of 64 KiB\n", stages[i].name, n_blocks);
	ferry_detach(ep);
	if (hub != NULL)
		end_hub(hub);
	ferry_eal_cleanup(&eal, stages[i].role);
	return ret != 0;
}
