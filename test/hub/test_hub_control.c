/* SPDX-License-Identifier: BSD-3-Clause */

/* Requests to a hub: nonsense, clients that keep silent, other users, processes
 * without free descriptors, children; and the sockets in the hub's
 * directory. */

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include <rte_common.h>
#include <rte_log.h>

#include "ferry_engine.h"
#include "ferry_errno.h"
#include "ferry_memory.h"
#include "control.h"

#define CHANNEL "bytes.0"

static const struct ferry_channel_config small = { 256, 64 };

/* Ask, with so many fds that are good for nothing. */
static int
ask_n(const void *data, size_t len, unsigned int n)
{
	static const int fds[8];
	struct hub_reply rep;

	return control_ask(data, len, fds, n, &rep);
}

static void
ask_nonsense(void)
{
	const struct hub_request good = control_attach();
	uint8_t noise[2 * sizeof(good)];
	struct hub_request req = good;
	uint64_t random = 5;
	struct hub_reply rep;
	unsigned int i, k;
	int pair[2], self[1];
	size_t len;

#define EXPECT(n_fds, want) \
	assert_int_equal(ask_n(&req, sizeof(req), n_fds), want)

	req.version++;
	EXPECT(1, FERRY_E_VERSION);
	req = good;
	req.layout ^= 1;
	EXPECT(1, FERRY_E_VERSION);
	req.op = HUB_OP_HELLO;
	EXPECT(0, FERRY_E_VERSION);
	/* Longer or shorter than a request is. */
	req = good;
	memcpy(noise, &req, sizeof(req));
	assert_int_equal(ask_n(noise, sizeof(req) - 1, 1), FERRY_E_VERSION);
	assert_int_equal(ask_n(noise, sizeof(req) + 1, 1), FERRY_E_VERSION);
	socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair);
	assert_int_equal(control_ask(&req, sizeof(req), pair, 1, &rep),
		-EINVAL);
	close(pair[0]);
	close(pair[1]);
	/* No pidfd, or several, or a fd that is none. */
	EXPECT(0, -EINVAL);
	EXPECT(1, -EINVAL);
	EXPECT(2, -EINVAL);
	EXPECT(8, -EINVAL);
	/* With one: an earlier hub; odd names. */
	self[0] = (int)syscall(SYS_pidfd_open, getpid(), 0);
	req.incarnation ^= 1;
	assert_int_equal(control_ask(&req, sizeof(req), self, 1, &rep),
		FERRY_E_HUB_GONE);
	req = good;
	memset(req.name, 'x', sizeof(req.name));
	assert_int_equal(control_ask(&req, sizeof(req), self, 1, &rep),
		-EINVAL);
	req = good;
	req.name[0] = '/';
	assert_int_equal(control_ask(&req, sizeof(req), self, 1, &rep),
		-EINVAL);
	close(self[0]);
	for (i = 0; i < 4; i++) {
		req = good;
		req.op = i == 0 ? 0 : i == 1 ? 99 : i == 2 ? HUB_OP_LAST + 1 :
			UINT32_MAX;
		EXPECT(0, -EINVAL);
	}
	req.op = HUB_OP_OPEN;
	req.role = 2;
	EXPECT(0, -EINVAL);
	/* Endpoints that are not, ends that are not. */
	req.role = 1;
	req.endpoint = 9;
	EXPECT(0, FERRY_E_HUB_GONE);
	req.endpoint = UINT32_MAX;
	req.epoch = 0;
	EXPECT(0, FERRY_E_HUB_GONE);
	/* What an endpoint of an earlier hub of this name may still send, and
	 * what is in the name of an endpoint that another process has. */
	for (i = HUB_OP_DETACH; i <= HUB_OP_UNREGISTER; i++) {
		req.op = i;
		req.endpoint = 0;
		req.epoch = 1;
		req.id = 1;
		req.incarnation = good.incarnation ^ 1;
		EXPECT(i % 2 ? 8 : 0, FERRY_E_HUB_GONE);
		req.incarnation = good.incarnation;
		EXPECT(i % 2 ? 8 : 0, -EPERM);
	}
