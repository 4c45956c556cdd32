/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * The same as test_hub_faults, with a hub that has a socket, and a secondary.
 * Each call that hub or secondary makes for a request fails once.
 */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cmocka.h>

#include <rte_common.h>

#include "control.h"
#include "ferry_errno.h"
#include "ferry_faults.h"
#include "ferry_memory.h"

/* Plays in a row without the fault that end a sweep: what threads do besides
 * is not the same each time. */
#define ENOUGH 3

/* What the test and the processes tell each other. */
static struct {
	uint32_t k;
	enum ferry_fault_kind kind;
	struct ferry_fault hit;
	int64_t blocks;
	unsigned int fds;
	/* What a client did, and how its call ended. */
	const char *step;
	int result;
} *shared;

#define SLOT 4096
/* Longer than what the hub gives without being asked. */
#define LONG (3 * MIB)

static int
do_custom(struct peer *peer, int (*custom)(struct peer *peer))
{
	const struct peer_order order = { .op = PEER_CUSTOM, .custom = custom };

	return peer_do(peer, &order).result;
}

/* In the processes. */

static int
arm(struct peer *peer)
{
	(void)peer;
	ferry_faults_arm(shared->k, shared->kind);
	return 0;
}

static int
disarm(struct peer *peer)
{
	(void)peer;
	shared->hit = ferry_faults_disarm();
	return 0;
}

static int
count(struct peer *peer)
{
	(void)peer;
	shared->blocks = ferry_faults_blocks();
	shared->fds = ferry_faults_fds();
	return 0;
}

static int
faulty_hub(struct peer *peer)
{
	const struct ferry_hub_config config = {
		.name = HUB, .memory = 2 * MIB, .socket = -1,
	};
	struct ferry_hub *hub;
	int ret;

	arm(peer);
	ret = ferry_hub_create(&hub, &config);
	if (ret == 0)
		ret = ferry_hub_destroy(hub);
	disarm(peer);
	return ret;
}

static int
step(const char *name, int ret)
{
	if (shared->result == 0 && ret != 0) {
		shared->step = name;
		shared->result = ret;
	}
	return ret;
}

/* All requests of an endpoint: the first error, which ends it in good order. */
static int
client(struct peer *peer)
{
	static const struct ferry_channel_config small = { SLOT, 16 };
	struct ferry_hub_channel list[2];
	struct ferry_endpoint *ep;
	struct ferry_tx *tx;
	struct ferry_rx *rx;
	void *mem;
	int ret;

	(void)peer;
	shared->result = 0;
	shared->step = "none";
	if (step("attach", ferry_attach(&ep, HUB, "client")) != 0)
		return 0;
	if (step("open tx", ferry_tx_open(&tx, ep, "ch", &small)) == 0) {
		if (step("open rx", ferry_rx_open(&rx, ep, "ch", NULL)) == 0)
			ferry_rx_close(rx);
		ferry_tx_close(tx);
	}
	mem = ferry_alloc(ep, LONG);
	step("alloc", mem != NULL ? 0 : FERRY_E_NO_ROOM);
	ferry_free(ep, mem);
	ret = ferry_endpoint_channels(ep, list, RTE_DIM(list));
	step("list", RTE_MIN(ret, 0));
	ferry_detach(ep);
	return 0;
}

static int
faulty_client(struct peer *peer)
{
	int ret;

	arm(peer);
	ret = client(peer);
	disarm(peer);
	return ret;
}

/* In the test. */

/* Blocks and descriptors of a process come back to what they were; threads that
 * end may still have some. */
static void
check_left(struct peer *peer, int64_t blocks, unsigned int fds)
{
	const uint64_t end = ferry_test_now_ns() + HANGS;

	do {
		assert_int_equal(do_custom(peer, count), 0);
		if (shared->blocks == blocks && shared->fds == fds)
			return;
		usleep(1000);
	} while (ferry_test_now_ns() < end);
	fail_msg("call %u, %s: %d blocks and %d descriptors are left",
		shared->k, shared->hit.name != NULL ? shared->hit.name : "none",
		(int)(shared->blocks - blocks), (int)(shared->fds - fds));
}

