/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef FUZZ_WIRE_H
#define FUZZ_WIRE_H

/**
 * @file
 * Gives a hub what comes from outside of its process: a packet with descriptors
 * on its control socket, or a question of telemetry. Needs no system calls,
 * because wrappers take the place of those by which the hub receives, answers
 * and closes.
 */

#include <rte_telemetry.h>

#include "fuzz.h"
#include "hub_ctl.h"

/** The hub's pidfd of its own process. The hub keeps it open. */
#define WIRE_SELF 1000000

/**
 * Have the hub take a packet with a request. The input says which descriptors
 * come with it, how long it is, which process sent it, and whether the answer
 * arrives. Returns whether the answer arrived.
 */
bool wire_packet(struct ferry_hub *hub, const struct hub_request *req,
		struct fuzz_in *in, struct hub_reply *rep);

/** How many descriptors came with packets and are not closed. */
uint32_t wire_open(void);

/** Ask the hub question number which of telemetry. */
void wire_ask(uint32_t which, const char *params, struct rte_tel_data *d);

#endif /* FUZZ_WIRE_H */