#undef EXPECT

	for (i = 0; i < 3000; i++) {
		for (k = 0; k < sizeof(noise); k++)
			noise[k] = (uint8_t)ferry_test_random(&random);
		len = i % 2 ? (size_t)(ferry_test_random(&random) %
			sizeof(noise)) + 1 : sizeof(req);
		if (i % 4 == 0) {
			/* Nearly right, but for an endpoint that there is
			 * not. */
			req = good;
			req.endpoint = 77;
			req.op = (uint32_t)(ferry_test_random(&random) %
				(HUB_OP_LAST + 1));
			req.role = (uint32_t)(ferry_test_random(&random) % 3);
			memcpy(noise, &req, sizeof(req));
			noise[ferry_test_random(&random) % sizeof(req)] ^= 1;
		}
		ask_n(noise, len, i % 4 == 0 ? 0 :
			(unsigned int)(ferry_test_random(&random) % 9));
	}
}

static void
nonsense_does_not_harm_the_hub(void **state)
{
	struct peer hub = { 0 }, b = { 0 };
	unsigned int before;

	(void)state;
	ferry_procs_need();
	peer_start_hub(&hub, 8 * MIB);
	peer_start_endpoint(&b);
	assert_int_equal(peer_open(&b, PEER_OPEN_TX, CHANNEL, &small), 0);
	before = hub_fds(&hub);
	ask_nonsense();
	await_fds(hub.proc.pid, before);
	assert_int_equal(peer_simple(&b, PEER_CLOSE), 0);
	peer_check_hub(&hub, 1);
	assert_int_equal(peer_open(&b, PEER_OPEN_RX, CHANNEL, &small), 0);
	peer_exit(&b);
	peer_exit_hub(&hub);
}

static void
a_hub_knows_who_asks_from_the_kernel(void **state)
{
	const struct peer_order info = { .op = PEER_INFO };
	struct peer hub = { 0 }, b = { 0 };
	struct hub_request req;
	struct hub_reply rep;
	struct peer_report got;
	int self;

	(void)state;
	ferry_procs_need();
	peer_start_hub(&hub, 8 * MIB);
	peer_start_endpoint(&b);
	self = (int)syscall(SYS_pidfd_open, getpid(), 0);
	assert_true(self >= 0);
	req = control_attach();
	assert_int_equal(control_ask(&req, sizeof(req), &self, 1, &rep), 0);
	req.op = HUB_OP_OPEN;
	req.endpoint = rep.endpoint;
	req.epoch = rep.epoch;
	req.config = small;
	assert_int_equal(control_ask(&req, sizeof(req), NULL, 0, &rep), 0);
	got = peer_do(&hub, &info);
	assert_int_equal(got.n_channels, 1);
	assert_int_equal(got.channels[0].tx.pid, getpid());
	/* In the name of the other one's endpoint, which came first. */
	req.op = HUB_OP_DETACH;
	req.endpoint = 0;
	req.epoch = 1;
	assert_int_equal(control_ask(&req, sizeof(req), NULL, 0, &rep), -EPERM);
	req.endpoint = 1;
	req.epoch = 2;
	assert_int_equal(control_ask(&req, sizeof(req), NULL, 0, &rep), 0);
	peer_check_hub(&hub, 1);
	close(self);
	peer_exit(&b);
	peer_exit_hub(&hub);
}

static void
the_silent_and_the_deaf_keep_nobody_waiting(void **state)
{
	const struct hub_request hello = {
		.op = HUB_OP_HELLO,
		.version = FERRY_CHANNEL_VERSION,
		.layout = ferry_channel_layout_hash(),
	};
	struct peer_order attach = { .op = PEER_ATTACH, .name = HUB };
	struct peer hub = { 0 }, b = { 0 };
	int silent[3 * HUB_CONNS], deaf[300];
	struct peer_report rep;
	unsigned int before, i;

	(void)state;
	ferry_procs_need();
	peer_start_hub(&hub, 8 * MIB);
	peer_start(&b, FERRY_EAL_SECONDARY, NULL);
	before = hub_fds(&hub);
	for (i = 0; i < RTE_DIM(silent); i++)
		silent[i] = control_dial();
	for (i = 0; i < RTE_DIM(deaf); i++) {
		deaf[i] = control_dial();
		assert_int_equal(control_say(deaf[i], &hello, sizeof(hello),
			NULL, 0), sizeof(hello));
	}
	rep = peer_do(&b, &attach);
	assert_int_equal(rep.result, 0);
	assert_int_equal(peer_open(&b, PEER_OPEN_TX, CHANNEL, &small), 0);
	/* Not more of the hub's descriptors than it means to give: connections
	 * and the pidfd of the one that attached; for a moment also one that it
	 * has just accepted, one that came with it, and one of /proc. */
	assert_true(fds_of(hub.proc.pid) <= before + HUB_CONNS + 4);
	for (i = 0; i < RTE_DIM(silent); i++)
		close(silent[i]);
	for (i = 0; i < RTE_DIM(deaf); i++)
		close(deaf[i]);
	assert_int_equal(peer_simple(&b, PEER_DETACH), 0);
	await_fds(hub.proc.pid, before);
	peer_check_hub(&hub, 0);
	peer_exit(&b);
	peer_exit_hub(&hub);
}