static void
check_result(const char *what, int ret, const int *errors)
{
	const struct ferry_fault *hit = &shared->hit;

	if (getenv("FERRY_TEST_FAULTS") != NULL)
		print_message("%s: call %u, %s: %s\n", what, shared->k,
			hit->name, ferry_strerror(ret));
	while (errors != NULL && *errors != 0 && *errors != ret)
		errors++;
	if (ret != 0 && ret != -hit->error &&
			(errors == NULL || *errors == 0))
		fail_msg("%s: call %u, %s: error %d (%s)", what, shared->k,
			hit->name, ret, ferry_strerror(ret));
}

/* A hub that others can find, with its socket. */
static void
a_hub_with_a_socket_is_made_or_not(void **state)
{
	unsigned int kind, hits = 0, none;
	struct peer hub = { 0 };
	unsigned int fds;
	int64_t blocks;
	int ret;

	(void)state;
	ferry_procs_need();
	peer_start(&hub, FERRY_EAL_HUB, NULL);
	shared->k = 0;
	assert_int_equal(do_custom(&hub, faulty_hub), 0);
	assert_int_equal(do_custom(&hub, count), 0);
	blocks = shared->blocks;
	fds = shared->fds;
	for (kind = 0; kind < FERRY_FAULT_KINDS; kind++) {
		none = 0;
		shared->kind = kind;
		for (shared->k = 1; none < ENOUGH; shared->k++) {
			const uint32_t k = shared->k;

			ret = do_custom(&hub, faulty_hub);
			none = shared->hit.name == NULL ? none + 1 : 0;
			if (none == 0) {
				hits++;
				check_result("hub made", ret, NULL);
			} else {
				assert_int_equal(ret, 0);
			}
			shared->k = 0;
			assert_int_equal(do_custom(&hub, faulty_hub), 0);
			shared->k = k;
			check_left(&hub, blocks, fds);
		}
	}
	print_message("hub with a socket: %u faults\n", hits);
	assert_true(hits > 0);
	peer_exit(&hub);
	assert_int_equal(ferry_test_leftovers(), 0);
}

/* What a client is told that lacks something itself, or whose hub does. */
static const int lacks[] = {
	-ENOMEM, -EMFILE, -ENFILE, -ENOBUFS, -EAGAIN, FERRY_E_NO_ROOM,
	FERRY_E_NO_PIDFD, 0,
};

/* The hub and the client, whichever had the fault, have what they had
 * before; and the next client is served. */
static void
check_after(struct peer *hub, struct peer *client_peer, const int64_t blocks[2],
		const unsigned int fds[2])
{
	assert_int_equal(do_custom(client_peer, client), 0);
	if (shared->result != 0)
		fail_msg("call %u, %s: the next client fails at %s (%s)",
			shared->k, shared->hit.name != NULL ?
			shared->hit.name : "none", shared->step,
			ferry_strerror(shared->result));
	check_left(hub, blocks[0], fds[0]);
	check_left(client_peer, blocks[1], fds[1]);
	peer_check_hub(hub, 0);
}

/* One side's calls fail, one after the other, while a client comes and goes. */
static void
sweep_requests(bool of_hub)
{
	unsigned int kind, hits = 0, none, fds[2];
	struct peer hub = { 0 }, peer = { 0 };
	int64_t blocks[2];
	int ret;

	ferry_procs_need();
	peer_start_hub(&hub, 16 * MIB);
	peer_start(&peer, FERRY_EAL_SECONDARY, NULL);
	/* What is kept from the first time on is no leak. */
	assert_int_equal(do_custom(&peer, client), 0);
	assert_int_equal(shared->result, 0);
	peer_check_hub(&hub, 0);
	assert_int_equal(do_custom(&hub, count), 0);
	blocks[0] = shared->blocks;
	fds[0] = shared->fds;
	assert_int_equal(do_custom(&peer, count), 0);
	blocks[1] = shared->blocks;
	fds[1] = shared->fds;
	for (kind = 0; kind < FERRY_FAULT_KINDS; kind++) {
		none = 0;
		shared->kind = kind;
		for (shared->k = 1; none < ENOUGH; shared->k++) {
			if (of_hub) {
				assert_int_equal(do_custom(&hub, arm), 0);
				assert_int_equal(do_custom(&peer, client), 0);
				ret = shared->result;
				assert_int_equal(do_custom(&hub, disarm), 0);
			} else {
				assert_int_equal(do_custom(&peer,
					faulty_client), 0);
				ret = shared->result;
			}
			none = shared->hit.name == NULL ? none + 1 : 0;
			if (none == 0) {
				hits++;
				check_result(shared->step, ret, lacks);
			} else {
				assert_int_equal(ret, 0);
			}
			check_after(&hub, &peer, blocks, fds);
		}
	}
	print_message("%s: %u faults\n", of_hub ? "hub" : "client", hits);
	assert_true(hits > 20);
	peer_exit(&peer);
	peer_exit_hub(&hub);
}

