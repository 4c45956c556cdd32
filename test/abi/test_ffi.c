/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * What a binding for another language does: it calls libferry with declarations
 * of its own. No header of ferry is included here, so the inline calls of these
 * headers can only be the functions that libferry exports (lib/ffi.c).
 */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/uio.h>

#include <cmocka.h>

#include "ferry_test.h"

struct ferry_hub;
struct ferry_endpoint;
struct ferry_tx;
struct ferry_rx;
struct ferry_bulk_out;
struct ferry_bulk_in;
struct ferry_lane;
struct ferry_copy_driver;

struct hub_config {
	const char *name;
	uint64_t memory;
	int socket;
	uint32_t max_endpoints, max_channels;
};

struct channel_config {
	uint32_t slot_size, n_slots;
};

struct msg {
	void *data;
	uint32_t len, tag, id;
};

struct buf {
	const void *data;
	uint32_t len, tag;
	int place;
};

struct copy_job {
	void *dst;
	const void *src;
	uint64_t len, cookie;
	int place, mode;
};

struct copy_done {
	uint64_t cookie, bytes;
	int status;
};

struct wait {
	uint32_t round;
	uint16_t spin;
	uint8_t policy, cpu;
};

struct bell {
	uint32_t state;
} __attribute__((aligned(64)));

/* Ordinary calls. */
int ferry_hub_create(struct ferry_hub **hub, const struct hub_config *config);
int ferry_hub_destroy(struct ferry_hub *hub);
int ferry_attach(struct ferry_endpoint **ep, const char *hub,
		const char *name);
void ferry_detach(struct ferry_endpoint *ep);
int ferry_tx_open(struct ferry_tx **tx, struct ferry_endpoint *ep,
		const char *name, const struct channel_config *config);
int ferry_rx_open(struct ferry_rx **rx, struct ferry_endpoint *ep,
		const char *name, const struct channel_config *config);
void *ferry_alloc(struct ferry_endpoint *ep, uint64_t size);
int ferry_bulk_send(struct ferry_tx *tx, const struct iovec *iov,
		unsigned int n_iov, const void *options,
		struct ferry_bulk_out **out);
int ferry_bulk_accept(struct ferry_rx *rx, const struct msg *msg,
		const struct iovec *iov, unsigned int n_iov,
		struct ferry_bulk_in **in);
int ferry_bulk_await(struct ferry_bulk_in *in, uint64_t len,
		uint64_t timeout_ns);
void *ferry_bulk_data(const struct ferry_bulk_in *in);
const struct ferry_copy_driver *ferry_copy_cpu(void);
int ferry_lane_open(struct ferry_lane **lane,
		const struct ferry_copy_driver *driver, const void *config,
		int socket);
int ferry_lane_close(struct ferry_lane *lane);
int ferry_bell_init(struct bell *bell);
int ferry_wait_init(struct wait *w, int policy);

/* Calls that are inline for C and C++. */
int ferry_tx_loan(struct ferry_tx *tx, struct msg *msgs, uint16_t n);
int ferry_tx_commit(struct ferry_tx *tx, const struct msg *msgs, uint16_t n);
int ferry_tx_cancel(struct ferry_tx *tx, const struct msg *msgs, uint16_t n);
int ferry_tx_send(struct ferry_tx *tx, const struct buf *bufs, uint16_t n);
int ferry_rx_recv(struct ferry_rx *rx, struct msg *msgs, uint16_t n);
int ferry_rx_release(struct ferry_rx *rx, const struct msg *msgs, uint16_t n);
bool ferry_msg_is_bulk(const struct msg *msg);
uint64_t ferry_bulk_msg_len(const struct msg *msg);
uint16_t ferry_lane_submit(struct ferry_lane *lane,
		const struct copy_job *jobs, uint16_t n);
void ferry_lane_flush(struct ferry_lane *lane);
uint16_t ferry_lane_poll(struct ferry_lane *lane, struct copy_done *done,
		uint16_t n);
