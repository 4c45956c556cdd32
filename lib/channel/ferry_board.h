/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef FERRY_BOARD_H
#define FERRY_BOARD_H

/**
 * @file
 * An engine's board: where producers tell the engine that a channel has work.
 * The engine does not look at such a channel by itself. So an engine's cost
 * grows with the channels that are active, not with those that exist.
 *
 * Engine and producer agree by the channel's word service.watch:
 *
 *                engine: quiet for a while (E1)
 *        POLLED ------------------------------> WATCHED
 *           ^    engine: found a job all the       |
 *           |    same (E3, E4)                     |
 *           +--------------------------------------+
 *                producer: posts (P3 to P6), and the engine finds the bit
 *
 *     producer                            engine
 *     P1  publish the job, release        E1  watch = 1, release
 *     P2  fence, seq_cst                  E2  fence, seq_cst
 *     P3  load watch, relaxed; if 1:      E3  look at the job ring, acquire
 *     P4  exchange watch with 0, acquire  E4  a job: exchange watch with 0 and
 *     P5  look up the server, set the         go on polling; none: drop the
 *         bit on its board, release           channel from those polled
 *     P6  ring the board's bell
 *
 * Either end tells of a bulk message to help with in the same way: the
 * message's bit in service.bulk is the job (A in ferry_bulk_layout.h).
 *
 * P2 and E2 are ordered one way or the other: either E3 sees the job, or P3
 * sees the 1. P4 and E4 may both happen; then the bit makes the engine look
 * once for nothing. The engine sleeps on the bell with "is there a bit" as its
 * re-check. test/models/engine_idle.pml proves this. engine_move.pml proves two
 * more things. P5 looks the server up after P4, so that no wake-up is lost when
 * the channel moves between engines. A new engine looks at the job ring
 * whatever watch says.
 *
 * Bits are set and taken by atomic read-modify-writes, without a lock, so that
 * a producer may die between any two steps. A producer that died between P4 and
 * P5 has hidden its job. The hub learns of the death, has the job carried out,
 * and shouts at the bells that the dead producer may have silenced.
 */

#include <stdint.h>

#include "ferry_bell.h"
#include "ferry_channel_layout.h"
#include "ferry_end.h"

