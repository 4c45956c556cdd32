/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef FERRY_CHANNEL_LAYOUT_H
#define FERRY_CHANNEL_LAYOUT_H

/**
 * @file
 * What a channel looks like in shared memory.
 *
 *     +-----------------------------+ 0
 *     | struct ferry_channel_shared |  identity, the two ends, cell credits
 *     +-----------------------------+ off_fwd
 *     | rte_ring of ferry_desc      |  published messages   tx ──> rx
 *     +-----------------------------+ off_back
 *     | rte_ring of slot numbers    |  released slots       tx <── rx
 *     +-----------------------------+ off_jobs
 *     | rte_ring of ferry_job       |  copies asked for     tx ──> server
 *     +-----------------------------+ off_out
 *     | rte_ring of ferry_desc      |  copies done          server ──> rx
 *     +-----------------------------+ off_tx_held, off_rx_held
 *     | held tables, one per end    |  which slots that end has in its hands
 *     +-----------------------------+ off_cells
 *     | FERRY_N_CELLS cells         |  messages in a hurry  tx ──> rx
 *     +-----------------------------+ off_bulk
 *     | FERRY_BULK_BLOCKS blocks    |  messages longer than a slot
 *     +-----------------------------+ off_slots
 *     | n_slots slots of stride     |
 *     +-----------------------------+ size
 *
 * A slot's life, and where it is recorded at each stage:
 *
 *       free ──loan──> held by tx ──commit──> in flight ──recv──> held by rx
 *     (back ring)     (tx_held[])      (fwd ring or cell)        (rx_held[])
 *        ^                 └──post──> jobs ──copied──> in flight      │
 *        │                            ring             (out ring)     │
 *        └──────────────────────────release───────────────────────────┘
 *
 * A message that is posted is copied by the channel's server: an engine of the
 * hub, or the producer itself. Its job stays in the job ring until the message
 * is in the out ring: the ring's cons.tail tells the producer how far its jobs
 * are done. Only the server named in ferry_channel_service.server is consumer
 * of the job ring and producer of the out ring.
 *
 * Each table and each ring index has one writer, so no step needs a lock and a
 * death at any instruction leaves every slot recorded somewhere: a step writes
 * the new place before it clears the old one. A slot found in two places is
 * in the ring or cell ("ring wins"), see ferry_channel_census().
 *
 * A message's place in the order is its sequence number. The receiver expects
 * one number. The next message is the one with this number: in the next cell,
 * at the head of the forward ring or of the out ring, or still in the job ring.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
/* For rte_ring.h, which uses ssize_t. */
#include <sys/types.h>

#include <rte_common.h>
#include <rte_ring.h>

