/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Jobs, servers and boards: a producer posts; an engine takes the jobs, and
 * comes and goes. Meanwhile the input scribbles over the job ring, the out
 * ring, the words that name the server, and the board.
 */

#include "live.h"

#define PARTS (LIVE_ALL & ~(LIVE_BIT(LIVE_BLOCKS) | LIVE_BIT(LIVE_GRANTS) | \
	LIVE_BIT(LIVE_RX_HELD)))
#define BURST 3

static void
post(struct live *l, struct fuzz_in *in)
{
	/* Up to 2 KiB are copied on the spot. */
	static const uint32_t lens[] = { 16, 1500, 2049, 3000, LIVE_SLOT,
		LIVE_SLOT + 1 };
	struct ferry_buf bufs[BURST];
	const uint32_t n = 1 + fuzz_below(in, BURST);
	const uint8_t how = fuzz_u8(in);
	uint32_t i;

	for (i = 0; i < n; i++)
		bufs[i] = (struct ferry_buf) {
			/* Private memory is copied by the producer. */
			.data = how & 1 ? l->own : l->area,
			.len = lens[fuzz_u8(in) % RTE_DIM(lens)],
			.tag = i,
			.place = (enum ferry_placement)(how >> 1) %
				FERRY_PLACES,
		};
	/* No ferry_tx_send(): it waits for the engine, which is this thread. */
	live_check_result(ferry_tx_post(l->rig.tx, bufs, (uint16_t)n), n);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_in in = { data, size };
	struct live *l = live_begin();
	int i;

	fuzz_check(ferry_tx_set_mode(l->rig.tx, FERRY_MODE_EFFICIENCY) == 0);
	live_serve(l);
	for (i = 0; i < LIVE_OPS && in.left > 0; i++) {
		switch (fuzz_below(&in, 11)) {
		case 0:
		case 1:
			live_scribble(l, &in, PARTS);
			break;
		case 2:
		case 3:
			post(l, &in);
			break;
		case 4:
			ferry_server_poll(&l->engine.server);
			break;
		case 5:
			live_receive(l, 1 + fuzz_below(&in, LIVE_HELD));
			break;
		case 6:
			live_release(l, &in);
			break;
		case 7:
			live_check_result(ferry_tx_pending(l->rig.tx),
				UINT32_MAX);
			break;
		case 8:
			live_check_result(ferry_tx_finish(l->rig.tx,
				fuzz_u8(&in) % 4, 0), 0);
			break;
		case 9:
			if (fuzz_u8(&in) & 1)
				live_leave(l);
			else
				live_serve(l);
			break;
		default:
			live_check_result(ferry_tx_set_mode(l->rig.tx,
				(enum ferry_mode)(fuzz_u8(&in) % FERRY_MODES)),
				0);
			break;
		}
	}
	live_end(l, &in);
	return 0;
}
