/* SPDX-License-Identifier: BSD-3-Clause */

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <rte_eal.h>

#include "ferry_clock.h"
#include "ferry_eal.h"
#include "ferry_errno.h"
#include "ferry_shortage.h"
#include "hub_ctl.h"
#include "hub_packet.h"

/* Clients that a stopped hub keeps waiting; the kernel's net.core.somaxconn
 * may lower it. */
#define BACKLOG 4096
/* Clients accepted before the monitor looks after deaths again. */
#define ACCEPTS 16
/* A client that sends nothing for so long is dropped: 10 s. */
#define IDLE_NS UINT64_C(10000000000)
/* The same if the hub needs the client's descriptor: 100 ms. */
#define IDLE_SHORT_NS UINT64_C(100000000)
/* How often to say that descriptors run out: 10 s. */
#define TELL_NS UINT64_C(10000000000)
/* How often the monitor looks while a client, a descriptor or a sweep is
 * awaited, in ms. */
#define TICK_MS 100

void
hub_socket_init(struct hub_socket *s)
{
	unsigned int i;

	memset(s, 0, sizeof(*s));
	s->dir = s->listener = s->reserve = s->self = -1;
	for (i = 0; i < HUB_CONNS; i++)
		s->conns[i].fd = -1;
}

/* Whether a process listens at a socket file: 0; -ECONNREFUSED if that process
 * has ended; or another negative errno. */
static int
probe(int type, int dir, const char *prefix, const char *name)
{
	int fd = socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct sockaddr_un sa;
	int ret = 0;

	if (fd < 0)
		return -errno;
	hub_sockaddr(&sa, dir, prefix, name);
	if (connect(fd, (struct sockaddr *)&sa, sizeof(sa)) != 0)
		ret = -errno;
	close(fd);
	return ret;
}

/*
 * Listen at the hub's name. The socket is made under another name. It is
 * renamed when it listens, so that a client finds either no socket or one that
 * listens. The rename replaces the file of a hub that was killed.
 */
static int
listen_at(struct hub_socket *s, const char *hub)
{
	char name[sizeof(HUB_SOCKET_NAME) + FERRY_NAME_MAX];
	char made[sizeof(HUB_SOCKET_NEW) + FERRY_NAME_MAX];
	struct sockaddr_un sa;
	int ret;

	ret = probe(SOCK_SEQPACKET, s->dir, HUB_SOCKET_NAME, hub);
	/* EAGAIN: that hub is alive, and has many clients waiting. */
	if (ret == 0 || ret == -EAGAIN)
		return -EEXIST;
	if (ret != -ECONNREFUSED && ret != -ENOENT)
		return ret;
	snprintf(name, sizeof(name), HUB_SOCKET_NAME "%s", hub);
	snprintf(made, sizeof(made), HUB_SOCKET_NEW "%s", hub);
	hub_sockaddr(&sa, s->dir, HUB_SOCKET_NEW, hub);
	unlinkat(s->dir, made, 0);
	s->listener = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC |
			SOCK_NONBLOCK, 0);
	/* The mode is set before bind() makes the file, so that the file never
	 * has another. */
	if (s->listener < 0 || fchmod(s->listener, S_IRUSR | S_IWUSR) != 0 ||
			bind(s->listener, (struct sockaddr *)&sa,
				sizeof(sa)) != 0)
		return -errno;
	if (listen(s->listener, BACKLOG) != 0 ||
			renameat(s->dir, made, s->dir, name) != 0) {
		ret = -errno;
		unlinkat(s->dir, made, 0);
		return ret;
	}
	return 0;
}

static void
reserve_fill(struct hub_socket *s)
{
	if (s->reserve < 0)
		s->reserve = fcntl(s->dir, F_DUPFD_CLOEXEC, 0);
}

static void
fds_close(struct hub_socket *s)
{
	int * const fds[] = { &s->dir, &s->listener, &s->reserve, &s->self };
	unsigned int i;

	for (i = 0; i < RTE_DIM(fds); i++) {
		if (*fds[i] >= 0)
			close(*fds[i]);
		*fds[i] = -1;
	}
}

