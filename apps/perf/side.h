/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PERF_SIDE_H
#define PERF_SIDE_H

/*
 * The two sides of a measurement. The leader decides what is run, measures and
 * sends. The follower receives, and answers where an answer is needed. Each
 * side is one endpoint. They communicate only by ferry channels:
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

/* The kind of work that a job does with messages. */
enum side_kind {
	/* One message at a time goes to the follower and back. */
	SIDE_LATENCY,
	/* Bursts of small messages one way. */
	SIDE_RATE,
	/* Large messages one way. */
	SIDE_STREAM,
	/* Messages one way in one of the channel's modes: see flow.c. */
	SIDE_FLOW,
	/* The same, but each message is consumed before the next is sent. */
	SIDE_SINGLE,
	/* No messages: a DMA device's copies, see device.c. */
	SIDE_DEVICE,
	/* Bulk messages, each received before the next is sent: see bulk.c. */
	SIDE_BULK,
	/* Bulk messages, several of them under way. */
	SIDE_BULK_STREAM,
};

/* How messages travel. */
enum side_wire {
	/* ferry: ferry_tx_send(). */
	WIRE_COPY,
	/* ferry: ferry_tx_loan(), ferry_tx_commit(). */
	WIRE_LOAN,
	/* Bound without a copy. Latency: only a stamp in a cache line. Stream:
	 * the sender only writes the payload where the receiver reads it. */
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
	/* Bound: as WIRE_BARE, but each of the two cores copies one half. */
	WIRE_BARE_TWO,
};

/* Check every word of every message; such a run is not timed. */
#define SIDE_CHECK (1u << 0)
/* A cold case: see pool.h. */
#define SIDE_COLD (1u << 1)
/* The follower sends, too: it has a pool, and perf-back is open. */
#define SIDE_BOTH (1u << 2)
/* No rewriting: the bounds of copying alone. */
#define SIDE_NO_REWRITE (1u << 3)
/* Bulk messages arrive in memory that ferry chooses, not in the ring. */
#define SIDE_OWN (1u << 4)

/* A job: what both sides are to do. */
struct side_job {
	uint32_t kind;
	uint32_t wire;
	uint32_t len;
	uint32_t n_slots;
	/* Index into the list of copy kernels, for WIRE_BARE. */
	uint32_t kernel;
	uint32_t flags;
	/* For SIDE_FLOW and SIDE_SINGLE: enum ferry_mode of the channel. */
	uint32_t mode;
	/* Most posts pending, or bulk messages under way. */
	uint32_t depth;
	/* Bulk messages: by and place of ferry_bulk_options; sizes is an enum
	 * bulk_sizes. */
	uint32_t by;
	uint32_t place;
	uint32_t sizes;
	/* Bulk messages: the receiver reads all bytes, so many at a time; 0: it
	 * does not read them. */
	uint32_t step;
	/* Bytes of a slot of the channel; 0: len. */
	uint32_t slot;
	/* Place of the first bulk message in the rings: see belt.h. */
	uint64_t at;
	/* Bytes of memory for a ring, the same in all cases of a run. */
	uint64_t reserve;
	/* SIDE_SINGLE: nanoseconds that both sides sleep before a message. */
	uint64_t gap_ns;
	/* Number of messages, or of round trips. */
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
	/* Not 0: the follower has received wrong content. */
	uint64_t bad;
	/* Ticks of the time stamp counter in which the follower was busy. */
	uint64_t ticks;
	/* CPU time of the follower's thread and of its process, and that
	 * process's token. */
	uint64_t cpu_ns;
	uint64_t process_ns;
	uint64_t process;
	/* Bytes of bulk messages that the follower copied. */
	uint64_t copied;
};

/* Names of the channels that are measured. */
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

/* Memory for the bounds. One side writes each part, as noted. */
struct side_area {
	/* Leader: the measurement is over, stop spinning. */
	struct side_flag quit;
	/* Follower: it cannot go on, so the leader must not wait for it. */
	struct side_flag failed;
	/* Each side's flag for ping-pong: [0] the leader's. */
	struct side_flag flag[2];
	/* Follower: how many runs it has begun. */
	struct side_flag begun;
	/* Follower: it has rewritten its buffer for this round. */
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
	/* Follower: when it used a message's first byte, and when it had the
	 * last one. Valid once the flag is set. */
	struct {
		uint64_t first;
		uint64_t last;
	} told __rte_aligned(FERRY_APART);
};

