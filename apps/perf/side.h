/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PERF_SIDE_H
#define PERF_SIDE_H

/*
 * The two sides of a measurement. The leader decides what is run, measures and
 * sends; the follower receives, and answers where there is something to answer.
 * Each is one endpoint. They meet in ferry channels and nowhere else:
 *
 *     perf-ctl    leader -> follower   struct side_cmd
 *     perf-ack    follower -> leader   struct side_ack
 *     perf-area   leader -> follower   one message that the follower keeps:
 *                                      struct side_area, for the bounds
 *     perf-fwd    leader -> follower   what is measured, made for each case
 *     perf-back   follower -> leader   likewise, where there are answers
 */

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

#include <rte_atomic.h>
#include <rte_common.h>
#include <rte_cycles.h>
#include <rte_pause.h>

#include "belt.h"
#include "cpu_time.h"
#include "ferry_copy_kernel.h"
#include "ferry_endpoint.h"
#include "histogram.h"
#include "pool.h"

/* What is done with messages. */
enum side_kind {
	/* One message to and fro at a time. */
	SIDE_LATENCY,
	/* Bursts of small messages one way. */
	SIDE_RATE,
	/* Large messages one way. */
	SIDE_STREAM,
	/* Messages one way in one of the channel's modes: see flow.c. */
	SIDE_FLOW,
	/* The same, each consumed before the next is sent. */
	SIDE_SINGLE,
	/* No messages: a DMA device's copies, see device.c. */
	SIDE_DEVICE,
	/* Bulk messages, each received before the next is sent: see bulk.c. */
	SIDE_BULK,
	/* Several of them under way. */
	SIDE_BULK_STREAM,
};

/* How messages travel. */
enum side_wire {
	/* ferry: ferry_tx_send(). */
	WIRE_COPY,
	/* ferry: ferry_tx_loan(), ferry_tx_commit(). */
	WIRE_LOAN,
	/* Bound of what is not copied: only a stamp in a cache line (latency),
	 * only writing the payload where it shall be read (stream). */
	WIRE_LINE,
	/* Bound: the least code that copies the payload. Of SIDE_DEVICE:
	 * rte_dma alone. */
	WIRE_BARE,
	/* ferry: ferry_tx_post(). */
	WIRE_POST,
	/* SIDE_DEVICE: through a lane of ferry's. */
	WIRE_LANE,
	/* ferry: ferry_bulk_send(). */
	WIRE_BULK,
	/* Bound: WIRE_BARE by both cores, half each. */
	WIRE_BARE_TWO,
};

/* Check every word of every message; such a run is not timed. */
#define SIDE_CHECK (1u << 0)
/* A cold case: see pool.h. */
#define SIDE_COLD (1u << 1)
/* The follower sends, too: it gets a pool, and there is perf-back. */
#define SIDE_BOTH (1u << 2)
/* No rewriting: the bounds of copying alone. */
#define SIDE_NO_REWRITE (1u << 3)
/* Bulk messages arrive in memory that ferry chooses, not in the ring. */
#define SIDE_OWN (1u << 4)

/* What both sides are to do. */
struct side_job {
	uint32_t kind;
	uint32_t wire;
	uint32_t len;
	uint32_t n_slots;
	/* Index into the list of copy kernels, for WIRE_BARE. */
	uint32_t kernel;
	uint32_t flags;
	/* enum ferry_mode of the channel: of SIDE_FLOW and SIDE_SINGLE. */
	uint32_t mode;
	/* Most posts pending, or bulk messages under way. */
	uint32_t depth;
	/* Bulk messages: as in ferry_bulk_options; enum bulk_sizes. */
	uint32_t by;
	uint32_t place;
	uint32_t sizes;
	/* The receiver reads all of them, so many bytes at once; 0: no. */
	uint32_t step;
	/* Bytes of a slot of the channel; 0: len. */
	uint32_t slot;
	/* Where in the rings the first one is: see belt.h. */
	uint64_t at;
	/* Bytes of memory for a ring, the same in all cases of a run. */
	uint64_t reserve;
	/* Nanoseconds that all sleep before a message of SIDE_SINGLE. */
	uint64_t gap_ns;
	/* Messages, or round trips. */
	uint64_t n;
	/* Bytes of each side's pool, or ring of bulk messages. */
	uint64_t pool;
	/* Number of the first message. */
	uint64_t seq;
};

