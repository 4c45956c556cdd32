/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * A channel's layout: the input scribbles over a channel that the hub has made,
 * before an end is opened. The channel is checked and counted, and its ends are
 * opened if it passes. A channel that passes has the offsets that its slots'
 * size and number ask for.
 */

#include <stdlib.h>

#include "live.h"

#define MOST 8

static void
census(const struct ferry_channel_shared *ch,
		const struct ferry_channel_config *config)
{
	struct ferry_channel_census c;
	const int ret = ferry_channel_census(ch, config, false, &c);

	fuzz_check(ret == 0 || ret == FERRY_E_CORRUPT);
	if (ret == 0)
		fuzz_check(c.free + c.tx_held + c.jobs + c.in_flight +
			c.rx_held + c.lost == LIVE_SLOTS);
}

static void
open_ends(struct live *l)
{
	struct ferry_channel_attach attach = rig_attach(&l->rig, RIG_TX);
	struct ferry_msg msg;
	int ret;

	l->rig.tx = NULL;
	l->rig.rx = NULL;
	attach.local = false;
	ret = ferry_tx_start(&l->rig.tx, &attach);
	fuzz_check(ret <= 0);
	attach.endpoint = RIG_RX;
	ret = ferry_rx_start(&l->rig.rx, &attach);
	fuzz_check(ret <= 0);
	if (l->rig.tx != NULL && l->rig.rx != NULL) {
		ret = ferry_tx_loan(l->rig.tx, &msg, 1);
		live_check_result(ret, 1);
		if (ret == 1)
			live_check_result(ferry_tx_commit(l->rig.tx, &msg, 1),
				1);
		live_receive(l, 4);
	}
	__atomic_store_n(&l->rig.ch->service.server, FERRY_SERVER_NONE,
			__ATOMIC_RELEASE);
	ferry_tx_stop(l->rig.tx);
	ferry_rx_stop(l->rig.rx);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct ferry_channel_config config = { LIVE_SLOT, LIVE_SLOTS };
	struct fuzz_in in = { data, size };
	struct live *l = live_begin();
	struct ferry_channel_shared *ch = l->rig.ch;
	uint64_t room;
	int i, ret;

	/* As it was made, or after a life of two ends. */
	ferry_tx_stop(l->rig.tx);
	ferry_rx_stop(l->rig.rx);
	l->rig.tx = NULL;
	l->rig.rx = NULL;
	rig_set_state(&ch->tx, FERRY_END_ABSENT);
	rig_set_state(&ch->rx, FERRY_END_ABSENT);
	/* Fewer bytes of it may be known to be there; never more. */
	room = fuzz_u8(&in) & 1 ? fuzz_u16(&in) % (l->head.size + 1) :
		l->head.size;
	for (i = 0; i < MOST && in.left > 0; i++)
		live_scribble(l, &in, LIVE_ALL & ~LIVE_BIT(LIVE_BELLS) &
			~LIVE_BIT(LIVE_BOARDS));
	census(ch, &config);
	ret = ferry_channel_valid(ch, room);
	fuzz_check(ret == 0 || ret == FERRY_E_CORRUPT ||
		ret == FERRY_E_VERSION);
	if (ret == 0) {
		fuzz_check(ch->size <= room);
		/* It says itself what it is, and has not more than it says. */
		if (ch->slot_size == LIVE_SLOT && ch->n_slots == LIVE_SLOTS)
			census(ch, NULL);
		open_ends(l);
	}
	ferry_server_fini(&l->engine.server);
	ferry_server_fini(&l->rig.own);
	return 0;
}