/* As container runtimes do that know no pidfd_open(). */
static int
refuse_pidfd_open(struct peer *peer)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
			offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_pidfd_open, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog filter = {
		.len = RTE_DIM(code), .filter = code,
	};

	(void)peer;
	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
		syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER,
			SECCOMP_FILTER_FLAG_TSYNC, &filter) == 0 ? 0 : -errno;
}

static void
without_pidfd_open_attaching_is_refused_in_words(void **state)
{
	const struct peer_order attach = { .op = PEER_ATTACH, .name = HUB };
	const struct peer_order create = {
		.op = PEER_CREATE, .name = HUB, .n = 8 * MIB,
	};
	const struct peer_order refuse = {
		.op = PEER_CUSTOM, .custom = refuse_pidfd_open,
	};
	struct peer hub = { 0 }, a = { 0 };

	(void)state;
	ferry_procs_need();
	assert_non_null(strstr(ferry_strerror(FERRY_E_NO_PIDFD), "pidfd_open"));
	assert_non_null(strstr(ferry_strerror(FERRY_E_NO_PIDFD), "seccomp"));
	/* The client's. */
	peer_start_hub(&hub, 8 * MIB);
	peer_start(&a, FERRY_EAL_SECONDARY, NULL);
	assert_int_equal(peer_do(&a, &refuse).result, 0);
	assert_int_equal(peer_do(&a, &attach).result, FERRY_E_NO_PIDFD);
	peer_check_hub(&hub, 0);
	peer_exit(&a);
	peer_exit_hub(&hub);
	/* The hub's, which serves its own process all the same. */
	peer_start(&hub, FERRY_EAL_HUB, NULL);
	assert_int_equal(peer_do(&hub, &refuse).result, 0);
	assert_int_equal(peer_do(&hub, &create).result, 0);
	assert_int_equal(peer_do(&hub, &attach).result, 0);
	assert_int_equal(peer_simple(&hub, PEER_DETACH), 0);
	peer_start(&a, FERRY_EAL_SECONDARY, NULL);
	assert_int_equal(peer_do(&a, &attach).result, FERRY_E_NO_PIDFD);
	peer_exit(&a);
	peer_exit_hub(&hub);
}

/* What the kernel says of descriptors. For threads that are started from now
 * on, too. */
static int
hide_fdinfo(struct peer *peer)
{
	(void)peer;
	if (unshare(CLONE_NEWNS) != 0 || mount("none", "/", NULL, MS_REC |
			MS_PRIVATE, NULL) != 0)
		return -errno;
	return mount("none", "/proc/self/fdinfo", "tmpfs", 0, NULL) == 0 ? 0 :
		-errno;
}

static void
a_pidfd_is_known_by_what_it_does(void **state)
{
	const struct peer_order create = {
		.op = PEER_CREATE, .name = HUB, .n = 8 * MIB,
	};
	const struct peer_order hide = {
		.op = PEER_CUSTOM, .custom = hide_fdinfo,
	};
	struct peer hub = { 0 }, a = { 0 };

	(void)state;
	ferry_procs_need();
	peer_start(&hub, FERRY_EAL_HUB, NULL);
	if (peer_do(&hub, &hide).result != 0) {
		print_message("skipped: no mount namespace\n");
		skip();
	}
	assert_int_equal(peer_do(&hub, &create).result, 0);
	peer_start_endpoint(&a);
	peer_check_hub(&hub, 1);
	peer_exit(&a);
	peer_exit_hub(&hub);
}