uint32_t ferry_lane_inflight(const struct ferry_lane *lane);
void ferry_bell_ring(struct bell *bell);
void ferry_bell_ring_if(const uint32_t *may_sleep, struct bell *bell);
void ferry_wait_reset(struct wait *w);
int ferry_wait_idle(struct wait *w, struct bell *bell,
		bool (*ready)(void *arg), void *arg, uint64_t deadline_tsc);

/* In ferry_bell.h and ferry_wait.h. */
enum { AWAKE = 0, ASLEEP = 2 };
enum { SPIN = 0 };
#define FOREVER UINT64_MAX

struct rig {
	struct ferry_hub *hub;
	struct ferry_endpoint *ep;
	struct ferry_tx *tx;
	struct ferry_rx *rx;
};

static void
rig_start(struct rig *r)
{
	const struct hub_config hub = { .name = "ffi", .memory = 32 << 20,
		.socket = -1 };
	const struct channel_config config = { .slot_size = 4096,
		.n_slots = 8 };

	assert_int_equal(ferry_hub_create(&r->hub, &hub), 0);
	assert_int_equal(ferry_attach(&r->ep, "ffi", "ffi"), 0);
	assert_int_equal(ferry_tx_open(&r->tx, r->ep, "ch", &config), 0);
	assert_int_equal(ferry_rx_open(&r->rx, r->ep, "ch", &config), 0);
}

static void
rig_stop(struct rig *r)
{
	ferry_detach(r->ep);
	assert_int_equal(ferry_hub_destroy(r->hub), 0);
}

/* Built in place, some of it given back. */
static void
loans(void **state)
{
	struct msg msgs[9], got[9];
	struct rig r;
	int i;

	(void)state;
	ferry_test_need_eal();
	rig_start(&r);
	assert_int_equal(ferry_rx_recv(r.rx, got, 9), 0);
	assert_int_equal(ferry_tx_loan(r.tx, msgs, 9), 8);
	for (i = 0; i < 8; i++) {
		assert_int_equal(msgs[i].len, 4096);
		memset(msgs[i].data, 'a' + i, msgs[i].len);
		msgs[i].tag = (uint32_t)i;
	}
	assert_int_equal(ferry_tx_loan(r.tx, &msgs[8], 1), 0);
	assert_int_equal(ferry_tx_cancel(r.tx, &msgs[6], 2), 0);
	assert_int_equal(ferry_tx_cancel(r.tx, &msgs[6], 1), -EINVAL);
	assert_int_equal(ferry_tx_commit(r.tx, &msgs[6], 1), -EINVAL);
	assert_int_equal(ferry_tx_commit(r.tx, msgs, 6), 6);
	assert_int_equal(ferry_rx_recv(r.rx, got, 9), 6);
	for (i = 0; i < 6; i++) {
		assert_int_equal(got[i].len, 4096);
		assert_int_equal(got[i].tag, i);
		assert_int_equal(*(char *)got[i].data, 'a' + i);
		assert_int_equal(((char *)got[i].data)[4095], 'a' + i);
		assert_false(ferry_msg_is_bulk(&got[i]));
	}
	assert_int_equal(ferry_rx_release(r.rx, got, 6), 0);
	assert_int_equal(ferry_rx_release(r.rx, got, 1), -EINVAL);
	assert_int_equal(ferry_tx_loan(r.tx, msgs, 9), 8);
	rig_stop(&r);
}

/* Copied: short ones through cells, long ones through slots. */
static void
sends(void **state)
{
	static char text[4096];
	const struct buf bufs[] = {
		{ .data = text, .len = 5, .tag = 1 },
		{ .data = text, .len = sizeof(text), .tag = 2 },
	};
	const struct buf longer = { .data = text, .len = 4097 };
	struct msg got[3];
	struct rig r;
	int i;

	(void)state;
	ferry_test_need_eal();
	rig_start(&r);
	for (i = 0; i < (int)sizeof(text); i++)
		text[i] = (char)(i % 251);
	assert_true(ferry_tx_send(r.tx, &longer, 1) < 0);
	assert_int_equal(ferry_tx_send(r.tx, bufs, 2), 2);
	assert_int_equal(ferry_rx_recv(r.rx, got, 3), 2);
	for (i = 0; i < 2; i++) {
		assert_int_equal(got[i].len, bufs[i].len);
		assert_int_equal(got[i].tag, bufs[i].tag);
		assert_memory_equal(got[i].data, text, got[i].len);
	}
	assert_int_equal(ferry_rx_release(r.rx, got, 2), 0);
	rig_stop(&r);
}

