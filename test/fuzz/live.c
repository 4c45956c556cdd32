/* SPDX-License-Identifier: BSD-3-Clause */

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include <sanitizer/asan_interface.h>

#include "ferry_errno.h"
#include "ferry_reach.h"
#include "live.h"

#define PAGE UINT64_C(4096)
/* Of an end, without what keeps it apart from the next one. */
#define END_BYTES (offsetof(struct ferry_channel_end, token_at) + 8)

/* The number and the token of the process that both ends are said to be of. */
#define STRANGER -1
static const uint64_t stranger_token = UINT64_C(0x5eed5eed5eed5eed);

static struct live live;
/* The mapping of the rig, and the boards, as they were before the first end was
 * opened. */
static uint8_t *pristine;
static uint64_t pristine_size;
static uint8_t boards_pristine[PAGE];

static bool
in_area(const void *mem, uint64_t len)
{
	const uint64_t at = (uintptr_t)mem - (uintptr_t)live.area;

	return at < LIVE_AREA && len <= LIVE_AREA - at;
}

static bool
is_own(const void *mem, uint64_t len)
{
	const uint64_t at = (uintptr_t)mem - (uintptr_t)live.own;

	return at < LIVE_AREA && len <= LIVE_AREA - at;
}

/*
 * Another process's memory, in place of the kernel's: the one that the ends
 * are said to be of has the area and what is its own. No process of this
 * machine is ever read.
 */
ssize_t __wrap_process_vm_readv(pid_t pid, const struct iovec *to,
		unsigned long n_to, const struct iovec *from,
		unsigned long n_from, unsigned long flags);
ssize_t
__wrap_process_vm_readv(pid_t pid, const struct iovec *to, unsigned long n_to,
		const struct iovec *from, unsigned long n_from,
		unsigned long flags)
{
	const uint8_t *at;
	uint8_t *out;
	size_t n, i, sum = 0;

	(void)flags;
	/* A token and bytes: as many pieces here as there. */
	if (pid != STRANGER || n_to != n_from) {
		errno = pid != STRANGER ? ESRCH : EINVAL;
		return -1;
	}
	for (i = 0; i < n_to; i++) {
		at = from[i].iov_base;
		out = to[i].iov_base;
		n = from[i].iov_len;
		fuzz_check(n == to[i].iov_len);
		if (!in_area(at, n) && !is_own(at, n) &&
				!(at == (const uint8_t *)&stranger_token &&
				n <= sizeof(stranger_token))) {
			errno = EFAULT;
			return sum > 0 ? (ssize_t)sum : -1;
		}
		memcpy(out, at, n);
		sum += n;
	}
	return (ssize_t)sum;
}

long __real_syscall(long number, long a, long b, long c, long d, long e,
		long f);
long __wrap_syscall(long number, long a, long b, long c, long d, long e,
		long f);
long
__wrap_syscall(long number, long a, long b, long c, long d, long e, long f)
{
	/* The fuzzer watches no process and never sleeps. Its single thread
	 * needs no barrier, which would take milliseconds. */
	if (number == SYS_pidfd_open) {
		errno = ESRCH;
		return -1;
	}
	if (number == SYS_membarrier)
		return 0;
	if (number == SYS_futex) {
		errno = EAGAIN;
		return -1;
	}
	return __real_syscall(number, a, b, c, d, e, f);
}

/* In place of DPDK's memory: what servers and producers reach is the area. */
enum ferry_reach __wrap_ferry_reach(struct ferry_reach_view *view,
		uint64_t addr, uint64_t len);
enum ferry_reach
__wrap_ferry_reach(struct ferry_reach_view *view, uint64_t addr, uint64_t len)
{
	(void)view;
	return in_area((const void *)(uintptr_t)addr, len) ? FERRY_REACH_ALL :
		FERRY_REACH_PRIVATE;
}

static int
area_alloc(void *arg, uint64_t size, void **mem)
{
	(void)arg;
	size = RTE_ALIGN_CEIL(size, PAGE);
	if (size > LIVE_AREA / 2 - live.area_used)
		return FERRY_E_NO_ROOM;
	*mem = live.area + LIVE_AREA / 2 + live.area_used;
	live.area_used += size;
	return 0;
}

static void
area_free(void *arg, void *mem)
{
	(void)arg;
	fuzz_check(in_area(mem, 1));
}

