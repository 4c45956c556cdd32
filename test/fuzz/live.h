/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef FUZZ_LIVE_H
#define FUZZ_LIVE_H

/**
 * @file
 * A living channel for fuzz targets: both its ends and an engine are in this
 * process, on memory that begins behind poisoned bytes and ends at a page
 * without access. An input is a list of operations; some of them are scribbles,
 * which write what the input says somewhere into what others can write.
 *
 * The ends take each other for strangers: neither believes the other's
 * addresses, as if they were in processes of their own.
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
/** Memory that all share: sources of messages, then destinations. */
#define LIVE_AREA (UINT64_C(512) << 10)

/** Parts of what others can write; see live_scribble(). */
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
/** What the ends write for each other. */
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
	/* Not shared: reached by process_vm_readv() only. */
	uint8_t *own;
	/* What the consumer holds. */
	struct ferry_msg held[LIVE_HELD];
	uint32_t n_held;
};

/** A channel with both ends open; the same one each time. */
struct live *live_begin(void);

/** Have the engine serve it, or no more. */
void live_serve(struct live *l);
void live_leave(struct live *l);

/**
 * Write what the input says into one of the parts of a set of LIVE_BIT().
 */
void live_scribble(struct live *l, struct fuzz_in *in, uint32_t parts);

/** Receive up to n messages, check where they are, and hold them. */
void live_receive(struct live *l, uint32_t n);

/** Give back one that is held; the input says which. */
void live_release(struct live *l, struct fuzz_in *in);

/**
 * Close both ends, which must end soon whatever was written. The input says in
 * which order, and whether the hub has said before that the other one died.
 */
void live_end(struct live *l, struct fuzz_in *in);

/** A result must be a count up to most, or one of those documented. */
#define live_check_result(ret, most) do { \
	const int64_t ret_ = (ret); \
	fuzz_check(ret_ >= 0 ? ret_ <= (int64_t)(most) : \
		live_documented((int)ret_)); \
} while (0)

bool live_documented(int result);

#endif /* FUZZ_LIVE_H */