static void
bulk(void **state)
{
	const size_t len = 1 << 20;
	struct ferry_bulk_out *out;
	struct ferry_bulk_in *in;
	struct iovec iov;
	struct msg got;
	struct rig r;

	(void)state;
	ferry_test_need_eal();
	rig_start(&r);
	iov.iov_base = ferry_alloc(r.ep, len);
	iov.iov_len = len;
	assert_non_null(iov.iov_base);
	memset(iov.iov_base, 'x', len);
	assert_int_equal(ferry_bulk_send(r.tx, &iov, 1, NULL, &out), 1);
	assert_int_equal(ferry_rx_recv(r.rx, &got, 1), 1);
	assert_true(ferry_msg_is_bulk(&got));
	assert_int_equal(ferry_bulk_msg_len(&got), len);
	assert_int_equal(ferry_bulk_accept(r.rx, &got, NULL, 0, &in), 0);
	assert_int_equal(ferry_bulk_await(in, len, FOREVER), 0);
	assert_memory_equal(ferry_bulk_data(in), iov.iov_base, len);
	rig_stop(&r);
}

static void
lane(void **state)
{
	char from[100], to[100] = { 0 };
	const struct copy_job job = { .dst = to, .src = from,
		.len = sizeof(from), .cookie = 7 };
	struct copy_done done = { 0 };
	struct ferry_lane *l;

	(void)state;
	ferry_test_need_eal();
	memset(from, 'y', sizeof(from));
	assert_int_equal(ferry_lane_open(&l, ferry_copy_cpu(), NULL, -1), 0);
	assert_int_equal(ferry_lane_inflight(l), 0);
	assert_int_equal(ferry_lane_submit(l, &job, 1), 1);
	assert_int_equal(ferry_lane_inflight(l), 1);
	ferry_lane_flush(l);
	assert_int_equal(ferry_lane_poll(l, &done, 1), 1);
	assert_int_equal(done.cookie, 7);
	assert_int_equal(done.bytes, sizeof(from));
	assert_int_equal(done.status, 0);
	assert_int_equal(ferry_lane_inflight(l), 0);
	assert_memory_equal(to, from, sizeof(from));
	assert_int_equal(ferry_lane_close(l), 0);
}

static void
bell_and_wait(void **state)
{
	struct bell bell;
	uint32_t may_sleep = 0;
	struct wait w;

	(void)state;
	assert_int_equal(ferry_bell_init(&bell), 0);
	assert_int_equal(bell.state, AWAKE);
	bell.state = ASLEEP;
	ferry_bell_ring_if(&may_sleep, &bell);
	assert_int_equal(bell.state, ASLEEP);
	may_sleep = 1;
	ferry_bell_ring_if(&may_sleep, &bell);
	assert_int_equal(bell.state, AWAKE);
	bell.state = ASLEEP;
	ferry_bell_ring(&bell);
	assert_int_equal(bell.state, AWAKE);

	assert_int_equal(ferry_wait_init(&w, SPIN), 0);
	assert_int_equal(ferry_wait_idle(&w, &bell, NULL, NULL, FOREVER), 0);
	w.round = 3;
	ferry_wait_reset(&w);
	assert_int_equal(w.round, 0);
	/* The first tick of the time stamp counter is over. */
	assert_int_equal(ferry_wait_idle(&w, &bell, NULL, NULL, 1),
			-ETIMEDOUT);
}

static int
eal_start(void **state)
{
	(void)state;
	if (ferry_test_eal_skip_reason() != NULL)
		return 0;
	return ferry_test_eal_start(NULL, "--socket-limit=128", NULL);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(loans),
		cmocka_unit_test(sends),
		cmocka_unit_test(bulk),
		cmocka_unit_test(lane),
		cmocka_unit_test(bell_and_wait),
	};

	return cmocka_run_group_tests(tests, eal_start, NULL);
}
