/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef FUZZ_LIVE_H
#define FUZZ_LIVE_H

/**
 * @file
 * A living channel for fuzz targets: both its ends and an engine are in this
 * process. The channel's memory begins behind poisoned bytes and ends at a page
 * without access. An input is a list of operations. Some of them are scribbles:
 * they write the input's bytes into memory that another process could write.
 *
 * The ends take each other for strangers. Neither uses the other's addresses
 * unchecked, as if they were in processes of their own.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "ferry_bulk.h"
#include "ferry_channel.h"
#include "fuzz.h"
#include "chan_rig.h"

#define LIVE_SLOT 4096
#define LIVE_SLOTS 4
/** Operations of one input. */
#define LIVE_OPS 200
/** Most messages that the consumer holds. */
#define LIVE_HELD 16
/** Bytes of memory that ends and engine share: sources of messages, then
 * destinations. */
#define LIVE_AREA (UINT64_C(512) << 10)

/** Parts of the memory that other processes could write: see
 * live_scribble(). */
enum live_part {
	LIVE_HEAD,
	LIVE_TX,
	LIVE_RX,
	LIVE_SERVICE,
	LIVE_WISH,
	LIVE_CREDITS,
	LIVE_FWD,
	LIVE_BACK,
	LIVE_JOBS,
	LIVE_OUT,
	LIVE_TX_HELD,
	LIVE_RX_HELD,
	LIVE_CELLS,
	LIVE_BLOCKS,
	LIVE_GRANTS,
	LIVE_SLOTS_PART,
	LIVE_BELLS,
	LIVE_BOARDS,
	LIVE_PARTS,
};

#define LIVE_BIT(part) (UINT32_C(1) << (part))
/** The parts that one end writes and the other reads. */
#define LIVE_ENDS (LIVE_BIT(LIVE_TX) | LIVE_BIT(LIVE_RX) | \
	LIVE_BIT(LIVE_SERVICE) | LIVE_BIT(LIVE_WISH) | LIVE_BIT(LIVE_CREDITS))
#define LIVE_ALL (LIVE_BIT(LIVE_PARTS) - 1)

struct live {
	struct rig rig;
	struct rig_engine engine;
	bool served;
	/* The channel's head as it was made. */
	struct ferry_channel_shared head;
	uint8_t *area;
	uint64_t area_used;
	/* Private memory: only process_vm_readv() reaches it. */
	uint8_t *own;
	/* Messages that the consumer holds. */
	struct ferry_msg held[LIVE_HELD];
	uint32_t n_held;
};

/** Make a channel and open both its ends. Each call gives an equal one. */
struct live *live_begin(void);

/** Have the engine serve the channel, or leave it. */
void live_serve(struct live *l);
void live_leave(struct live *l);

/**
 * Write bytes of the input into one of the parts that are set in parts
 * (LIVE_BIT()).
 */
void live_scribble(struct live *l, struct fuzz_in *in, uint32_t parts);

/** Receive up to n messages, check where they are, and hold them. */
void live_receive(struct live *l, uint32_t n);

/** Release a held message. The input says which one. */
void live_release(struct live *l, struct fuzz_in *in);

/**
 * Close both ends. That must end soon, whatever was written. The input says in
 * which order they are closed, and whether the hub has told the first one
 * before that the other one died.
 */
void live_end(struct live *l, struct fuzz_in *in);

/** Check that a result is a count up to most, or a documented error. */
#define live_check_result(ret, most) do { \
	const int64_t ret_ = (ret); \
	fuzz_check(ret_ >= 0 ? ret_ <= (int64_t)(most) : \
		live_documented((int)ret_)); \
} while (0)

bool live_documented(int result);

#endif /* FUZZ_LIVE_H */
