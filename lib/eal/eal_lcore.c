/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Takes lcore ids that no other process with the same file prefix has. EAL
 * numbers the lcores of each process from 0. But EAL keeps data per lcore id in
 * memory that all processes share. For example, the mempool cache of an lcore
 * has no lock. So two processes must not use the same id.
 *
 * A file in the runtime directory has a lock for each id. A lock belongs to the
 * open file and not to the process (F_OFD_SETLK). So other descriptors of the
 * file, and other threads, do not matter. The kernel drops the lock when the
 * last descriptor of that open file is closed. That happens at the latest when
 * the process ends, in whatever way. A child that was forked from the process
 * has such a descriptor, too. So if the parent is killed, its ids are free only
 * when the child has ended or called exec(). A parent that ends EAL unlocks the
 * ids itself, so that its children do not matter.
 */

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_lcore.h>

#include "eal_private.h"
#include "ferry_errno.h"
#include "ferry_process.h"

/* Bytes of the file for one id. The lock of the id covers them. They hold the
 * name of the process that has the id, for error messages. */
#define RECORD 64

/* The ids that this process holds. It is a global variable, because a process
 * has only one EAL. */
static struct {
	pthread_mutex_t lock;
	int fd;
	bool held[RTE_MAX_LCORE];
} ids = { .lock = PTHREAD_MUTEX_INITIALIZER, .fd = -1 };

/* Lock an id. Returns 1 if this process has the id now, 0 if another process
 * has it, or a negative errno if files cannot be locked here. */
static int
try_lock(unsigned int id)
{
	struct flock range = {
		.l_type = F_WRLCK,
		.l_whence = SEEK_SET,
		.l_start = (off_t)id * RECORD,
		.l_len = RECORD,
	};
	char record[RECORD] = "";
	char command[32];

	if (ids.held[id])
		return 1;
	if (fcntl(ids.fd, F_OFD_SETLK, &range) != 0)
		return errno == EAGAIN || errno == EACCES ? 0 : -errno;
	ids.held[id] = true;
	eal_fds_command(getpid(), command, sizeof(command));
	snprintf(record, sizeof(record), "%d (%s)", (int)getpid(), command);
	/* An error does not matter, because the record only serves messages. */
	(void)!pwrite(ids.fd, record, sizeof(record), range.l_start);
	return 1;
}

static void
owner_of(unsigned int id, char *out)
{
	if (pread(ids.fd, out, RECORD, (off_t)id * RECORD) != RECORD)
		out[0] = '\0';
	out[RECORD - 1] = '\0';
	if (out[0] == '\0')
		strcpy(out, "?");
}

static int
open_file(int dir)
{
	if (ids.fd < 0)
		ids.fd = eal_openat(dir, EAL_LCORE_FILE, O_RDWR | O_CREAT |
			O_NOFOLLOW);
	return ids.fd >= 0 ? 0 : -errno;
}

int
eal_lcore_take(struct ferry_eal_args *args, int dir, int wanted)
{
	int ret, id = -1, i, got = 0;
	char owner[RECORD];

	pthread_mutex_lock(&ids.lock);
	ret = open_file(dir);
	if (ret == 0 && wanted >= 0 && wanted < RTE_MAX_LCORE) {
		got = try_lock((unsigned int)wanted);
		if (got > 0)
			id = wanted;
		else if (got == 0)
			owner_of((unsigned int)wanted, owner);
	} else if (wanted < 0) {
		for (i = 0; ret == 0 && id < 0 && i < RTE_MAX_LCORE; i++) {
			got = try_lock((unsigned int)i);
			if (got > 0)
				id = i;
			else if (got < 0)
				ret = got;
		}
	}
	pthread_mutex_unlock(&ids.lock);
	if (ret == 0 && got < 0)
		ret = got;
	if (id >= 0)
		return id;
	if (ret != 0)
		return eal_refuse(args, ret, "cannot lock an lcore id in the "
			"runtime directory of file prefix %s (%s): %s",
			args->prefix, strerror(-ret), ret == -EROFS ?
			"mount that directory writable here, too" :
			ret == -EPERM || ret == -ENOSYS || ret == -EINVAL ?
			"a seccomp profile or the file system must allow "
			"fcntl(F_OFD_SETLK)" :
			"make room there, or set RUNTIME_DIRECTORY");
	if (wanted >= RTE_MAX_LCORE)
		return eal_refuse(args, -EINVAL, "--main-lcore must be less "
			"than %d, as this DPDK was built for", RTE_MAX_LCORE);
	if (wanted >= 0)
		return eal_refuse(args, FERRY_E_LCORE, "lcore %d is in use by "
			"process %s of the file prefix %s: leave --main-lcore "
			"out, or choose another", wanted, owner, args->prefix);
	return eal_refuse(args, -EUSERS, "all %d lcore ids that this DPDK was "
		"built for are in use by processes of the file prefix %s: end "
		"some", RTE_MAX_LCORE, args->prefix);
}