int
hub_socket_open(struct ferry_hub *hub)
{
	struct hub_socket *s = &hub->socket;
	int ret, error;

	ret = ferry_eal_shared();
	if (ret <= 0)
		return ret;
	s->dir = open(rte_eal_get_runtime_dir(), O_RDONLY | O_DIRECTORY |
			O_CLOEXEC);
	if (s->dir < 0)
		return errno == ENOENT ? 0 : -errno;
	s->self = (int)syscall(SYS_pidfd_open, getpid(), 0);
	error = s->self < 0 ? errno : 0;
	/* A shortage may be over the next time, so the call fails. */
	if (ferry_is_shortage(-error))
		ret = -error;
	else
		ret = listen_at(s, hub->name);
	if (ret != 0) {
		fds_close(s);
		return ret;
	}
	ret = hub_monitor_add(hub, s->listener, HUB_EVENT_LISTENER);
	if (ret != 0) {
		hub_socket_close(hub);
		return ret;
	}
	reserve_fill(s);
	if (error != 0)
		HUB_LOG(WARNING, "%s: other processes cannot attach: "
			"pidfd_open: %s (a seccomp profile must allow it)",
			hub->name, strerror(error));
	s->sweep = true;
	return 0;
}

void
hub_socket_close(struct ferry_hub *hub)
{
	char name[sizeof(HUB_SOCKET_NAME) + FERRY_NAME_MAX];
	struct hub_socket *s = &hub->socket;
	unsigned int i;

	if (s->dir < 0)
		return;
	snprintf(name, sizeof(name), HUB_SOCKET_NAME "%s", hub->name);
	unlinkat(s->dir, name, 0);
	for (i = 0; i < HUB_CONNS; i++)
		if (s->conns[i].fd >= 0)
			close(s->conns[i].fd);
	fds_close(s);
	hub_socket_init(s);
}

/* Whether the process at the other end may ask. *pid: its pid, as the kernel
 * says. */
static int
peer_check(int conn, int32_t *pid)
{
	socklen_t len = sizeof(struct ucred);
	struct ucred cred;

	if (getsockopt(conn, SOL_SOCKET, SO_PEERCRED, &cred, &len) != 0)
		return -errno;
	*pid = cred.pid;
	return cred.uid == geteuid() || cred.uid == 0 ? 0 : -EACCES;
}

static int
reply_send(int conn, const struct hub_reply *rep, int fd)
{
	ssize_t n;

	do {
		n = hub_packet_send(conn, rep, sizeof(*rep), fd);
	} while (n < 0 && errno == EINTR);
	return n == (ssize_t)sizeof(*rep) ? 0 : -EPIPE;
}

static bool
is_gone(int conn)
{
	struct pollfd p = { .fd = conn, .events = POLLRDHUP };

	return poll(&p, 1, 0) > 0;
}

/* Log that descriptors run out, but not each time. */
static void
tell_short(struct ferry_hub *hub)
{
	struct hub_socket *s = &hub->socket;
	const uint64_t now = ferry_clock_ns();

	if (s->told != 0 && now - s->told < TELL_NS)
		return;
	s->told = now;
	HUB_LOG(WARNING, "%s: no file descriptor is left for clients: raise "
		"the limit of the hub's process (ulimit -n, LimitNOFILE=)",
		hub->name);
}

/*
 * Whether a fd is a pidfd. The hub does not check which process it stands for:
 * if an endpoint sends another process's pidfd, the hub does not notice the
 * endpoint's own death.
 */
static bool
is_pidfd(int fd)
{
	siginfo_t info;

	/* waitid() fails with ECHILD for a process that is no child, and with
	 * EBADF for a fd that is no pidfd. WNOWAIT leaves a child's status to a
	 * thread that waits for it. */
	return waitid(P_PIDFD, (id_t)fd, &info, WEXITED | WNOHANG | WNOWAIT) ==
		0 || errno != EBADF;
}

/* The checks of a request that only the socket can make, and those of
 * hub_check(). Returns the result for the reply. */