static void
limit_fds(pid_t pid, rlim_t n)
{
	struct rlimit rl;

	assert_int_equal(prlimit(pid, RLIMIT_NOFILE, NULL, &rl), 0);
	rl.rlim_cur = n;
	assert_int_equal(prlimit(pid, RLIMIT_NOFILE, &rl, NULL), 0);
}

/* Descriptors that fill what the limit leaves; in the process that runs out. */
static struct {
	int fds[200];
	int n;
	struct rlimit was;
} filler;

/* Runs in the hub: up to its highest one, no descriptor is free. */
static int
fill_fds(struct peer *peer)
{
	int fd = fcntl(STDERR_FILENO, F_DUPFD, 100);

	(void)peer;
	/* It has no descriptor above that one. */
	filler.n = 0;
	getrlimit(RLIMIT_NOFILE, &filler.was);
	limit_fds(getpid(), (rlim_t)fd + 1);
	do {
		if (filler.n == (int)RTE_DIM(filler.fds))
			return -ENFILE;
		filler.fds[filler.n++] = fd;
		fd = open("/dev/null", O_RDONLY);
	} while (fd >= 0);
	return errno == EMFILE ? 0 : -errno;
}

static int
free_fds(struct peer *peer)
{
	(void)peer;
	while (filler.n > 0)
		close(filler.fds[--filler.n]);
	return setrlimit(RLIMIT_NOFILE, &filler.was);
}

/* What the hub says meanwhile. */
static struct {
	FILE *stream;
	char *text;
	size_t size;
} said;

static int
log_begin(struct peer *peer)
{
	(void)peer;
	rte_log_set_global_level(RTE_LOG_WARNING);
	rte_log_set_level_pattern("ferry.hub", RTE_LOG_WARNING);
	said.stream = open_memstream(&said.text, &said.size);
	return said.stream != NULL ? rte_openlog_stream(said.stream) : -errno;
}

/* How often it said that descriptors run out. */
static int
log_end(struct peer *peer)
{
	const char *at;
	int n = 0;

	(void)peer;
	rte_log_set_global_level(RTE_LOG_ERR);
	rte_openlog_stream(NULL);
	fclose(said.stream);
	for (at = said.text; (at = strstr(at, "raise the limit of the hub's "
			"process")) != NULL; at++)
		n++;
	free(said.text);
	return n;
}

static void
a_hub_without_descriptors_refuses_newcomers_and_serves_the_others(void **state)
{
	const struct peer_order attach = { .op = PEER_ATTACH, .name = HUB };
	const struct peer_order fill = {
		.op = PEER_CUSTOM, .custom = fill_fds,
	};
	const struct peer_order unfill = {
		.op = PEER_CUSTOM, .custom = free_fds,
	};
	const struct peer_order begin = {
		.op = PEER_CUSTOM, .custom = log_begin,
	};
	const struct peer_order end = { .op = PEER_CUSTOM, .custom = log_end };
	struct peer hub = { 0 }, a = { 0 }, b = { 0 };
	struct peer_report rep;
	unsigned int before;
	uint64_t start;
	int i, silent;

	(void)state;
	ferry_procs_need();
	peer_start_hub(&hub, 8 * MIB);
	peer_start_endpoint(&a);
	peer_start(&b, FERRY_EAL_SECONDARY, NULL);
	before = hub_fds(&hub);
	start = ferry_test_now_ns();
	assert_int_equal(peer_do(&hub, &begin).result, 0);
	for (i = 0; i < 4; i++) {
		assert_int_equal(peer_do(&hub, &fill).result, 0);
		/* In every other round a silent client has the last one. */
		silent = i % 2 ? control_dial() : -1;
		rep = peer_do(&b, &attach);
		assert_int_equal(rep.result, -EMFILE);
		assert_int_equal(peer_open(&a, PEER_OPEN_TX, CHANNEL, &small),
			0);
		assert_int_equal(peer_simple(&a, PEER_CLOSE), 0);
		if (silent >= 0)
			close(silent);
		assert_int_equal(peer_do(&hub, &unfill).result, 0);
		assert_int_equal(peer_do(&b, &attach).result, 0);
		peer_check_hub(&hub, 2);
		assert_int_equal(peer_simple(&b, PEER_DETACH), 0);
		await_fds(hub.proc.pid, before);
	}
	/* It said so, but no more often than every 10 s. */
	assert_in_range(peer_do(&hub, &end).result, 1,
		1 + (ferry_test_now_ns() - start) / SECONDS(10));
	peer_exit(&a);
	peer_exit(&b);
	peer_exit_hub(&hub);
}

