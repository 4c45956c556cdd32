/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * A hub's replies to an endpoint of another process. They are right except for
 * what the input changes. The input also writes to the registry and the boards.
 * This file makes the hub's packets, its memory and the time. The endpoint
 * attaches, opens, allocates, lists and detaches. Whatever the replies say, the
 * endpoint closes each descriptor.
 */

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>

#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_launch.h>

#include "ferry_endpoint.h"
#include "ferry_errno.h"
#include "ferry_memory.h"
#include "ferry_reach.h"
#include "fuzz.h"
#include "hub_ctl.h"
#include "hub_registry.h"

/* Descriptors that are none of the kernel's. */
#define FIRST 1000000
#define FDS 64
#define PAGE 4096
/* The hub's memory, which the endpoint has mapped: what is where in it. */
#define REGION (UINT64_C(4) << 20)
#define BOARDS (UINT64_C(64) << 10)
#define CHANNEL (UINT64_C(128) << 10)
#define PIECES (UINT64_C(1) << 20)
#define BELLS 4
#define CHANNELS 4
#define INCARNATION 11
#define OPS 24
#define ENDS 4
#define BLOCKS 4

static const struct ferry_channel_config config = { 256, 4 };

static uint8_t *region, *pristine;
static struct fuzz_in *in;
static uint64_t fds;
static uint64_t clock_ns;
/* The request on its way, and how its reply comes. */
static struct hub_request asked;
static bool waiting;

static int
fd_make(void)
{
	const int i = __builtin_ctzll(~fds);

	fuzz_check(i < FDS - 1);
	fds |= UINT64_C(1) << i;
	return FIRST + i;
}

int __real_close(int fd);
int __wrap_close(int fd);
int
__wrap_close(int fd)
{
	if (fd < FIRST)
		return __real_close(fd);
	fuzz_check(fd < FIRST + FDS && fds & UINT64_C(1) << (fd - FIRST));
	fds &= ~(UINT64_C(1) << (fd - FIRST));
	return 0;
}

int __real_open64(const char *path, int flags, ...);
int __wrap_open64(const char *path, int flags, ...);
int
__wrap_open64(const char *path, int flags, ...)
{
	return flags & O_PATH ? fd_make() : __real_open64(path, flags, 0600);
}

int __wrap_socket(int domain, int type, int protocol);
int
__wrap_socket(int domain, int type, int protocol)
{
	fuzz_check(domain == AF_UNIX && type & SOCK_CLOEXEC && protocol == 0);
	return fd_make();
}

int __wrap_connect(int fd, const struct sockaddr *sa, socklen_t len);
int
__wrap_connect(int fd, const struct sockaddr *sa, socklen_t len)
{
	(void)fd;
	(void)sa;
	(void)len;
	return 0;
}

int __wrap_shutdown(int fd, int how);
int
__wrap_shutdown(int fd, int how)
{
	(void)fd;
	(void)how;
	return 0;
}

int __wrap_eventfd(unsigned int count, int flags);
int
__wrap_eventfd(unsigned int count, int flags)
{
	fuzz_check(count == 0 && flags != 0);
	return fd_make();
}

int __wrap_eventfd_write(int fd, uint64_t count);
int
__wrap_eventfd_write(int fd, uint64_t count)
{
	fuzz_check(fd >= FIRST && count == 1);
	return 0;
}

/* There is no thread that waits for the hub's death. */
int __wrap_rte_ctrl_thread_create(pthread_t *thread, const char *name,
		const pthread_attr_t *attr, void *(*start)(void *), void *arg);
int
__wrap_rte_ctrl_thread_create(pthread_t *thread, const char *name,
		const pthread_attr_t *attr, void *(*start)(void *), void *arg)
{
	(void)name;
	(void)attr;
	(void)start;
	(void)arg;
	memset(thread, 0, sizeof(*thread));
	return 0;
}

int __real_pthread_join(pthread_t thread, void **result);
int __wrap_pthread_join(pthread_t thread, void **result);
int
__wrap_pthread_join(pthread_t thread, void **result)
{
	return thread == 0 ? 0 : __real_pthread_join(thread, result);
}

long __real_syscall(long number, long a, long b, long c, long d, long e,
		long f);
long __wrap_syscall(long number, long a, long b, long c, long d, long e,
		long f);
long
__wrap_syscall(long number, long a, long b, long c, long d, long e, long f)
{
	if (number == SYS_pidfd_open)
		return fd_make();
	if (number == SYS_membarrier || number == SYS_futex)
		return 0;
	return __real_syscall(number, a, b, c, d, e, f);
}