static int
request_check(struct ferry_hub *hub, const struct hub_request *req,
		const struct hub_packet *p, int conn, struct hub_asker *asker)
{
	const bool attach = req->op == HUB_OP_ATTACH;
	int ret;

	if (p->len != (ssize_t)sizeof(*req))
		return FERRY_E_VERSION;
	ret = peer_check(conn, &asker->pid);
	if (ret == 0)
		ret = hub_check(hub, req, asker);
	if (ret != 0)
		return ret;
	if (attach && p->n_fds == 0 && p->cut) {
		tell_short(hub);
		return -EMFILE;
	}
	if (attach && (p->n_fds != 1 || p->cut || !is_pidfd(p->fd)))
		return -EINVAL;
	if ((attach || req->op == HUB_OP_HELLO) && hub->socket.self < 0)
		return FERRY_E_NO_PIDFD;
	return 0;
}

/* Answer one request. */
static void
request_serve(struct ferry_hub *hub, int conn, const struct hub_request *req,
		const struct hub_packet *p)
{
	struct hub_asker asker = { .remote = true, .pidfd = p->fd };
	struct hub_reply rep;
	bool taken = false;
	int ret;

	memset(&rep, 0, sizeof(rep));
	ret = request_check(hub, req, p, conn, &asker);
	if (ret != 0) {
		rep.result = ret;
	} else if (hub_op_makes(req->op) && is_gone(conn)) {
		/* The client has gone, and what is made now would have no
		 * owner. A request that gives something back is carried out
		 * whether or not the client waits. */
		rep.result = -ETIMEDOUT;
	} else {
		hub_serve(hub, req, &asker, &rep);
		taken = req->op == HUB_OP_ATTACH && rep.result == 0;
		hub->socket.sweep |= taken;
	}
	if (p->fd >= 0 && !taken)
		close(p->fd);
	ret = reply_send(conn, &rep, req->op == HUB_OP_HELLO &&
			rep.result == 0 ? hub->socket.self : -1);
	if (ret != 0 && rep.result == 0)
		hub_undo(hub, req, &rep);
}

/* Answer a connection's request and end the connection. False if no request has
 * come yet. watched: the monitor watches the connection. */
static bool
conn_serve(struct ferry_hub *hub, int conn, bool watched)
{
	struct hub_request req = { 0 };
	struct hub_packet p;

	/* After any other error no request comes any more. */
	if (hub_packet_take(conn, &req, sizeof(req), &p) == -EAGAIN)
		return false;
	/* close() alone does not suffice: a forked child may have the same file
	 * open. */
	if (watched)
		hub_monitor_forget(hub, conn);
	/* 0: the client has closed it, or the packet is empty. */
	if (p.len > 0)
		request_serve(hub, conn, &req, &p);
	else if (p.fd >= 0)
		close(p.fd);
	close(conn);
	return true;
}

static void
conn_drop(struct ferry_hub *hub, struct hub_conn *c)
{
	/* The client's request may have come at this moment. */
	if (!conn_serve(hub, c->fd, true)) {
		hub_monitor_forget(hub, c->fd);
		close(c->fd);
	}
	c->fd = -1;
}

/* The client that has been silent for longest; or NULL. */
static struct hub_conn *
conn_oldest(struct hub_socket *s)
{
	struct hub_conn *oldest = NULL;
	unsigned int i;

	for (i = 0; i < HUB_CONNS; i++)
		if (s->conns[i].fd >= 0 && (oldest == NULL ||
				s->conns[i].since < oldest->since))
			oldest = &s->conns[i];
	return oldest;
}

/* A client connected. In most cases its request has come, too. */
static void
conn_begin(struct ferry_hub *hub, int fd)
{
	struct hub_socket *s = &hub->socket;
	struct hub_conn *c = NULL;
	unsigned int i;

	if (conn_serve(hub, fd, false))
		return;
	for (i = 0; i < HUB_CONNS && c == NULL; i++)
		if (s->conns[i].fd < 0)
			c = &s->conns[i];
	if (c == NULL) {
		c = conn_oldest(s);
		conn_drop(hub, c);
	}
	c->fd = fd;
	c->since = ferry_clock_ns();
	if (hub_monitor_add(hub, fd, HUB_EVENT_CONN +
			(uint32_t)(c - s->conns)) != 0)
		conn_drop(hub, c);
}

/* Do not watch the listener for a while. */
static void
listener_pause(struct ferry_hub *hub)
{
	struct hub_socket *s = &hub->socket;

	s->paused = ferry_clock_ns();
	hub_monitor_set(hub, s->listener, HUB_EVENT_LISTENER, false);
}