/* Runs in a secondary. */
static int
run_out_of_fds(struct peer *peer)
{
	const rlim_t most = fds_of(getpid()) + 60;
	struct ferry_endpoint *ep;
	int fds[100], n = 0, free_fds, ret, i;

	limit_fds(getpid(), most);
	/* With so many left, up to where it works. */
	for (free_fds = 0, ret = -EMFILE; ret == -EMFILE; free_fds++) {
		while (n < (int)RTE_DIM(fds) &&
				(fds[n] = open("/dev/null", O_RDONLY)) >= 0)
			n++;
		if (n < free_fds || free_fds > 20)
			return -ENFILE;
		for (i = 0; i < free_fds; i++)
			close(fds[--n]);
		ret = ferry_attach(&ep, HUB, "full");
		if (ret == 0)
			ferry_detach(ep);
	}
	if (ret != 0 || free_fds < 2)
		return ret != 0 ? ret : -EPROTO;
	while (n < (int)RTE_DIM(fds) &&
			(fds[n] = open("/dev/null", O_RDONLY)) >= 0)
		n++;
	/* An endpoint that is attached can close what it has and open more,
	 * though its process has no file descriptor left. */
	ferry_tx_close(peer->tx);
	ret = ferry_rx_open(&peer->rx, peer->ep, "full", &small);
	while (n > 0)
		close(fds[--n]);
	return ret;
}

static void
a_process_without_descriptors_is_told_and_goes_on_with_those_it_has(
		void **state)
{
	const struct peer_order run_out = {
		.op = PEER_CUSTOM, .custom = run_out_of_fds,
	};
	const struct peer_order info = { .op = PEER_INFO };
	struct peer hub = { 0 }, a = { 0 };
	struct peer_report rep;

	(void)state;
	ferry_procs_need();
	peer_start_hub(&hub, 8 * MIB);
	peer_start_endpoint(&a);
	assert_int_equal(peer_open(&a, PEER_OPEN_TX, CHANNEL, &small), 0);
	assert_int_equal(peer_do(&a, &run_out).result, 0);
	rep = peer_do(&hub, &info);
	assert_int_equal(rep.info.endpoints, 1);
	assert_int_equal(rep.n_channels, 1);
	assert_string_equal(rep.channels[0].name, "full");
	peer_exit(&a);
	peer_exit_hub(&hub);
}

/* Sockets of EAL's secondaries in the runtime directory. */
static unsigned int
sockets(void)
{
	DIR *dir = opendir(control_dir());
	unsigned int n = 0;
	struct dirent *e;

	assert_non_null(dir);
	while ((e = readdir(dir)) != NULL)
		n += strncmp(e->d_name, "mp_socket_", 10) == 0;
	closedir(dir);
	return n;
}

static void
await_sockets(unsigned int n)
{
	const uint64_t end = ferry_test_now_ns() + HANGS;

	while (sockets() != n) {
		if (ferry_test_now_ns() > end)
			fail_msg("%u sockets, not %u", sockets(), n);
		usleep(1000);
	}
}

static void
the_hub_removes_the_sockets_of_the_dead_and_of_no_other(void **state)
{
	struct peer hub = { 0 }, stays = { 0 }, a = { 0 };
	int i;

	(void)state;
	ferry_procs_need();
	peer_start_hub(&hub, 8 * MIB);
	peer_start_endpoint(&stays);
	for (i = 0; i < 3; i++) {
		peer_start_endpoint(&a);
		assert_int_equal(sockets(), 2);
		ferry_proc_kill(&a.proc);
		await_sockets(1);
	}
	/* One that was never attached is found when the next one comes. */
	peer_start(&a, FERRY_EAL_SECONDARY, NULL);
	ferry_proc_kill(&a.proc);
	assert_int_equal(sockets(), 2);
	peer_start_endpoint(&a);
	await_sockets(2);
	peer_exit(&stays);
	/* What a hub that was killed could not see. */
	ferry_proc_kill(&hub.proc);
	ferry_proc_kill(&a.proc);
	assert_int_equal(sockets(), 1);
	peer_start_hub(&hub, 8 * MIB);
	await_sockets(0);
	peer_exit_hub(&hub);
}