enum side_op {
	SIDE_OPEN,
	SIDE_RUN,
	SIDE_CLOSE,
};

struct side_cmd {
	uint64_t op;
	struct side_job job;
};

struct side_ack {
	int64_t result;
	/* Not 0: something was received that had not been sent. */
	uint64_t bad;
	/* Time stamp counter ticks the follower was busy for. */
	uint64_t ticks;
	/* CPU time of the follower's thread, and of its process, of which this
	 * is the token. */
	uint64_t cpu_ns;
	uint64_t process_ns;
	uint64_t process;
	/* Bytes of bulk messages that the follower copied. */
	uint64_t copied;
};

/* Names of what is measured. */
#define SIDE_FORWARD "perf-fwd"
#define SIDE_BACK "perf-back"
/* Elements of the bare ring; also the slots of the channel beside it. */
#define SIDE_RING 512
/* Messages of a burst. */
#define SIDE_BURST 32

/* A cache line that one side writes and the other one spins on. */
struct side_flag {
	uint64_t stamp;
	void *data;
} __rte_aligned(FERRY_APART);

/* Memory for the bounds. Written by one side each, as noted. */
struct side_area {
	/* Leader: all is over, stop spinning. */
	struct side_flag quit;
	/* Follower: cannot go on, do not wait for it. */
	struct side_flag failed;
	/* Each side's flag for ping-pong: [0] the leader's. */
	struct side_flag flag[2];
	/* Follower: has begun so many runs. */
	struct side_flag begun;
	/* Follower: has rewritten its buffer for this round. */
	struct side_flag ready;
	/* The bare ring's indices: leader's, follower's. */
	struct side_flag head;
	struct side_flag tail;
	struct {
		uint64_t words[8];
	} __rte_cache_aligned ring[SIDE_RING];
	/* Follower: ticks from each message's stamp to its receipt. */
	struct histogram times;
	/* Each side's ring of bulk messages: [0] the leader's. */
	struct side_flag belt[2];
	/* Follower: when it used a message's first byte, and had the last one;
	 * valid once its flag is set. */
	struct {
		uint64_t first;
		uint64_t last;
	} told __rte_aligned(FERRY_APART);
};

/* What the leader takes from a run. */
struct side_slice {
	/* Ticks of the whole run, and of the part that sends. */
	uint64_t ticks;
	uint64_t busy;
	/* The same of the follower, if it tells. */
	uint64_t peer_ticks;
	/* Not 0: wrong content was received. */
	uint64_t bad;
	/* CPU time; CPU_ENGINE is left to who knows the engine. Only CPU_ALL
	 * and rewriting_ns are of all kinds. */
	uint64_t cpu_ns[CPU_N];
	/* CPU time of the sender that is no part of these: its rewriting. */
	uint64_t rewriting_ns;
	/* Of bulk messages: their bytes, medians of their ticks until the first
	 * byte was used and until the last one was there, and what sender and
	 * receiver copied themselves. */
	uint64_t bytes;
	uint64_t first;
	uint64_t last;
	uint64_t copied[2];
	/* Ticks of each round trip, burst or send; of a message's way. */
	struct histogram hist;
};

