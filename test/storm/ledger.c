/* SPDX-License-Identifier: BSD-3-Clause */

#include <stdbool.h>
#include <stddef.h>

#include "ledger.h"

struct ledger_page *
ledger_page(struct ledger *ledger, uint64_t id)
{
	struct ledger_page *page = &ledger->pages[id % LEDGER_PAGES];
	uint64_t none = 0;

	/* Both ends write the same number: no order is needed. */
	if (__atomic_compare_exchange_n(&page->id, &none, id, false,
			__ATOMIC_RELAXED, __ATOMIC_RELAXED) || none == id)
		return page;
	return NULL;
}

void
ledger_begin(struct ledger_page *page, uint64_t below)
{
	/*
	 * Sequentially consistent, so that it is in memory before the message
	 * is, on any machine.
	 */
	__atomic_store_n(&page->begun, below, __ATOMIC_SEQ_CST);
}

void
ledger_promise(struct ledger_page *page, uint64_t below)
{
	/* After the call that made it true. */
	__atomic_store_n(&page->promised, below, __ATOMIC_RELEASE);
}

void
ledger_receive(struct ledger_page *page, uint64_t below)
{
	/* Before the release that a drain waits for. */
	__atomic_store_n(&page->received, below, __ATOMIC_RELEASE);
}

uint32_t
ledger_bulk_ended(struct ledger_page *page, uint64_t n, enum ledger_bulk how)
{
	uint64_t *entry = &page->bulk[n % LEDGER_BULK];
	uint64_t was = __atomic_load_n(entry, __ATOMIC_RELAXED), is;

	/* Acquire and release: each end sees what the other one knew. */
	do {
		is = was >> 8 == n + 1 ? was | how : (n + 1) << 8 | how;
		/* A later message has its place: then both are done with it. */
		if (was >> 8 > n + 1)
			return how;
	} while (!__atomic_compare_exchange_n(entry, &was, is, true,
			__ATOMIC_ACQ_REL, __ATOMIC_RELAXED));
	return (uint32_t)(is & 0xff);
}