int __real_clock_gettime(clockid_t clock, struct timespec *ts);
int __wrap_clock_gettime(clockid_t clock, struct timespec *ts);
int
__wrap_clock_gettime(clockid_t clock, struct timespec *ts)
{
	if (clock != CLOCK_MONOTONIC)
		return __real_clock_gettime(clock, ts);
	ts->tv_sec = (time_t)(clock_ns / 1000000000);
	ts->tv_nsec = (long)(clock_ns % 1000000000);
	return 0;
}

/* The reply is there, or the hub dies, or time passes. */
int __wrap_ppoll(struct pollfd *p, nfds_t n, const struct timespec *ts,
		const sigset_t *set);
int
__wrap_ppoll(struct pollfd *p, nfds_t n, const struct timespec *ts,
		const sigset_t *set)
{
	const uint8_t how = fuzz_u8(in);

	(void)set;
	fuzz_check(n == 2);
	if (how >= 250 && p[1].fd >= 0)
		p[1].revents = POLLIN;
	else if (how < 240 && p[0].fd >= 0)
		p[0].revents = POLLIN;
	else
		clock_ns += (uint64_t)ts->tv_nsec;
	return p[0].revents != 0 || p[1].revents != 0;
}

ssize_t __wrap_sendmsg(int fd, const struct msghdr *msg, int flags);
ssize_t
__wrap_sendmsg(int fd, const struct msghdr *msg, int flags)
{
	(void)fd;
	(void)flags;
	fuzz_check(msg->msg_iov[0].iov_len == sizeof(asked));
	memcpy(&asked, msg->msg_iov[0].iov_base, sizeof(asked));
	waiting = true;
	return sizeof(asked);
}

static uint64_t
address(void)
{
	const uint8_t kind = fuzz_u8(in);

	if (kind < 128)
		return (uintptr_t)region + fuzz_u64(in) % REGION;
	return kind < 192 ? (uintptr_t)region + CHANNEL + fuzz_u8(in) :
		fuzz_u64(in);
}

/* One thing that is not as it should be. */
static void
spoil(struct hub_reply *rep)
{
	static const int results[] = { FERRY_E_HUB_GONE, FERRY_E_NO_ROOM,
		FERRY_E_CORRUPT, -EEXIST, -ENOENT, -EMFILE, 1, INT32_MAX };

	switch (fuzz_below(in, 9)) {
	case 0:
		rep->result = results[fuzz_u8(in) % RTE_DIM(results)];
		break;
	case 1:
		rep->result = (int32_t)fuzz_u64(in);
		break;
	case 2:
		rep->endpoint = (uint32_t)fuzz_u64(in);
		break;
	case 3:
		rep->addr = address();
		break;
	case 4:
		rep->size = fuzz_u8(in) & 1 ? fuzz_u64(in) : fuzz_u16(in);
		break;
	case 5:
		rep->number = (uint32_t)fuzz_u64(in);
		break;
	case 6:
		rep->total = (uint32_t)fuzz_u64(in);
		break;
	case 7:
		fuzz_bytes(in, &rep->entry, sizeof(rep->entry));
		break;
	default:
		fuzz_bytes(in, rep, sizeof(*rep));
		break;
	}
}

static void
reply_make(struct hub_reply *rep)
{
	memset(rep, 0, sizeof(*rep));
	switch (asked.op) {
	case HUB_OP_HELLO:
		rep->incarnation = INCARNATION;
		break;
	case HUB_OP_ATTACH:
		rep->incarnation = INCARNATION;
		rep->endpoint = 1;
		rep->epoch = 7;
		rep->addr = (uintptr_t)region;
		rep->size = sizeof(struct ferry_registry) + BELLS *
			sizeof(struct ferry_bell);
		break;
	case HUB_OP_OPEN:
		rep->addr = (uintptr_t)region + CHANNEL;
		rep->size = ferry_channel_memory(&config);
		rep->id = 1;
		break;
	case HUB_OP_ALLOC:
		rep->addr = (uintptr_t)region + PIECES;
		rep->size = asked.size;
		break;
	case HUB_OP_LIST:
		rep->result = asked.id < 3 ? 0 : -ENOENT;
		rep->total = 3;
		rep->entry.id = asked.id + 1;
		strcpy(rep->entry.name, "fuzz");
		break;
	default:
		break;
	}
}

