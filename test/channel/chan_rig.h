/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CHAN_RIG_H
#define CHAN_RIG_H

/**
 * @file
 * A channel with both its ends in one process, without EAL or hub. The
 * channel's memory ends where a page without access begins, so that a test
 * that reads or writes beyond the channel dies at once. Include after cmocka.h.
 */

#include <stdint.h>

#include "ferry_channel_attach.h"
#include "ferry_channel_memory.h"
#include "ferry_copier.h"
#include "ferry_process.h"
#include "ferry_server.h"

#define RIG_TX 1
#define RIG_RX 2
#define RIG_BELLS 4
#define RIG_EPOCH 7

struct rig {
	struct ferry_channel_shared *ch;
	/* The two ends; NULL once stopped. */
	struct ferry_tx *tx;
	struct ferry_rx *rx;
	/* RIG_BELLS bells, in shared memory as the channel is. */
	struct ferry_bell *bells;
	struct ferry_copier copier;
	/* The producer's own server; unused if its room is 0. */
	struct ferry_server own;
	/* Boards for the engines of the rig, or none. */
	struct ferry_boards boards;
	/* Memory functions of both ends. They take memory from the heap. They
	 * say that all memory is shared, because both ends are in one
	 * process. */
	struct ferry_channel_memory memory;
	/* Pieces of memory that were not given back, and holds that were not
	 * ended. */
	uint32_t n_pieces;
	int32_t n_holds;
	/* The mapping: bells, channel, guard page. */
	uint8_t *map;
	size_t map_size;
};

/** Map size bytes of shared memory that end at a guard page. The memory is not
 * formatted. */
void *rig_map(struct rig *rig, uint64_t size);
void rig_unmap(struct rig *rig);

/** Map and format a channel. Neither end is open. */
void rig_make(struct rig *rig, uint32_t slot_size, uint32_t n_slots);

/** rig_make(), then open both ends. */
void rig_start(struct rig *rig, uint32_t slot_size, uint32_t n_slots);

/** Stop both ends, and free all memory of the rig. */
void rig_stop(struct rig *rig);

/** rig_start(), with a server and n_boards boards for the producer. */
void rig_start_post(struct rig *rig, uint32_t slot_size, uint32_t n_slots,
		uint32_t n_boards);

/** An engine beside the rig: a server with a copier and board i of the rig. */
struct rig_engine {
	struct ferry_copier copier;
	struct ferry_server server;
	uint32_t word;
};

void rig_engine_make(struct rig *rig, struct rig_engine *e, uint32_t i);
void rig_engine_free(struct rig_engine *e);

/** Have the engine serve the rig's channel, which must have no server. Returns
 * what ferry_server_add() returns. */
int rig_serve(struct rig *rig, struct rig_engine *e);

/** Have the engine leave the channel, after it has ended the channel's jobs
 * that its copier has. */
void rig_leave(struct rig *rig, struct rig_engine *e);

/** What the hub would hand to an endpoint that opens an end. */
struct ferry_channel_attach rig_attach(struct rig *rig, uint32_t endpoint);

/**
 * Make an unused channel old: sequence numbers and ring indices are about to
 * pass 2^32.
 */
void rig_age(struct rig *rig);

/** Make the rings half as old: twice a ring's index is about to pass 2^32. */
void rig_age_half(struct rig *rig);

/** Write the state into an end, as the hub does. */
void rig_set_state(struct ferry_channel_end *end, enum ferry_end_state state);

/** Write into an end which process it is in. A stranger is in a process that
 * this one cannot find. */
void rig_set_process(struct ferry_channel_end *end,
		const struct ferry_process *process);
void rig_be_stranger(struct ferry_channel_end *end);

/** rig_be_stranger() for both ends. */
void rig_be_strangers(struct rig *rig);

/** For rig.memory.reach: all memory is private. */
enum ferry_reach rig_reach_none(void *arg, const void *mem, uint64_t len);

/** For rig.memory.reach: producer, consumer and hub reach all memory. */
enum ferry_reach rig_reach_all(void *arg, const void *mem, uint64_t len);

/** Make the ends as in two processes that cannot reach each other's memory, so
 * that neither end can copy. */
void rig_be_apart(struct rig *rig);

/** Let the endpoint of an end sleep. Returns the state of its bell, which
 * changes when the bell is rung. */
uint32_t *rig_sleep(struct rig *rig, struct ferry_channel_end *end,
		uint32_t endpoint);

/** Send a bulk message. The participants in by (FERRY_BULK_*) may copy it. */
struct ferry_bulk_out *rig_bulk_send(struct rig *rig, void *data, uint64_t len,
		uint32_t by);

/** Receive the next message, which must be a bulk message, and accept it into
 * memory of the endpoint. */
struct ferry_bulk_in *rig_bulk_accept(struct rig *rig);

/** Take the channel's census. Fails the test if that does not work, or if the
 * numbers do not add up. */
struct ferry_channel_census rig_census(const struct ferry_channel_shared *ch);

/**
 * Fill a message that carries number i of a sequence: the pattern of i, and a
 * tag made of it.
 */
void rig_fill(void *data, uint32_t len, uint64_t i);
uint32_t rig_tag(uint64_t i);

/** Assert that a message is number i, of this length. */
#define rig_assert_msg(msg, length, i) do { \
	assert_int_equal((msg)->len, length); \
	assert_int_equal((msg)->tag, rig_tag(i)); \
	assert_int_equal(ferry_test_check((msg)->data, length, i), -1); \
} while (0)

/** Send message i by copy, receive it, check it, release it. */
void rig_pass(struct rig *rig, uint32_t len, uint64_t i);

#endif /* CHAN_RIG_H */