#ifdef __cplusplus
extern "C" {
#endif

/** A board. It lies in shared memory. Each engine has one. */
struct ferry_board {
	/** The bell that the engine sleeps on. */
	struct ferry_bell bell;
	/** The engine's open lanes beside its core. Written by the engine. */
	uint32_t devices;
	/**
	 * The engine's core helps with bulk messages, too. Written by the
	 * engine.
	 */
	uint32_t worker;
	/**
	 * Summary words first, a bit for each word of bits that may not be 0;
	 * then the words, a bit for each channel.
	 */
	uint64_t words[] __rte_cache_aligned;
};

/**
 * Words for so many bits.
 *
 * @param bits
 *   How many bits.
 * @return
 *   How many words.
 */
static inline uint32_t
ferry_board_words(uint32_t bits)
{
	return (uint32_t)((bits + UINT64_C(63)) / 64);
}
/**
 * Bytes of a board.
 *
 * @param n_channels
 *   Channels are numbered from 0 to n_channels - 1.
 * @return
 *   A multiple of the cache line.
 */
static inline uint64_t
ferry_board_size(uint32_t n_channels)
{
	const uint64_t words = ferry_board_words(n_channels);

	return RTE_ALIGN_CEIL(sizeof(struct ferry_board) + (words +
			ferry_board_words((uint32_t)words)) * sizeof(uint64_t),
			(uint64_t)RTE_CACHE_LINE_SIZE);
}

/**
 * Make a board.
 *
 * @param board
 *   Zeroed memory of ferry_board_size() bytes.
 */
static inline void
ferry_board_init(struct ferry_board *board)
{
	ferry_bell_init(&board->bell);
}

/**
 * Tell the engine to look at a channel: P5 and P6. Any thread.
 *
 * @param board
 *   The engine's board.
 * @param n_channels
 *   As the board was made. The number is not read from the board.
 * @param number
 *   The channel's number; what is out of range is ignored.
 */
static inline void
ferry_board_post(struct ferry_board *board, uint32_t n_channels,
		uint32_t number)
{
	const uint32_t word = number / 64;
	const uint32_t n_words = ferry_board_words(n_channels);
	uint64_t *words = board->words;

	if (unlikely(number >= n_channels))
		return;
	/* The bit before its summary: B pairs with B in ferry_board_take(). */
	__atomic_fetch_or(&words[ferry_board_words(n_words) + word],
			UINT64_C(1) << number % 64, __ATOMIC_RELEASE);
	__atomic_fetch_or(&words[word / 64], UINT64_C(1) << word % 64,
			__ATOMIC_RELEASE);
	ferry_bell_ring(&board->bell);
}

/**
 * The board of the engine that serves a channel.
 *
 * @param ch
 *   The channel.
 * @param boards
 *   The boards of the channel's hub.
 * @return
 *   The board; NULL if no engine does.
 */
static inline struct ferry_board *
ferry_board_of(const struct ferry_channel_shared *ch,
		const struct ferry_boards *boards)
{
	const uint32_t board = __atomic_load_n(&ch->service.server,
			__ATOMIC_ACQUIRE) - FERRY_SERVER_ENGINE;

	return board < boards->n ? (struct ferry_board *)RTE_PTR_ADD(
			boards->base, board * boards->size) : NULL;
}

/**
 * Tell the engine that serves a channel, if one does, to look at it.
 *
 * @param ch
 *   The channel.
 * @param boards
 *   The boards of the channel's hub.
 */
static inline void
ferry_board_tell(const struct ferry_channel_shared *ch,
		const struct ferry_boards *boards)
{
	struct ferry_board *board = ferry_board_of(ch, boards);

	if (board != NULL)
		ferry_board_post(board, boards->n_channels, boards->number);
}

/**
 * Tell the channel's server of work just published: P2 to P6.
 *
 * @param ch
 *   The channel.
 * @param boards
 *   The boards of the channel's hub.
 */
static inline void
ferry_board_announce(struct ferry_channel_shared *ch,
		const struct ferry_boards *boards)
{
	/* P2: the work becomes visible before this thread loads watch. */
	rte_atomic_thread_fence(__ATOMIC_SEQ_CST);
	/* P3, P4: pairs with the release of E1, so that the server looked up
	 * below is the one that asked, or a later one. */
	if (likely(__atomic_load_n(&ch->service.watch,
				__ATOMIC_RELAXED) == 0) ||
			__atomic_exchange_n(&ch->service.watch, 0,
				__ATOMIC_ACQUIRE) == 0)
		return;
	/* P5, P6. If no engine serves the channel any more, the engine that
	 * left it has seen the work. */
	ferry_board_tell(ch, boards);
}

/**
 * Whether an end has posted. The engine's re-check before it sleeps.
 *
 * @param board
 *   The engine's board.
 * @param n_channels
 *   As the board was made. The number is not read from the board.
 * @return
 *   Whether ferry_board_take() would find something.
 */
static inline bool
ferry_board_any(const struct ferry_board *board, uint32_t n_channels)
{
	const uint32_t n = ferry_board_words(ferry_board_words(n_channels));
	uint32_t i;

	for (i = 0; i < n; i++)
		if (__atomic_load_n(&board->words[i], __ATOMIC_ACQUIRE) != 0)
			return true;
	return false;
}

/**
 * Take the numbers posted, and call fn for each. The engine's thread only.
 *
 * @param board
 *   The engine's board.
 * @param n_channels
 *   As the board was made. The number is not read from the board.
 * @param fn
 *   Called with each number.
 * @param arg
 *   For fn.
 */
static inline void
ferry_board_take(struct ferry_board *board, uint32_t n_channels,
		void (*fn)(void *arg, uint32_t number), void *arg)
{
	const uint32_t n_words = ferry_board_words(n_channels);
	const uint32_t n = ferry_board_words(n_words);
	uint64_t summary, bits;
	uint32_t i, word;

	for (i = 0; i < n; i++) {
		if (__atomic_load_n(&board->words[i], __ATOMIC_RELAXED) == 0)
			continue;
		/* B: the summary first, so that a later bit comes with a
		 * summary that is still to be seen. */
		summary = __atomic_exchange_n(&board->words[i], 0,
				__ATOMIC_ACQUIRE);
		for (; summary != 0; summary &= summary - 1) {
			word = i * 64 + (uint32_t)__builtin_ctzll(summary);
			if (word >= n_words)
				break;
			bits = __atomic_exchange_n(&board->words[n + word], 0,
					__ATOMIC_ACQUIRE);
			for (; bits != 0; bits &= bits - 1)
				fn(arg, word * 64 +
					(uint32_t)__builtin_ctzll(bits));
		}
	}
}

#ifdef __cplusplus
}
#endif

#endif /* FERRY_BOARD_H */