ssize_t __wrap_recvmsg(int fd, struct msghdr *msg, int flags);
ssize_t
__wrap_recvmsg(int fd, struct msghdr *msg, int flags)
{
	struct cmsghdr *c = msg->msg_control;
	const uint8_t how = fuzz_u8(in);
	size_t len = sizeof(struct hub_reply);
	struct hub_reply rep;
	uint32_t n_fds = asked.op == HUB_OP_HELLO, i;
	int came;

	(void)fd;
	fuzz_check(msg->msg_iov[0].iov_len == len);
	fuzz_check(flags & MSG_DONTWAIT && flags & MSG_CMSG_CLOEXEC);
	if (!waiting || how >= 252) {
		if ((how & 2) == 0) {
			errno = how & 1 ? ECONNRESET : EAGAIN;
			return -1;
		}
		msg->msg_controllen = 0;
		msg->msg_flags = 0;
		return 0;
	}
	waiting = false;
	reply_make(&rep);
	msg->msg_flags = 0;
	if (how >= 128)
		spoil(&rep);
	if (how >= 240) {
		/* Of another length, or with more or less than it should. */
		if (how & 1)
			len = fuzz_u16(in) % len;
		if (how & 2)
			msg->msg_flags |= MSG_TRUNC;
		if (how & 4)
			msg->msg_flags |= MSG_CTRUNC;
		if (how & 8)
			n_fds = fuzz_below(in, 3);
	}
	memcpy(msg->msg_iov[0].iov_base, &rep, len);
	/* The kernel hands over as many as there is room for. */
	fuzz_check(CMSG_LEN(n_fds * sizeof(came)) <= msg->msg_controllen);
	msg->msg_controllen = n_fds > 0 ? CMSG_SPACE(n_fds * sizeof(came)) : 0;
	if (n_fds > 0) {
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(n_fds * sizeof(came));
	}
	for (i = 0; i < n_fds; i++) {
		came = fd_make();
		memcpy(CMSG_DATA(c) + i * sizeof(came), &came, sizeof(came));
	}
	return (ssize_t)len;
}

int __wrap_ferry_eal_adopt(void *args, int role);
int
__wrap_ferry_eal_adopt(void *args, int role)
{
	(void)args;
	(void)role;
	return 0;
}

enum rte_proc_type_t __wrap_rte_eal_process_type(void);
enum rte_proc_type_t
__wrap_rte_eal_process_type(void)
{
	return RTE_PROC_SECONDARY;
}

/* All of DPDK's memory is the region. */
enum ferry_reach __wrap_ferry_reach(struct ferry_reach_view *view,
		uint64_t addr, uint64_t len);
enum ferry_reach
__wrap_ferry_reach(struct ferry_reach_view *view, uint64_t addr, uint64_t len)
{
	const uint64_t at = addr - (uintptr_t)region;

	(void)view;
	return at < REGION && len <= REGION - at ? FERRY_REACH_ALL :
		FERRY_REACH_PRIVATE;
}

