/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Cells, rings, descriptors and held tables: two ends send, loan, receive and
 * release while the input scribbles over the memory that they share.
 */

#include "live.h"

/* All but what only bulk messages and servers read. */
#define PARTS (LIVE_ALL & ~(LIVE_BIT(LIVE_JOBS) | LIVE_BIT(LIVE_BLOCKS) | \
	LIVE_BIT(LIVE_GRANTS) | LIVE_BIT(LIVE_BOARDS)))
/* Messages on loan to the producer. */
#define LOANS 8
#define BURST 6

static uint8_t payload[LIVE_SLOT + 16];

static void
send(struct live *l, struct fuzz_in *in)
{
	static const uint32_t lens[] = { 0, 1, 48, FERRY_CELL_DATA,
		FERRY_CELL_DATA + 1, 1024, LIVE_SLOT, LIVE_SLOT + 1 };
	struct ferry_buf bufs[BURST];
	const uint32_t n = 1 + fuzz_below(in, BURST);
	uint32_t i;

	for (i = 0; i < n; i++)
		bufs[i] = (struct ferry_buf) {
			.data = payload,
			.len = lens[fuzz_u8(in) % RTE_DIM(lens)],
			.tag = i,
		};
	live_check_result(ferry_tx_send(l->rig.tx, bufs, (uint16_t)n), n);
}

/* Borrow; or pass on or give back what is borrowed. */
static void
lend(struct live *l, struct fuzz_in *in, struct ferry_msg *loans,
		uint32_t *n_loans)
{
	const uint8_t *slots = (uint8_t *)l->rig.ch + l->head.off_slots;
	const uint8_t what = fuzz_u8(in);
	const uint32_t n = 1 + what % 4;
	uint32_t i;
	int ret;

	if (what < 128 && *n_loans + n <= LOANS) {
		ret = ferry_tx_loan(l->rig.tx, loans + *n_loans, (uint16_t)n);
		live_check_result(ret, n);
		for (i = 0; ret > 0 && i < (uint32_t)ret; i++) {
			const uint8_t *at = loans[*n_loans + i].data;

			fuzz_check(at >= slots && at + LIVE_SLOT <=
				slots + LIVE_SLOTS * l->head.stride);
			memset(loans[*n_loans + i].data, what, LIVE_SLOT);
			loans[*n_loans + i].len = fuzz_u16(in) %
				(LIVE_SLOT + 2);
		}
		*n_loans += ret > 0 ? (uint32_t)ret : 0;
	} else if (*n_loans > 0) {
		const uint32_t k = RTE_MIN(n, *n_loans);

		if (what & 64)
			ret = ferry_tx_cancel(l->rig.tx, loans, (uint16_t)k);
		else
			ret = ferry_tx_commit(l->rig.tx, loans, (uint16_t)k);
		live_check_result(ret, k);
		/* Those refused are left where they are. */
		*n_loans -= k;
		memmove(loans, loans + k, *n_loans * sizeof(loans[0]));
	}
}

static void
census(struct live *l, bool living)
{
	const struct ferry_channel_config config = { LIVE_SLOT, LIVE_SLOTS };
	struct ferry_channel_census c;
	const int ret = ferry_channel_census(l->rig.ch, &config,
			living, &c);

	fuzz_check(ret == 0 || ret == FERRY_E_CORRUPT);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_in in = { data, size };
	struct ferry_msg loans[LOANS];
	struct live *l = live_begin();
	uint32_t n_loans = 0;
	int i;

	for (i = 0; i < LIVE_OPS && in.left > 0; i++) {
		switch (fuzz_below(&in, 9)) {
		case 0:
		case 1:
			live_scribble(l, &in, PARTS);
			break;
		case 2:
		case 3:
			send(l, &in);
			break;
		case 4:
			lend(l, &in, loans, &n_loans);
			break;
		case 5:
			live_receive(l, 1 + fuzz_below(&in, LIVE_HELD));
			break;
		case 6:
			live_release(l, &in);
			break;
		case 7:
			live_check_result(ferry_tx_wait(l->rig.tx, 0), 1);
			live_check_result(ferry_rx_wait(l->rig.rx, 0), 1);
			break;
		default:
			census(l, fuzz_u8(&in) & 1);
			break;
		}
	}
	live_end(l, &in);
	return 0;
}