static void
a_hubs_name_is_taken_as_long_as_somebody_listens_there(void **state)
{
	struct peer_order create = { .op = PEER_CREATE, .n = 2 * MIB };
	struct peer_order attach = { .op = PEER_ATTACH };
	struct peer hub = { 0 }, a = { 0 };
	struct sockaddr_un sa;
	struct stat st;
	int other;

	(void)state;
	ferry_procs_need();
	/* As long as a name can be. */
	memset(create.name, 'n', FERRY_NAME_MAX - 1);
	memcpy(attach.name, create.name, sizeof(attach.name));
	peer_start(&hub, FERRY_EAL_HUB, NULL);
	other = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	memset(&sa, 0, sizeof(sa));
	sa.sun_family = AF_UNIX;
	assert_int_equal(chdir(control_dir()), 0);
	snprintf(sa.sun_path, sizeof(sa.sun_path), HUB_SOCKET_NAME "%s",
		create.name);
	assert_int_equal(bind(other, (struct sockaddr *)&sa, sizeof(sa)), 0);
	assert_int_equal(listen(other, 1), 0);
	assert_int_equal(peer_do(&hub, &create).result, -EEXIST);
	/* Its process has ended. */
	close(other);
	assert_int_equal(peer_do(&hub, &create).result, 0);
	assert_int_equal(stat(sa.sun_path, &st), 0);
	assert_int_equal(st.st_mode, S_IFSOCK | S_IRUSR | S_IWUSR);
	assert_int_equal(chdir("/"), 0);
	peer_start(&a, FERRY_EAL_SECONDARY, NULL);
	assert_int_equal(peer_do(&a, &attach).result, 0);
	peer_exit(&a);
	peer_exit_hub(&hub);
}

/* As another user, who got at the socket somehow: 0 or 1. */
static int
ask_as_stranger(void)
{
	const struct hub_request hello = {
		.op = HUB_OP_HELLO,
		.version = FERRY_CHANNEL_VERSION,
		.layout = ferry_channel_layout_hash(),
	};
	struct sockaddr_un sa = {
		.sun_family = AF_UNIX, .sun_path = HUB_SOCKET_NAME HUB,
	};
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	struct hub_reply rep;

	if (chdir(control_dir()) != 0 || setresuid(65534, 65534, 65534) != 0 ||
			connect(fd, (struct sockaddr *)&sa, sizeof(sa)) != 0 ||
			control_say(fd, &hello, sizeof(hello), NULL, 0) < 0 ||
			recv(fd, &rep, sizeof(rep), 0) != sizeof(rep))
		return 1;
	return rep.result == -EACCES ? 0 : 1;
}

static void
another_user_is_refused(void **state)
{
	struct peer hub = { 0 };
	struct sockaddr_un sa;
	int status;
	pid_t pid;

	(void)state;
	ferry_procs_need();
	peer_start_hub(&hub, 8 * MIB);
	close(control_socket(HUB_SOCKET_NAME HUB, &sa));
	assert_int_equal(chmod(control_dir(), 0711), 0);
	assert_int_equal(chmod(sa.sun_path, 0666), 0);
	pid = fork();
	if (pid == 0)
		_exit(ask_as_stranger());
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_true(control_incarnation() != 0);
	peer_exit_hub(&hub);
}

/* What a child may not do in the name of its parent: 0, or the line. */
static int
act_for_parent(struct peer *peer)
{
	struct ferry_hub_channel list[2];
	struct ferry_tx *tx;
	char page[4096];

	if (ferry_tx_open(&tx, peer->ep, "child", NULL) != FERRY_E_FORKED ||
			ferry_rx_open(&peer->rx, peer->ep, "child", NULL) !=
				FERRY_E_FORKED)
		return __LINE__;
	if (ferry_endpoint_channels(peer->ep, list, 2) != FERRY_E_FORKED)
		return __LINE__;
	if (ferry_alloc(peer->ep, 4096) != NULL ||
			ferry_register(peer->ep, page, 4096) !=
				FERRY_E_FORKED ||
			ferry_unregister(peer->ep, page, 4096) !=
				FERRY_E_FORKED)
		return __LINE__;
	ferry_tx_close(peer->tx);
	ferry_detach(peer->ep);
	return 0;
}