#ifdef __cplusplus
extern "C" {
#endif

/** First word of a channel, written last: "FERRYCH" and a zero byte. */
#define FERRY_CHANNEL_MAGIC UINT64_C(0x0048435952524546)
/**
 * Raised when the meaning of a field changes and the layout hash stays the
 * same.
 */
#define FERRY_CHANNEL_VERSION 5
/**
 * Alignment that keeps two writers apart: two cache lines, because the
 * adjacent-line prefetcher of x86 fetches lines in pairs.
 */
#define FERRY_APART 128

/** Longest name of a channel, endpoint or hub, with its final zero. */
#define FERRY_NAME_MAX 48

/** Fewest slots of a channel. */
#define FERRY_SLOTS_MIN 1
/** Most slots of a channel. */
#define FERRY_SLOTS_MAX (UINT32_C(1) << 20)
/** The largest slot, in bytes. */
#define FERRY_SLOT_SIZE_MAX (UINT32_C(1) << 30)

/** Number of cells. One bit each in a 64-bit word of the receiver. */
#define FERRY_N_CELLS 64
/** Longest message that fits a cell. */
#define FERRY_CELL_DATA 112
/** Bulk messages under way at once: see ferry_bulk_layout.h. */
#define FERRY_BULK_BLOCKS 8

/** State of one end. The drawing is in ferry_channel.h. */
enum ferry_end_state {
	/** No endpoint has opened this end yet. */
	FERRY_END_ABSENT = 0,
	/** In use. */
	FERRY_END_OPEN,
	/** Closed by its endpoint; what it sent before is still valid. */
	FERRY_END_CLOSED,
	/** Its process died. */
	FERRY_END_GONE,
	/** The hub died or was shut down. */
	FERRY_END_HUB_GONE,
};

/**
 * One end of a channel. Only that end writes it while the end lives. The hub
 * writes it before the end is opened and after the end's process died.
 */
struct ferry_channel_end {
	/** enum ferry_end_state. */
	uint32_t state;
	/**
	 * Not 0: this end may be asleep, so the thread that gives it work must
	 * ring.
	 */
	uint32_t may_sleep;
	/** Number of its endpoint, which is that of its bell. */
	uint32_t endpoint;
	/**
	 * Epoch of its endpoint; marks the slots that the end holds. Never 0
	 * once opened.
	 */
	uint32_t epoch;
	/**
	 * Number of the endpoint's process in the pid namespace of that
	 * process. It tells where to look for the process and does not identify
	 * it.
	 */
	int32_t pid;
	/**
	 * Not 0: the endpoint has closed this end. The state says so, too,
	 * unless the hub had ended before: state then stays HUB_GONE, and bulk
	 * messages go on between the ends until one of them sets left.
	 */
	uint32_t left;
	/** Token of its endpoint's process. */
	uint64_t process;
	/** Where that process has its token. */
	uint64_t token_at;
} __rte_aligned(FERRY_APART);

/** A published message in the forward ring. */
struct ferry_desc {
	/** Where the payload is. */
	uint32_t slot;
	/** Bytes of payload. */
	uint32_t len;
	/** The application's number. */
	uint32_t tag;
	/** Low 32 bits of the message's sequence number. */
	uint32_t seq;
};

/** A message to be copied by the channel's server. */
struct ferry_job {
	/** Slot that the payload is to be copied to. */
	uint32_t slot;
	/** Bytes of payload. */
	uint32_t len;
	/** The application's number. */
	uint32_t tag;
	/** Low 32 bits of the message's sequence number. */
	uint32_t seq;
	/** Where the payload is, as an address in the hub's process. */
	uint64_t src;
	/** enum ferry_placement. */
	uint32_t place;
	/**
	 * A seal on all fields but tag and place. With it a server in the
	 * producer's own process follows no address that another process wrote
	 * here: see ferry_job_seal().
	 */
	uint32_t seal;
};

/** @name ferry_channel_service.server
 * @{
 */
/** No server carries out the channel's jobs. */
#define FERRY_SERVER_NONE 0
/** The producer carries out its jobs itself. */
#define FERRY_SERVER_SELF 1
/** This number plus that of an engine: the engine carries out the jobs. */
#define FERRY_SERVER_ENGINE 2
/** @} */

/**
 * Which server carries out a channel's jobs, and how. Seldom written, so that
 * the line stays in the caches of all that read it.
 */
struct ferry_channel_service {
	/**
	 * FERRY_SERVER_*. The producer changes it from NONE to SELF and back,
	 * the hub to an engine and from one. Each change from NONE is a
	 * compare-and-exchange, because both may try.
	 */
	uint32_t server;
	/** Not 0: the server does not poll this channel; see ferry_board.h. */
	uint32_t watch;
	/** enum ferry_mode; written by either end. */
	uint32_t mode;
	/**
	 * Not 0: a job could not be carried out. No server will carry out this
	 * job or any after it. The value says why, FERRY_E_CORRUPT or -EIO. The
	 * server stores it when no thread or device reads the payloads any
	 * more.
	 */
	int32_t failed;
	/**
	 * Bulk messages that the server may help with, a bit each. The end that
	 * completes the block sets the bit, the producer clears it.
	 */
	uint32_t bulk;
} __rte_aligned(FERRY_APART);

/** A wish this far ahead of the index that it names asks for no wake-up. */
#define FERRY_WISH_NONE (UINT32_C(1) << 30)

/**
 * What a sleeping producer waits for, so that it is not woken for less. The
 * producer writes it before it arms its bell. The consumer and the server read
 * it after a fence that follows their work. The producer's fence and theirs are
 * ordered one way or the other, as those of ferry_bell.h.
 */
struct ferry_channel_wish {
	/** Wake the producer when the job ring's cons.tail has come so far. */
	uint32_t jobs;
	/** Wake the producer when the back ring's prod.tail has come so far. */
	uint32_t slots;
} __rte_aligned(FERRY_APART);

/** @cond internal */
/**
 * Write a descriptor to its place in a ring. The slot is stored atomically,
 * because the hub's census may be reading it.
 *
 * @param to
 *   The place.
 * @param desc
 *   The descriptor.
 */
static inline void
ferry_desc_put(struct ferry_desc *to, const struct ferry_desc desc)
{
	__atomic_store_n(&to->slot, desc.slot, __ATOMIC_RELAXED);
	to->len = desc.len;
	to->tag = desc.tag;
	to->seq = desc.seq;
}
/** @endcond */

/** Set in ferry_cell.len: the payload is in a slot, whose number is in data. */
#define FERRY_CELL_SLOT (UINT32_C(1) << 31)
/** Set in ferry_cell.len: data is a struct ferry_bulk_note. */
#define FERRY_CELL_BULK (UINT32_C(1) << 30)

/**
 * A message that does not travel in a ring: a tiny one with its payload, or the
 * descriptor of a slot. The receiver gets it with one line transfer where a
 * ring takes two in a row, tail and element. A payload of more than 48 bytes
 * takes a second line. The receiver fetches that line while it polls the first.
 */
struct ferry_cell {
	/** ferry_cell_stamp() of the cell's and message's number; stored
	 * last. */
	uint64_t stamp;
	/**
	 * Bytes of payload; FERRY_CELL_SLOT is set if the payload is in a slot.
	 */
	uint32_t len;
	/** The application's number. */
	uint32_t tag;
	/** The payload, or the number of its slot. */
	uint8_t data[FERRY_CELL_DATA];
} __rte_aligned(FERRY_APART);

/** @cond internal */
/**
 * The stamp of the cell-th cell filled, when it holds the seq-th message. A
 * stamp of an earlier lap differs in its upper half, however often the numbers
 * have wrapped, because its cell number is FERRY_N_CELLS smaller.
 *
 * @param cell
 *   How many cells were filled before this one.
 * @param seq
 *   The message's sequence number.
 * @return
 *   The cell's number, from 1 up, in the upper half; seq in the lower half.
 */
static inline uint64_t
ferry_cell_stamp(uint64_t cell, uint64_t seq)
{
	return (cell + 1) << 32 | (uint32_t)seq;
}
/** @endcond */

/** Head of a channel. Offsets are from its own start. */
struct ferry_channel_shared {
	/** FERRY_CHANNEL_MAGIC; stored last (release) when all else is set. */
	uint64_t magic;
	/** FERRY_CHANNEL_VERSION of the build that made it. */
	uint32_t version;
	/** ferry_channel_layout_hash() of the build that made it. */
	uint32_t layout;
	/** Bytes of the whole channel. */
	uint64_t size;
	/** Unique for this hub's life. */
	uint64_t id;
	/** Bytes that fit into a slot: the longest message. */
	uint32_t slot_size;
	/** How many slots there are. */
	uint32_t n_slots;
	/** Bytes from one slot to the next. */
	uint64_t stride;
	/** Forward ring, of struct ferry_desc. */
	uint64_t off_fwd;
	/** Back ring, of slot numbers. */
	uint64_t off_back;
	/** Job ring, of struct ferry_job. */
	uint64_t off_jobs;
	/** Out ring, of struct ferry_desc. */
	uint64_t off_out;
	/**
	 * The producer's held table: for each slot the producer's mark, or 0.
	 */
	uint64_t off_tx_held;
	/** The consumer's held table. */
	uint64_t off_rx_held;
	/** The cells. */
	uint64_t off_cells;
	/** The blocks of bulk messages. */
	uint64_t off_bulk;
	/** The slots. */
	uint64_t off_slots;
	/** The channel's name. */
	char name[FERRY_NAME_MAX];

	/** The producer's end. */
	struct ferry_channel_end tx;
	/** The consumer's end. */
	struct ferry_channel_end rx;

	/** Which server carries out the producer's jobs. */
	struct ferry_channel_service service;
	/** What the producer sleeps for. */
	struct ferry_channel_wish wish;

	/** Cells the receiver has given back. Written by rx, read by tx. */
	uint64_t cells_freed __rte_aligned(FERRY_APART);
	/** Cells the receiver has taken. Written by rx, read by the census. */
	uint64_t cells_taken;
} __rte_aligned(FERRY_APART);

/** What the two ends agree on before a channel exists. */
struct ferry_channel_config {
	/**
	 * Longest message in bytes, at most FERRY_SLOT_SIZE_MAX. 0: what the
	 * channel has if it exists, otherwise FERRY_SLOT_SIZE_DEFAULT.
	 */
	uint32_t slot_size;
	/**
	 * Messages that can be under way at once, at most FERRY_SLOTS_MAX.
	 * 0: what the channel has if it exists, otherwise
	 * FERRY_N_SLOTS_DEFAULT.
	 */
	uint32_t n_slots;
};

/** Slot size if the configuration says 0. */
#define FERRY_SLOT_SIZE_DEFAULT 65536
/** Number of slots if the configuration says 0. */
#define FERRY_N_SLOTS_DEFAULT 64

/**
 * Bytes of hub memory that a channel takes. Zeros in config mean the defaults.
 *
 * @param config
 *   What the channel shall be like.
 * @return
 *   A multiple of FERRY_APART, or 0 if config is out of range.
 */
uint64_t ferry_channel_memory(const struct ferry_channel_config *config);

/** Where a channel's slots are. The numbers add up to n_slots. */
struct ferry_channel_census {
	/** In the back ring. */
	uint32_t free;
	/** In the producer's hands, loaned or not. */
	uint32_t tx_held;
	/** In the forward or out ring, or in cells. */
	uint32_t in_flight;
	/** In the job ring: to be copied, or being copied. */
	uint32_t jobs;
	/** In the consumer's hands. */
	uint32_t rx_held;
	/** Recorded nowhere. Above 0 only in corrupt memory. */
	uint32_t lost;
};

#ifdef __cplusplus
}
#endif

#endif /* FERRY_CHANNEL_LAYOUT_H */
