/* SPDX-License-Identifier: BSD-3-Clause */

#include <errno.h>
#include <poll.h>
#include <unistd.h>

#include <sys/mman.h>
#include <sys/random.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#include "ferry_errno.h"
#include "ferry_process.h"

/* The page that holds the token. It is made once; a forked child inherits the
 * mapping. */
static uint64_t *page;

/* Make a private page of zeros. The kernel sets it to zeros again in a child
 * made by fork(). */
static uint64_t *
page_make(void)
{
	const size_t size = (size_t)sysconf(_SC_PAGESIZE);
	uint64_t *mine, *none = NULL;

	mine = mmap(NULL, size, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (mine == MAP_FAILED)
		return NULL;
	if (madvise(mine, size, MADV_WIPEONFORK) != 0) {
		/* Without this, a child would have its parent's token. */
		munmap(mine, size);
		return NULL;
	}
	/* Release: a thread that loads the page's address finds it ready. */
	if (__atomic_compare_exchange_n(&page, &none, mine, false,
			__ATOMIC_RELEASE, __ATOMIC_ACQUIRE))
		return mine;
	/* Another thread has made the page before: use that one. */
	munmap(mine, size);
	return none;
}

/* The token on a page. If the page has none, make one. 0: the kernel gives no
 * random number. */
static uint64_t
token_of(uint64_t *at)
{
	uint64_t token = __atomic_load_n(at, __ATOMIC_RELAXED), random;
	ssize_t n;

	while (token == 0) {
		n = getrandom(&random, sizeof(random), 0);
		if (n < 0 && errno != EINTR)
			return 0;
		if (n != sizeof(random) || random == 0)
			continue;
		/* Of several threads that get here, one stores its number. */
		if (__atomic_compare_exchange_n(at, &token, random, false,
				__ATOMIC_RELAXED, __ATOMIC_RELAXED))
			return random;
	}
	return token;
}

/* The page. If there is none, make it. NULL: the kernel refuses. */
static uint64_t *
page_get(void)
{
	uint64_t *at = __atomic_load_n(&page, __ATOMIC_ACQUIRE);

	return at != NULL ? at : page_make();
}

uint64_t
ferry_process_token(void)
{
	uint64_t *at = page_get();

	return at != NULL ? token_of(at) : 0;
}

void
ferry_process_self(struct ferry_process *self)
{
	self->token = ferry_process_token();
	self->token_at = (uintptr_t)__atomic_load_n(&page, __ATOMIC_ACQUIRE);
	self->pid = getpid();
}

int
ferry_process_check(uint64_t token)
{
	return token != 0 && token == ferry_process_token() ? 0 :
		FERRY_E_FORKED;
}

/* Read the token of a process and len bytes at addr with one system call.
 * Returns how many of the len bytes were read, or a negative errno. */
static ssize_t
read_some(const struct ferry_process *from, void *to, uint64_t addr, size_t len)
{
	uint64_t token = 0;
	const struct iovec here[] = {
		{ &token, sizeof(token) },
		{ to, len },
	};
	const struct iovec there[] = {
		{ (void *)(uintptr_t)from->token_at, sizeof(token) },
		{ (void *)(uintptr_t)addr, len },
	};
	const unsigned long n = len > 0 ? 2 : 1;
	ssize_t got;

	do {
		got = process_vm_readv(from->pid, here, n, there, n, 0);
	} while (got < 0 && errno == EINTR);
	/* EFAULT: the process of this number has no memory at the token's
	 * address. So it is not the process that is looked for. */
	if (got < 0 && errno != EFAULT)
		return -errno;
	if (got < (ssize_t)sizeof(token) || token != from->token)
		return -ESTALE;
	return got - (ssize_t)sizeof(token);
}

int
ferry_process_read(const struct ferry_process *from, void *to, uint64_t addr,
		size_t len)
{
	uint8_t *at = to;
	ssize_t got;

	if (from->token == 0)
		return -ESTALE;
	do {
		/* Compare the token at each call, because the number may
		 * belong to another process by now. */
		got = read_some(from, at, addr, len);
		if (got < 0)
			return (int)got;
		if (got == 0 && len > 0)
			return -EFAULT;
		at += got;
		addr += (uint64_t)got;
		len -= (size_t)got;
	} while (len > 0);
	return 0;
}

int
ferry_process_open(const struct ferry_process *process)
{
	int fd, ret;

	if (process->token == 0)
		return -ESTALE;
	fd = (int)syscall(SYS_pidfd_open, process->pid, 0);
	if (fd < 0)
		return -errno;
	ret = ferry_process_read(process, NULL, 0, 0);
	/* No other process gets the number while the process of the pidfd
	 * lives. So if that process lives now, ferry_process_read() has read
	 * the memory of that process. */
	if (ret == 0 && ferry_process_ended(fd))
		ret = -ESRCH;
	if (ret != 0) {
		close(fd);
		return ret;
	}
	return fd;
}

bool
ferry_process_ended(int pidfd)
{
	struct pollfd fd = { .fd = pidfd, .events = POLLIN };

	return poll(&fd, 1, 0) > 0;
}
