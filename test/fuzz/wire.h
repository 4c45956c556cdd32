/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef FUZZ_WIRE_H
#define FUZZ_WIRE_H

/**
 * @file
 * What comes to a hub from outside of its process, without system calls: a
 * packet with descriptors on its control socket, and telemetry's questions.
 * The calls by which the hub receives, answers and closes are wrapped.
 */

#include <rte_telemetry.h>

#include "fuzz.h"
#include "hub_ctl.h"

/** The hub's own pidfd, which it keeps. */
#define WIRE_SELF 1000000

/**
 * Have the hub take a packet with a request; the input says what else is with
 * it, how long it is, who sent it, and whether the answer arrives. Returns
 * whether it did.
 */
bool wire_packet(struct ferry_hub *hub, const struct hub_request *req,
		struct fuzz_in *in, struct hub_reply *rep);

/** Descriptors that came with packets and are not closed. */
uint32_t wire_open(void);

/** Ask one of the questions that the hub answers, by number. */
void wire_ask(uint32_t which, const char *params, struct rte_tel_data *d);

#endif /* FUZZ_WIRE_H */