/* The hub's memory as a hub makes it. */
static void
make(void)
{
	struct ferry_registry *r;
	uint32_t i;

	region = mmap(NULL, PAGE + REGION + PAGE, PROT_NONE,
			MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	fuzz_check(region != MAP_FAILED);
	region += PAGE;
	fuzz_check(mprotect(region, REGION, PROT_READ | PROT_WRITE) == 0);
	r = (struct ferry_registry *)region;
	r->version = FERRY_CHANNEL_VERSION;
	r->layout = ferry_channel_layout_hash();
	r->n_bells = BELLS;
	r->n_boards = FERRY_ENGINES_MAX;
	r->n_channels = CHANNELS;
	r->board_size = ferry_board_size(CHANNELS);
	r->boards = (uintptr_t)region + BOARDS;
	r->memory = (uintptr_t)region;
	r->memory_size = REGION;
	r->magic = FERRY_REGISTRY_MAGIC;
	for (i = 0; i < BELLS; i++)
		fuzz_check(ferry_bell_init(&r->bells[i]) == 0);
	fuzz_check(BOARDS + r->n_boards * r->board_size <= CHANNEL);
	for (i = 0; i < r->n_boards; i++)
		ferry_board_init((void *)(region + BOARDS + i *
			r->board_size));
	fuzz_check(CHANNEL + ferry_channel_memory(&config) <= PIECES);
	fuzz_check(ferry_channel_format((void *)(region + CHANNEL), &config,
		"fuzz", 1) == 0);
	pristine = malloc(PIECES);
	fuzz_check(pristine != NULL);
	memcpy(pristine, region, PIECES);
}

/* Only what was used. */
static void
restore(void)
{
	const struct ferry_channel_shared *ch = (const void *)(pristine +
			CHANNEL);
	const struct ferry_registry *r = (const void *)pristine;

	memcpy(region, pristine, sizeof(*r) + BELLS * sizeof(r->bells[0]));
	memcpy(region + BOARDS, pristine + BOARDS, r->n_boards *
		r->board_size);
	memcpy(region + CHANNEL, pristine + CHANNEL, ch->off_slots);
}

/* The hub, or a neighbour, writes into what endpoints read when they attach. */
static void
scribble(void)
{
	const uint32_t width = 1u << fuzz_below(in, 4);
	uint64_t off = fuzz_below(in, sizeof(struct ferry_registry) + BELLS *
			sizeof(struct ferry_bell) - width + 1);

	if (fuzz_u8(in) & 1)
		off = BOARDS + fuzz_below(in, 4096);
	fuzz_bytes(in, region + off, width);
}

/* What the endpoint has. */
struct mine {
	struct ferry_tx *txs[ENDS];
	struct ferry_rx *rxs[ENDS];
	uint32_t n_txs, n_rxs;
	void *blocks[BLOCKS];
	uint32_t n_blocks;
};

/* Whatever the hub says, a call returns what ferry_errno.h knows of. */
static void
check_result(int ret)
{
	fuzz_check(ret <= 0);
	fuzz_check(ret >= -4095 || (ret <= FERRY_E_CLOSED &&
		ret >= FERRY_E_LAST));
}

static void
open_one(struct ferry_endpoint *ep, struct mine *m)
{
	int ret;

	if (fuzz_u8(in) & 1 && m->n_txs < ENDS) {
		ret = ferry_tx_open(&m->txs[m->n_txs], ep, "fuzz", &config);
		m->n_txs += ret == 0;
	} else if (m->n_rxs < ENDS) {
		ret = ferry_rx_open(&m->rxs[m->n_rxs], ep, "fuzz", &config);
		m->n_rxs += ret == 0;
	} else {
		return;
	}
	check_result(ret);
}

static void
pass(struct mine *m)
{
	const struct ferry_buf buf = { .data = "fuzz", .len = 4 };
	struct ferry_msg msg;
	int ret;

	if (m->n_txs > 0) {
		ret = ferry_tx_send(m->txs[m->n_txs - 1], &buf, 1);
		fuzz_check(ret <= 1);
	}
	if (m->n_rxs > 0) {
		ret = ferry_rx_recv(m->rxs[m->n_rxs - 1], &msg, 1);
		fuzz_check(ret <= 1);
		if (ret == 1)
			ferry_rx_release(m->rxs[m->n_rxs - 1], &msg, 1);
	}
}

static void
list(struct ferry_endpoint *ep)
{
	struct ferry_hub_channel all[CHANNELS];
	uint32_t i;
	int ret;

	memset(all, 0, sizeof(all));
	ret = ferry_endpoint_channels(ep, all, CHANNELS);
	if (ret < 0)
		check_result(ret);
	fuzz_check(ret <= (int)FERRY_HUB_CHANNELS_MAX);
	for (i = 0; ret >= 0 && i < CHANNELS; i++)
		fuzz_check(memchr(all[i].name, 0, sizeof(all[i].name)) !=
			NULL);
}

static void
operate(struct ferry_endpoint *ep, struct mine *m)
{
	switch (fuzz_below(in, 8)) {
	case 0:
	case 1:
		open_one(ep, m);
		break;
	case 2:
		if (m->n_txs > 0)
			ferry_tx_close(m->txs[--m->n_txs]);
		break;
	case 3:
		if (m->n_rxs > 0)
			ferry_rx_close(m->rxs[--m->n_rxs]);
		break;
	case 4:
		if (m->n_blocks == BLOCKS)
			break;
		m->blocks[m->n_blocks] = ferry_alloc(ep, 1 + fuzz_u16(in));
		if (m->blocks[m->n_blocks] == NULL) {
			check_result(-rte_errno);
			break;
		}
		fuzz_check((uintptr_t)m->blocks[m->n_blocks++] % PAGE == 0);
		break;
	case 5:
		if (m->n_blocks > 0)
			ferry_free(ep, m->blocks[--m->n_blocks]);
		break;
	case 6:
		list(ep);
		break;
	default:
		pass(m);
		break;
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_in input = { data, size };
	struct mine mine = { .n_txs = 0 };
	struct ferry_endpoint *ep;
	uint32_t n;
	int ret;

	if (region == NULL)
		make();
	in = &input;
	restore();
	waiting = false;
	for (n = fuzz_u8(in) % 8; n > 4; n--)
		scribble();
	ret = ferry_attach(&ep, "fuzz", "fuzz");
	check_result(ret);
	if (ret == 0) {
		for (n = 0; n < OPS && in->left > 0; n++)
			operate(ep, &mine);
		ferry_detach(ep);
	}
	fuzz_check(fds == 0);
	return 0;
}