static void
a_client_whose_calls_fail_is_told_and_leaves_nothing(void **state)
{
	(void)state;
	sweep_requests(false);
}

static void
a_hub_whose_calls_fail_serves_the_next_client(void **state)
{
	(void)state;
	sweep_requests(true);
}

/* A socket that EAL would have made for a process that was killed. */
static void
socket_of_the_dead(char *path, size_t size)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	snprintf(path, size, "%s/mp_socket_1_2", control_dir());
	assert_true(strlen(path) < sizeof(sa.sun_path));
	strcpy(sa.sun_path, path);
	assert_int_equal(bind(fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
	close(fd);
}

/* As control_ask(); false if the hub has ended the connection without a
 * reply, which means that it has not begun. */
static bool
was_answered(const struct hub_request *req, int pidfd, struct hub_reply *rep)
{
	int conn = control_dial();
	bool answered = control_say(conn, req, sizeof(*req), &pidfd, 1) ==
			(ssize_t)sizeof(*req) &&
		recv(conn, rep, sizeof(*rep), 0) == (ssize_t)sizeof(*rep);

	close(conn);
	return answered;
}

/* The hub looks for these when somebody attaches. Where it could not, for
 * lack of something, it does so later by itself. */
static void
what_a_hub_could_not_sweep_it_sweeps_later(void **state)
{
	struct hub_request attach, detach = { .op = HUB_OP_DETACH };
	int self = (int)syscall(SYS_pidfd_open, getpid(), 0);
	unsigned int hits = 0, none = 0;
	struct peer hub = { 0 };
	struct hub_reply rep;
	char path[160];
	uint64_t end;

	(void)state;
	ferry_procs_need();
	assert_true(self >= 0);
	peer_start_hub(&hub, 2 * MIB);
	attach = control_attach();
	shared->kind = FERRY_FAULT_LACK;
	for (shared->k = 1; none < ENOUGH; shared->k++) {
		socket_of_the_dead(path, sizeof(path));
		assert_int_equal(do_custom(&hub, arm), 0);
		if (!was_answered(&attach, self, &rep) || rep.result != 0) {
			/* The fault was there. */
			assert_int_equal(do_custom(&hub, disarm), 0);
			assert_non_null(shared->hit.name);
			/* Unless only the reply was lost. */
			assert_true(unlink(path) == 0 || errno == ENOENT);
			continue;
		}
		end = ferry_test_now_ns() + HANGS;
		while (access(path, F_OK) == 0) {
			assert_true(ferry_test_now_ns() < end);
			usleep(1000);
		}
		assert_int_equal(do_custom(&hub, disarm), 0);
		none = shared->hit.name == NULL ? none + 1 : 0;
		hits += none == 0;
		detach.incarnation = attach.incarnation;
		detach.endpoint = rep.endpoint;
		detach.epoch = rep.epoch;
		assert_int_equal(control_ask(&detach, sizeof(detach), NULL, 0,
			&rep), 0);
	}
	print_message("sweeps: %u faults\n", hits);
	assert_true(hits > 3);
	close(self);
	peer_exit_hub(&hub);
}

static int
setup(void **state)
{
	(void)state;
	shared = ferry_test_shared(sizeof(*shared));
	/* The forked processes have it, too. */
	return shared != NULL ? ferry_faults_open() : -1;
}

int
main(int argc, char *argv[])
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(a_hub_with_a_socket_is_made_or_not,
			ferry_procs_end),
		cmocka_unit_test_teardown(
			what_a_hub_could_not_sweep_it_sweeps_later,
			ferry_procs_end),
		cmocka_unit_test_teardown(
			a_client_whose_calls_fail_is_told_and_leaves_nothing,
			ferry_procs_end),
		cmocka_unit_test_teardown(
			a_hub_whose_calls_fail_serves_the_next_client,
			ferry_procs_end),
	};

	if (argc > 1) /* one of them, by name */
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, setup, NULL);
}