struct side {
	bool lead;
	struct ferry_endpoint *ep;
	/* Commands: tx is the leader's, rx the follower's; ack likewise. */
	struct ferry_tx *ctl_tx;
	struct ferry_rx *ctl_rx;
	struct ferry_tx *area_tx;
	struct ferry_rx *area_rx;
	struct side_area *area;
	/* What is measured; NULL where this side does not send or receive. */
	struct ferry_tx *tx;
	struct ferry_rx *rx;
	struct pool pool;
	/* Where bulk messages are, instead; and memory for all such rings. */
	struct belt belt;
	void *ring;
	uint64_t ring_size;
	/* Called now and then by who waits for one to be sent; or NULL. */
	void (*sample)(void *arg);
	void *sample_arg;
	/* Number of the next message, the same on both sides. */
	uint64_t seq;
	/* The last message received, and a loan prepared for the next send. */
	struct ferry_msg msg;
	struct ferry_msg loan;
	/* Runs so far, of both sides. */
	uint64_t runs;
	/* Stamps of WIRE_LINE, WIRE_BARE and ready: rounds so far. */
	uint64_t stamp;
	/* Ring indices so far. */
	uint64_t ring_at;
	/* For WIRE_BARE: slots of tx, all on loan, used in turn. */
	struct ferry_msg *slots;
	uint32_t n_slots;
	uint32_t slot_at;
	/* For SIDE_DEVICE: the device, stopped. */
	int16_t dev;
	/* Copy kernels, libc's memcpy among them. */
	const struct ferry_copy_kernel *kernels[FERRY_COPY_KERNEL_MAX + 1];
	uint32_t n_kernels;
};

/* Set by signals: end soon. */
extern volatile sig_atomic_t perf_stop;

/* The slow part of side_spin(): false if it is of no use to go on. */
bool side_spin_slow(struct side *s);

/*
 * To be called by every loop that waits for the other side, each time it found
 * nothing: false if the other side will never come. Does not pause: on some
 * CPUs that takes half as long as what is measured. Once in a while it yields,
 * for machines with one CPU.
 */
static __rte_always_inline bool
side_spin(struct side *s, uint32_t *rounds)
{
	if (likely(++*rounds % 16384 != 0))
		return true;
	return side_spin_slow(s);
}

/*
 * The time, once everything before has been done: a plain rdtsc overtakes a
 * copy of 4 KiB. (rte_rdtsc_precise() also waits for the stores to leave the
 * core, which nobody has to who sends.)
 */
static inline uint64_t
side_now(void)
{
	uint64_t tsc;

	rte_rmb();
	tsc = rte_rdtsc();
	rte_rmb();
	return tsc;
}

/* Ticks of a tag's unit, as a shift: 32 bits then wrap after ten seconds. */
#define SIDE_TAG_SHIFT 3

/* The time, for a message's tag. */
static inline uint32_t
side_stamp(void)
{
	return (uint32_t)(rte_rdtsc() >> SIDE_TAG_SHIFT);
}

/* Ticks since a stamp. */
static inline uint64_t
side_ticks_since(uint32_t then)
{
	return (uint64_t)(uint32_t)(side_stamp() - then) << SIDE_TAG_SHIFT;
}

/* Waits end so often to see whether the other side still lives: 100 ms. */
#define SIDE_LOOK_NS UINT64_C(100000000)

static __rte_always_inline void
side_copy(const struct side *s, const struct side_job *job, void *dst,
		const void *src)
{
	s->kernels[job->kernel]->copy(dst, src, job->len);
}

/* The slot after the one last given. */
static __rte_always_inline void *
side_next_slot(struct side *s)
{
	void *slot = s->slots[s->slot_at].data;

	if (++s->slot_at == s->n_slots)
		s->slot_at = 0;
	return slot;
}

/* Take all slots of tx on loan, and give them back. 0 or negative. */
int side_take_slots(struct side *s);
int side_return_slots(struct side *s);

/*
 * Leader: attach to a hub and meet the follower (within seconds). Follower:
 * the same from the other end. 0 or negative after one line on stderr.
 */
int side_start(struct side *s, const char *hub, bool lead);
void side_end(struct side *s);
/* Give the memory of rings back. */
void side_ring_free(struct side *s);
/* Leader: make the follower end, whatever it is doing. Before side_end(). */
void side_quit(struct side *s);

/* Bytes of hub memory beside the channels of a case. */
uint64_t side_memory(void);

/* Bytes of hub memory that a case's channels take. */
uint64_t side_case_memory(const struct side_job *job);
/* Leader: open and close the channels of a case, on both sides. */
int side_open(struct side *s, const struct side_job *job);
int side_close(struct side *s);
/* Leader: run a job on both sides. 0 or negative. */
int side_run(struct side *s, const struct side_job *job,
		struct side_slice *slice);
/* Follower: do what the leader says until it is done. 0 or negative. */
int side_follow(struct side *s);

#endif /* PERF_SIDE_H */