static void
listener_resume(struct ferry_hub *hub)
{
	struct hub_socket *s = &hub->socket;

	s->paused = 0;
	hub_monitor_set(hub, s->listener, HUB_EVENT_LISTENER, true);
}

/* Accept a client when no descriptor is left: free one first. */
static int
accept_short(struct ferry_hub *hub)
{
	struct hub_socket *s = &hub->socket;
	struct hub_conn *c;

	tell_short(hub);
	if (s->reserve >= 0) {
		close(s->reserve);
		s->reserve = -1;
	} else {
		c = conn_oldest(s);
		if (c == NULL || ferry_clock_ns() - c->since < IDLE_SHORT_NS) {
			errno = EMFILE;
			return -1;
		}
		conn_drop(hub, c);
	}
	return accept4(s->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
}

void
hub_socket_accept(struct ferry_hub *hub)
{
	struct hub_socket *s = &hub->socket;
	unsigned int i;
	int fd;

	for (i = 0; i < ACCEPTS; i++) {
		fd = accept4(s->listener, NULL, NULL, SOCK_NONBLOCK |
				SOCK_CLOEXEC);
		if (fd < 0 && (errno == EMFILE || errno == ENFILE))
			fd = accept_short(hub);
		if (fd >= 0) {
			conn_begin(hub, fd);
			reserve_fill(s);
		} else if (errno == EAGAIN || errno == EWOULDBLOCK) {
			return;
		} else if (errno != EINTR && errno != ECONNABORTED) {
			/* The clients wait, and are accepted when there is a
			 * descriptor again. */
			listener_pause(hub);
			return;
		}
	}
}

void
hub_socket_ready(struct ferry_hub *hub, uint32_t conn)
{
	struct hub_conn *c = &hub->socket.conns[conn];

	if (c->fd >= 0 && conn_serve(hub, c->fd, true))
		c->fd = -1;
}

/*
 * Remove the sockets that EAL made for secondaries that were killed. If no
 * process listens at a socket's file, the file is left over, whatever number is
 * in its name. Returns false if the sweep has to be repeated, because a
 * descriptor or memory was lacking.
 */
static bool
sweep(struct hub_socket *s)
{
	int fd = openat(s->dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), ret;
	DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
	struct dirent *e;
	bool done = true;

	if (dir == NULL) {
		if (fd >= 0)
			close(fd);
		return false;
	}
	while ((errno = 0, e = readdir(dir)) != NULL) {
		if (strncmp(e->d_name, "mp_socket_", 10) != 0 ||
				strlen(e->d_name) >= FERRY_NAME_MAX)
			continue;
		ret = probe(SOCK_DGRAM, s->dir, "", e->d_name);
		if (ret == -ECONNREFUSED)
			unlinkat(s->dir, e->d_name, 0);
		done &= !ferry_is_shortage(ret);
	}
	done &= errno == 0;
	closedir(dir);
	return done;
}

void
hub_socket_tick(struct ferry_hub *hub)
{
	struct hub_socket *s = &hub->socket;
	uint64_t now, most;
	unsigned int i;

	if (s->listener < 0)
		return;
	now = ferry_clock_ns();
	reserve_fill(s);
	most = s->reserve < 0 ? IDLE_SHORT_NS : IDLE_NS;
	for (i = 0; i < HUB_CONNS; i++)
		if (s->conns[i].fd >= 0 && now - s->conns[i].since > most)
			conn_drop(hub, &s->conns[i]);
	reserve_fill(s);
	if (s->paused != 0 && now - s->paused >= IDLE_SHORT_NS)
		listener_resume(hub);
	if (s->sweep && now - s->swept >= IDLE_SHORT_NS) {
		s->sweep = !sweep(s);
		s->swept = s->sweep ? now : 0;
	}
}

int
hub_socket_patience(const struct ferry_hub *hub)
{
	const struct hub_socket *s = &hub->socket;
	unsigned int i;

	if (s->sweep && s->swept == 0)
		return 0;
	if (s->sweep || s->paused != 0 || (s->listener >= 0 && s->reserve < 0))
		return TICK_MS;
	for (i = 0; i < HUB_CONNS; i++)
		if (s->conns[i].fd >= 0)
			return TICK_MS;
	return -1;
}