/* What the leader measures in a run. */
struct side_slice {
	/* Ticks of the whole run, and of the part that sends. */
	uint64_t ticks;
	uint64_t busy;
	/* Ticks in which the follower was busy, if it reports them. */
	uint64_t peer_ticks;
	/* Not 0: wrong content was received. */
	uint64_t bad;
	/* CPU time. measure.c fills in CPU_ENGINE, because it knows the engine.
	 * All kinds of work have CPU_ALL and rewriting_ns, but not all have the
	 * others. */
	uint64_t cpu_ns[CPU_N];
	/* CPU time in which the sender rewrote buffers; no part of the
	 * above. */
	uint64_t rewriting_ns;
	/* Bulk messages: their bytes; the medians of the ticks until the first
	 * byte was used and until the last byte had arrived; and the bytes that
	 * sender and receiver copied themselves. */
	uint64_t bytes;
	uint64_t first;
	uint64_t last;
	uint64_t copied[2];
	/* Ticks of each round trip, burst, send or one-way trip. */
	struct histogram hist;
};

struct side {
	bool lead;
	struct ferry_endpoint *ep;
	/* The ends of perf-ctl and perf-ack that this side has. The leader
	 * sends commands, the follower answers. */
	struct ferry_tx *ctl_tx;
	struct ferry_rx *ctl_rx;
	struct ferry_tx *area_tx;
	struct ferry_rx *area_rx;
	struct side_area *area;
	/* The measured ends; NULL where this side does not send or receive. */
	struct ferry_tx *tx;
	struct ferry_rx *rx;
	struct pool pool;
	/* The ring of bulk messages, in place of a pool; and the memory of the
	 * rings of all cases. */
	struct belt belt;
	void *ring;
	uint64_t ring_size;
	/* The sender calls this now and then while it waits for a bulk
	 * message. NULL: it does not. */
	void (*sample)(void *arg);
	void *sample_arg;
	/* Number of the next message, the same on both sides. */
	uint64_t seq;
	/* The last message received, and a loan prepared for the next send. */
	struct ferry_msg msg;
	struct ferry_msg loan;
	/* Runs so far, the same number on both sides. */
	uint64_t runs;
	/* Stamps of WIRE_LINE, WIRE_BARE and ready: rounds so far. */
	uint64_t stamp;
	/* Ring indices so far. */
	uint64_t ring_at;
	/* For WIRE_BARE: the slots of tx, which are all on loan and are used in
	 * turn. */
	struct ferry_msg *slots;
	uint32_t n_slots;
	uint32_t slot_at;
	/* For SIDE_DEVICE: the device, which is stopped between runs. */
	int16_t dev;
	/* Copy kernels, libc's memcpy among them. */
	const struct ferry_copy_kernel *kernels[FERRY_COPY_KERNEL_MAX + 1];
	uint32_t n_kernels;
};

/* A signal sets this: the program is to end soon. */
extern volatile sig_atomic_t perf_stop;

/* The slow part of side_spin(). Returns false if the other side will never
 * come. */
bool side_spin_slow(struct side *s);

/*
 * A loop that waits for the other side calls this each time it has found
 * nothing. Returns false if the other side will never come. Does not pause,
 * because on some CPUs a pause takes half as long as what is measured. Yields
 * once in a while, for machines with one CPU.
 */
static __rte_always_inline bool
side_spin(struct side *s, uint32_t *rounds)
{
	if (likely(++*rounds % 16384 != 0))
		return true;
	return side_spin_slow(s);
}

/*
 * Read the time stamp counter after all earlier instructions have been done,
 * because a plain rdtsc overtakes a copy of 4 KiB. (rte_rdtsc_precise() would
 * also wait until the stores have left the core. A sender need not wait for
 * that.)
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

/* A tag counts units of 2^SIDE_TAG_SHIFT ticks, so that its 32 bits wrap only
 * after ten seconds. */
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

/* A wait ends after 100 ms, to see whether the other side still lives. */
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

/* Take all slots of tx on loan, or give them back. Return 0 or negative. */
int side_take_slots(struct side *s);
int side_return_slots(struct side *s);

/*
 * Attach to a hub, and wait some seconds for the other side to do so, too.
 * lead: this is the leader. Returns 0, or negative after one line on stderr.
 */
int side_start(struct side *s, const char *hub, bool lead);
void side_end(struct side *s);
/* Free the memory of the rings. */
void side_ring_free(struct side *s);
/* Leader: make the follower end, whatever it is doing. Before side_end(). */
void side_quit(struct side *s);

/* Bytes of hub memory that both sides need beside the channels of a case. */
uint64_t side_memory(void);

/* Bytes of hub memory that a case's channels take. */
uint64_t side_case_memory(const struct side_job *job);
/* Leader: open and close the channels of a case, on both sides. */
int side_open(struct side *s, const struct side_job *job);
int side_close(struct side *s);
/* Leader: run a job on both sides. Returns 0 or negative. */
int side_run(struct side *s, const struct side_job *job,
		struct side_slice *slice);
/* Follower: carry out the leader's commands until there are no more. Returns 0
 * or negative. */
int side_follow(struct side *s);

#endif /* PERF_SIDE_H */