/* ... and of a hub. */
static int
act_for_hub(struct peer *peer)
{
	struct ferry_endpoint *ep;
	struct ferry_engine *engine;
	struct ferry_hub *hub;

	if (ferry_hub_destroy(peer->hub) != FERRY_E_FORKED ||
			ferry_hub_create(&hub, NULL) != FERRY_E_FORKED)
		return __LINE__;
	if (ferry_attach(&ep, HUB, "child") != FERRY_E_FORKED)
		return __LINE__;
	if (ferry_engine_create(&engine, peer->hub, NULL) != FERRY_E_FORKED ||
			ferry_hub_move(peer->hub, 1, NULL) != FERRY_E_FORKED)
		return __LINE__;
	return 0;
}

/* Run something in a child: 0 if that returned 0. */
static int
in_child(struct peer *peer, int (*fn)(struct peer *peer))
{
	pid_t pid = fork();
	int status, line;

	if (pid == 0) {
		alarm(30);
		line = fn(peer);
		if (line != 0)
			fprintf(stderr, "line %d\n", line);
		_exit(line != 0);
	}
	return waitpid(pid, &status, 0) == pid && status == 0 ? 0 : -EPROTO;
}

static int
fork_endpoint(struct peer *peer)
{
	return in_child(peer, act_for_parent);
}

static int
fork_hub(struct peer *peer)
{
	return in_child(peer, act_for_hub);
}

static void
a_child_does_not_act_for_its_parent(void **state)
{
	const struct peer_order endpoint = {
		.op = PEER_CUSTOM, .custom = fork_endpoint,
	};
	const struct peer_order child_of_hub = {
		.op = PEER_CUSTOM, .custom = fork_hub,
	};
	struct peer_order wait = {
		.op = PEER_WAIT_RX, .wait = FERRY_WAIT_SLEEP,
		.timeout_ns = UINT64_MAX,
	};
	const struct peer_order info = { .op = PEER_INFO };
	struct peer hub = { 0 }, a = { 0 };
	struct peer_report rep;

	(void)state;
	ferry_procs_need();
	peer_start_hub(&hub, 8 * MIB);
	peer_start_endpoint(&a);
	assert_int_equal(peer_open(&a, PEER_OPEN_TX, CHANNEL, &small), 0);
	assert_int_equal(peer_do(&a, &endpoint).result, 0);
	assert_int_equal(peer_do(&hub, &child_of_hub).result, 0);
	rep = peer_do(&hub, &info);
	assert_int_equal(rep.info.endpoints, 1);
	assert_int_equal(rep.n_channels, 1);
	assert_int_equal(rep.channels[0].tx.state, FERRY_END_OPEN);
	/* The parent's watcher still waits for the hub's death. */
	assert_int_equal(peer_open(&a, PEER_OPEN_RX, CHANNEL, NULL), 0);
	peer_order(&a, &wait);
	usleep(100000);
	ferry_proc_kill(&hub.proc);
	assert_int_equal(peer_report(&a).result, FERRY_E_HUB_GONE);
	peer_exit(&a);
}

int
main(int argc, char *argv[])
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(
			nonsense_does_not_harm_the_hub, ferry_procs_end),
		cmocka_unit_test_teardown(
			a_hub_knows_who_asks_from_the_kernel, ferry_procs_end),
		cmocka_unit_test_teardown(
			the_silent_and_the_deaf_keep_nobody_waiting,
			ferry_procs_end),
		cmocka_unit_test_teardown(
			a_pidfd_is_known_by_what_it_does, ferry_procs_end),
		cmocka_unit_test_teardown(
			without_pidfd_open_attaching_is_refused_in_words,
			ferry_procs_end),
		cmocka_unit_test_teardown(
	a_hub_without_descriptors_refuses_newcomers_and_serves_the_others,
			ferry_procs_end),
		cmocka_unit_test_teardown(
	a_process_without_descriptors_is_told_and_goes_on_with_those_it_has,
			ferry_procs_end),
		cmocka_unit_test_teardown(
			the_hub_removes_the_sockets_of_the_dead_and_of_no_other,
			ferry_procs_end),
		cmocka_unit_test_teardown(
			a_hubs_name_is_taken_as_long_as_somebody_listens_there,
			ferry_procs_end),
		cmocka_unit_test_teardown(
			another_user_is_refused, ferry_procs_end),
		cmocka_unit_test_teardown(
			a_child_does_not_act_for_its_parent, ferry_procs_end),
	};

	if (argc > 1) /* one of them, by name */
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