static enum ferry_reach
area_reach(void *arg, const void *mem, uint64_t len)
{
	(void)arg;
	return __wrap_ferry_reach(NULL, (uintptr_t)mem, len);
}

/* What is held is what an end has given, whatever stands in a block. */
static void
area_hold(void *arg, const void *mem, uint64_t len)
{
	(void)arg;
	fuzz_check(len > 0 && (in_area(mem, len) || is_own(mem, len)));
}

static uint8_t *
area_make(void)
{
	uint8_t *map = mmap(NULL, PAGE + LIVE_AREA + PAGE, PROT_NONE,
			MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	fuzz_check(map != MAP_FAILED);
	fuzz_check(mprotect(map + PAGE, LIVE_AREA, PROT_READ | PROT_WRITE) ==
		0);
	return map + PAGE;
}

/* Once: a channel and boards, whose bytes each input begins with. */
static void
make(void)
{
	const struct ferry_channel_memory memory = {
		.alloc = area_alloc, .free = area_free,
		.reach = area_reach, .hold = area_hold,
		.unhold = area_hold,
	};
	struct rig *rig = &live.rig;
	uint8_t *end;

	rig_make(rig, LIVE_SLOT, LIVE_SLOTS);
	rig->memory = memory;
	rig->boards.size = ferry_board_size(1);
	rig->boards.n = 1;
	rig->boards.n_channels = 1;
	rig->boards.base = malloc(rig->boards.size);
	fuzz_check(rig->boards.base != NULL);
	memset(rig->boards.base, 0, rig->boards.size);
	ferry_board_init(rig->boards.base);
	memcpy(boards_pristine, rig->boards.base, rig->boards.size);
	live.head = *rig->ch;
	live.area = area_make();
	live.own = area_make();
	fuzz_check(ferry_copier_init(&live.engine.copier, ferry_copy_cpu(),
		SOCKET_ID_ANY) == 0);
	live.engine.word = FERRY_SERVER_ENGINE;

	pristine_size = live.head.off_slots + (uint64_t)((uint8_t *)rig->ch -
			rig->map);
	pristine = malloc(pristine_size);
	fuzz_check(pristine != NULL);
	memcpy(pristine, rig->map, pristine_size);
	end = (uint8_t *)&rig->bells[RIG_BELLS];
	ASAN_POISON_MEMORY_REGION(end, (size_t)((uint8_t *)rig->ch - end));
}

struct live *
live_begin(void)
{
	const struct ferry_process stranger = {
		.token = stranger_token,
		.token_at = (uintptr_t)&stranger_token,
		.pid = STRANGER,
	};
	struct ferry_channel_attach attach;
	struct rig *rig = &live.rig;
	const size_t bells = RIG_BELLS * sizeof(rig->bells[0]);
	const size_t ch = (size_t)((uint8_t *)rig->ch - rig->map);

	if (pristine == NULL) {
		make();
	} else {
		memcpy(rig->map, pristine, bells);
		memcpy(rig->ch, pristine + ch, pristine_size - ch);
		memcpy(rig->boards.base, boards_pristine, rig->boards.size);
	}
	live.area_used = 0;
	live.n_held = 0;
	live.served = false;
	fuzz_check(ferry_server_init(&rig->own, &rig->copier, NULL, 1) == 0);
	fuzz_check(ferry_server_init(&live.engine.server, &live.engine.copier,
		rig->boards.base, 1) == 0);
	attach = rig_attach(rig, RIG_TX);
	attach.local = false;
	fuzz_check(ferry_tx_start(&rig->tx, &attach) == 0);
	attach = rig_attach(rig, RIG_RX);
	attach.local = false;
	fuzz_check(ferry_rx_start(&rig->rx, &attach) == 0);
	rig_set_process(&rig->ch->tx, &stranger);
	rig_set_process(&rig->ch->rx, &stranger);
	return &live;
}

void
live_serve(struct live *l)
{
	const struct ferry_serve serve = {
		.shared = l->rig.ch,
		.config = { LIVE_SLOT, LIVE_SLOTS },
		.memory = &l->rig.memory,
		.bells = l->rig.bells,
		.n_bells = RIG_BELLS,
	};
	uint32_t *word = &l->rig.ch->service.server;
	int ret;

	if (l->served)
		return;
	/* The hub, too, gives an engine only a channel without a server. */
	if (__atomic_load_n(word, __ATOMIC_ACQUIRE) != FERRY_SERVER_NONE)
		return;
	__atomic_store_n(word, l->engine.word, __ATOMIC_RELEASE);
	ret = ferry_server_add(&l->engine.server, &serve);
	l->served = ret == 0;
	if (ret != 0) {
		fuzz_check(live_documented(ret));
		__atomic_store_n(word, FERRY_SERVER_NONE, __ATOMIC_RELEASE);
	}
}

void
live_leave(struct live *l)
{
	int ret;

	if (!l->served)
		return;
	ret = ferry_server_remove(&l->engine.server, 0);
	fuzz_check(ret == 0 || ret == -EFAULT);
	l->served = false;
	__atomic_store_n(&l->rig.ch->service.server, FERRY_SERVER_NONE,
			__ATOMIC_RELEASE);
}

/* Where a part is, by the head as it was made. */
static uint8_t *
part_at(struct live *l, enum live_part part, uint32_t *size)
{
	struct ferry_channel_shared *ch = l->rig.ch;
	const struct ferry_channel_shared *h = &l->head;
	uint8_t *base = (uint8_t *)ch;

#define FIELD(first, bytes) (*size = (bytes), (uint8_t *)&ch->first)
#define BETWEEN(from, to) (*size = (uint32_t)((to) - (from)), base + (from))
	switch (part) {
	case LIVE_HEAD:
		return BETWEEN(0, offsetof(struct ferry_channel_shared, tx));
	case LIVE_TX:
		return FIELD(tx, END_BYTES);
	case LIVE_RX:
		return FIELD(rx, END_BYTES);
	case LIVE_SERVICE:
		return FIELD(service, 20);
	case LIVE_WISH:
		return FIELD(wish, 8);
	case LIVE_CREDITS:
		return FIELD(cells_freed, 16);
	case LIVE_FWD:
		return BETWEEN(h->off_fwd, h->off_back);
	case LIVE_BACK:
		return BETWEEN(h->off_back, h->off_jobs);
	case LIVE_JOBS:
		return BETWEEN(h->off_jobs, h->off_out);
	case LIVE_OUT:
		return BETWEEN(h->off_out, h->off_tx_held);
	case LIVE_TX_HELD:
		return BETWEEN(h->off_tx_held, h->off_rx_held);
	case LIVE_RX_HELD:
		return BETWEEN(h->off_rx_held, h->off_cells);
	case LIVE_CELLS:
		/* The first few are in use. */
		return BETWEEN(h->off_cells, h->off_cells +
			8 * sizeof(struct ferry_cell));
	case LIVE_BLOCKS:
		*size = 2 * sizeof(struct ferry_bulk_block);
		return base + h->off_bulk;
	case LIVE_GRANTS:
		*size = FERRY_BULK_BLOCKS * sizeof(struct ferry_bulk_grant);
		return base + h->off_bulk + FERRY_BULK_BLOCKS *
			sizeof(struct ferry_bulk_block);
	case LIVE_BELLS:
		*size = RIG_BELLS * sizeof(struct ferry_bell);
		return (uint8_t *)l->rig.bells;
	case LIVE_BOARDS:
		*size = (uint32_t)l->rig.boards.size;
		return l->rig.boards.base;
	default:
		*size = LIVE_SLOT;
		return base + h->off_slots;
	}
#undef FIELD
#undef BETWEEN
}

/* What looks like something. */
static uint64_t
likely_value(struct live *l, struct fuzz_in *in)
{
	static const uint64_t words[] = { 0, 1, 2, 3, 4, LIVE_SLOT,
		LIVE_SLOT + 1, INT32_MAX, UINT32_MAX, UINT64_MAX, 0xff,
		UINT64_C(1) << 31, UINT64_C(1) << 30, UINT64_C(1) << 44,
		UINT64_C(1) << 63, FERRY_SERVER_ENGINE };
	const uint8_t which = fuzz_u8(in);

	if (which < 64)
		return (uintptr_t)l->area + fuzz_u16(in);
	if (which < 96)
		return (uintptr_t)l->area + LIVE_AREA - fuzz_u16(in);
	if (which < 128)
		return (uintptr_t)l->own + fuzz_u16(in);
	return words[which % RTE_DIM(words)];
}

void
live_scribble(struct live *l, struct fuzz_in *in, uint32_t parts)
{
	uint32_t n = (uint32_t)__builtin_popcount(parts), size, off, width;
	uint32_t nth = fuzz_below(in, n);
	uint64_t value = 0, was = 0;
	uint8_t how, *at;

	while (nth-- > 0)
		parts &= parts - 1;
	at = part_at(l, (enum live_part)__builtin_ctz(parts), &size);
	how = fuzz_u8(in);
	width = 1u << (how & 3);
	/* Fields lie at multiples of their length. */
	off = fuzz_u16(in) % size & ~(width - 1);
	if (off + width > size)
		return;
	memcpy(&was, at + off, width);
	if (how < 96)
		fuzz_bytes(in, &value, width);
	else if (how < 176)
		value = likely_value(l, in);
	else
		value = was + (uint64_t)(int64_t)(int8_t)fuzz_u8(in);
	memcpy(at + off, &value, width);
}

void
live_receive(struct live *l, uint32_t n)
{
	const uint8_t *cells = (uint8_t *)l->rig.ch + l->head.off_cells;
	const uint8_t *slots = (uint8_t *)l->rig.ch + l->head.off_slots;
	struct ferry_msg *msgs = &l->held[l->n_held];
	int ret, i;

	n = RTE_MIN(n, LIVE_HELD - l->n_held);
	if (n == 0)
		return;
	ret = ferry_rx_recv(l->rig.rx, msgs, (uint16_t)n);
	live_check_result(ret, n);
	for (i = 0; i < ret; i++) {
		const uint8_t *data = msgs[i].data;
		uint32_t sum = 0, k;

		fuzz_check(msgs[i].len <= l->head.stride);
		fuzz_check((data >= cells && data + msgs[i].len <= slots) ||
			(data >= slots && data + msgs[i].len <=
			slots + LIVE_SLOTS * l->head.stride));
		/* The application reads it. */
		for (k = 0; k < msgs[i].len; k += 61)
			sum += data[k];
		__asm__ volatile("" : : "r" (sum));
	}
	if (ret > 0)
		l->n_held += (uint32_t)ret;
}

void
live_release(struct live *l, struct fuzz_in *in)
{
	uint32_t i;
	int ret;

	if (l->n_held == 0)
		return;
	i = fuzz_below(in, l->n_held);
	ret = ferry_rx_release(l->rig.rx, &l->held[i], 1);
	/* Refused if the held table was written to. */
	fuzz_check(ret == 0 || ret == -EINVAL);
	l->held[i] = l->held[--l->n_held];
}

/* Free all claims, as the hub does when the process that held them has ended.
 * No participant copies meanwhile. */
static void
claims_forget(struct live *l)
{
	struct ferry_bulk_block *blocks = RTE_PTR_ADD(l->rig.ch,
			l->head.off_bulk);
	uint32_t i;

	for (i = 0; i < FERRY_BULK_BLOCKS; i++)
		memset(blocks[i].units, FERRY_UNIT_FREE,
			sizeof(blocks[i].units));
}

void
live_end(struct live *l, struct fuzz_in *in)
{
	struct rig *rig = &l->rig;
	const uint8_t how = fuzz_u8(in);

	claims_forget(l);
	live_leave(l);
	claims_forget(l);
	/* Whatever it says there, the hub has not got this channel. */
	__atomic_store_n(&rig->ch->service.server, FERRY_SERVER_NONE,
			__ATOMIC_RELEASE);
	ferry_server_fini(&l->engine.server);
	if (how & 1) {
		if (how & 2)
			rig_set_state(&rig->ch->rx, FERRY_END_GONE);
		ferry_tx_stop(rig->tx);
		ferry_rx_stop(rig->rx);
	} else {
		if (how & 2)
			rig_set_state(&rig->ch->tx, FERRY_END_GONE);
		ferry_rx_stop(rig->rx);
		ferry_tx_stop(rig->tx);
	}
	ferry_server_fini(&rig->own);
}

bool
live_documented(int result)
{
	switch (result) {
	case FERRY_E_CANCELLED:
	case FERRY_E_CLOSED:
	case FERRY_E_CORRUPT:
	case FERRY_E_HUB_GONE:
	case FERRY_E_NO_ROOM:
	case FERRY_E_PEER_GONE:
	case FERRY_E_REFUSED:
	case FERRY_E_TOO_LONG:
	case FERRY_E_VERSION:
	case -EAGAIN:
	case -ECANCELED:
	case -EINVAL:
	case -EIO:
	case -ENOMEM:
	case -EBUSY:
	case -ETIMEDOUT:
		return true;
	default:
		return false;
	}
}