static int
no_answer(const struct rte_mp_msg *msg, const void *peer)
{
	(void)msg;
	(void)peer;
	return -1;
}

int
ferry_eal_shared(void)
{
	/* EAL has no other call that tells whether it is shared. */
	if (rte_mp_action_register("ferry_lcores", no_answer) == 0) {
		rte_mp_action_unregister("ferry_lcores");
		return 1;
	}
	if (rte_errno == EEXIST) /* another thread asks at the same time */
		return 1;
	return rte_errno == ENOTSUP ? 0 : -rte_errno;
}

static int
take_all(char *words, size_t len)
{
	char owner[RECORD];
	unsigned int i;
	int got;

	for (i = 0; i < RTE_MAX_LCORE; i++) {
		if (rte_eal_lcore_role(i) == ROLE_OFF)
			continue;
		got = try_lock(i);
		if (got > 0)
			continue;
		if (got < 0) {
			snprintf(words, len, "cannot lock lcore id %u: %s", i,
				strerror(-got));
			return got;
		}
		owner_of(i, owner);
		snprintf(words, len, "lcore %u of this process is also one of "
			"process %s of the same file prefix, and they would "
			"damage each other's mempools: give each process its "
			"own, such as --lcores=%u@(0-1)", i, owner, i + 1);
		return FERRY_E_LCORE;
	}
	return 0;
}

static int
take_all_from(const char *dir, char *words, size_t len)
{
	int at, ret = 0;

	pthread_mutex_lock(&ids.lock);
	if (ids.fd < 0) {
		at = eal_openat(AT_FDCWD, dir, O_RDONLY | O_DIRECTORY);
		ret = at >= 0 ? open_file(at) : -errno;
		if (at >= 0)
			close(at);
	}
	if (ret == 0)
		ret = take_all(words, len);
	/* The directory was removed. So no new process can use it, either. */
	else if (ret == -ENOENT)
		ret = 0;
	else
		snprintf(words, len, "cannot open " EAL_LCORE_FILE " in %s: %s",
			dir, strerror(-ret));
	pthread_mutex_unlock(&ids.lock);
	return ret;
}

/*
 * Whether this process started EAL. 0: it did; FERRY_E_FORKED: a process that
 * this one was forked from did; -ENOMEM.
 */
static int
check_owner(void)
{
	/* Token of the process that started EAL. Static, because a process has
	 * only one EAL. */
	static uint64_t owner;
	const uint64_t known = __atomic_load_n(&owner, __ATOMIC_RELAXED);
	const uint64_t self = ferry_process_token();
	struct stat st;

	if (self == 0)
		return -ENOMEM;
	if (known != 0)
		return ferry_process_check(known);
	/*
	 * If the application called rte_eal_init() itself, and forked before it
	 * called ferry, no token shows that. But EAL's threads are missing in
	 * the child. /proc/self/task has a directory for each thread; 3 links
	 * mean one thread.
	 */
	if (stat("/proc/self/task", &st) == 0 && st.st_nlink == 3)
		return FERRY_E_FORKED;
	/* Relaxed, because a process that is forked from now on inherits this
	 * value. */
	__atomic_store_n(&owner, self, __ATOMIC_RELAXED);
	return 0;
}

int
ferry_eal_adopt(char *words, uint32_t len)
{
	char text[256] = "";
	int ret = check_owner();

	if (ret != 0) {
		EAL_LOG(ERR, "%s", ferry_strerror(ret));
		if (words != NULL && len > 0)
			snprintf(words, len, "%s", ferry_strerror(ret));
		return ret;
	}
	eal_fds_guard(rte_eal_get_runtime_dir());
	ret = ferry_eal_shared();
	if (ret == 0)
		return 0;
	if (ret > 0)
		ret = take_all_from(rte_eal_get_runtime_dir(), text,
				sizeof(text));
	else
		snprintf(text, sizeof(text), "cannot ask EAL about other "
			"processes: %s", strerror(-ret));
	if (ret != 0)
		EAL_LOG(ERR, "%s", text);
	if (words != NULL && len > 0)
		snprintf(words, len, "%s", text);
	return ret;
}

void
eal_lcore_release(void)
{
	/* The range covers all ids, because a length of 0 means no end. */
	struct flock range = { .l_type = F_UNLCK, .l_whence = SEEK_SET };

	pthread_mutex_lock(&ids.lock);
	/* Unlock, because a child may have the open file, too: then close()
	 * alone does not drop the locks. */
	if (ids.fd >= 0) {
		fcntl(ids.fd, F_OFD_SETLK, &range);
		close(ids.fd);
	}
	ids.fd = -1;
	memset(ids.held, 0, sizeof(ids.held));
	pthread_mutex_unlock(&ids.lock);
}
