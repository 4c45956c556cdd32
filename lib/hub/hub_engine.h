/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef FERRY_HUB_ENGINE_H
#define FERRY_HUB_ENGINE_H

/*
 * Engines from inside: who serves which channel.
 *
 *     service.server of a channel (ferry_channel_layout.h)
 *
 *            hub: engine_take()            hub: engine_move()
 *     NONE ---------------------> ENGINE k ------------------> ENGINE m
 *      ^ |                            |
 *      | | producer                   | hub: engine_leave()
 *      | v                            v
 *     SELF                           NONE
 *
 * Proved by test/models/server.pml; changes of engine by engine_move.pml.
 *
 * The hub's lock is held in all these calls. It guards the books (which engine a
 * channel has); the engine's own lock, taken after it, guards the server. A
 * control thread that wants an engine's jobs ended does the engine's turns
 * itself, so it does not matter whether anybody runs the engine.
 */

#include "ferry_engine.h"
#include "ferry_server.h"
#include "hub_private.h"

/* Give a channel whose producer's end is open to the best engine, if any. */
void engine_take(struct ferry_hub *hub, struct hub_channel *c);

/*
 * Nobody is to serve the channel any more. all: first carry out the jobs that
 * are in its ring, of a producer that has ended; else only those in the copier.
 */
void engine_leave(struct ferry_hub *hub, struct hub_channel *c, bool all);

/* Carry out the jobs in a channel's ring, if it has an engine. Its producer
 * posts none meanwhile. */
void engine_finish(struct hub_channel *c);

/* Call fn for every engine, or for the one of that name. */
void engines_each(struct ferry_hub *hub, const char *name,
		void (*fn)(struct ferry_engine *e, void *arg), void *arg);

/* ferry_engine_config.close_wait_ms */
uint32_t engine_close_wait_ms(const struct ferry_engine *e);

/* A producer died: wake the engines whose bells it may have silenced. */
void engines_shout(struct ferry_hub *hub);

#endif /* FERRY_HUB_ENGINE_H */
