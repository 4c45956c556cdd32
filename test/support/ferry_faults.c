/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * "nm -D -u libferry.so" lists the functions that libferry calls. The functions
 * in the table below are made to fail. libferry also calls these, which are not
 * made to fail:
 *
 * - close, closedir, fclose, munmap, free: the resource is gone even if they
 *   report an error, so that the caller can do nothing about it.
 * - shutdown, prctl, pthread_setschedparam, sched_yield: libferry works also if
 *   they fail.
 * - clock_gettime, nanosleep, usleep, getpid, getuid, geteuid, sched_getcpu,
 *   the pthread calls for mutexes, attributes and condition variables,
 *   sigaction, pthread_sigmask: with the arguments they get they cannot fail on
 *   Linux.
 * - epoll_wait, poll, ppoll: they fail with EINTR only. timerfd_settime and
 *   eventfd_write: they cannot fail on a descriptor of that kind.
 * - pthread_join, pthread_clockjoin_np: a failure means that the thread is not
 *   there.
 * - fread, fgets, fscanf, getmntent, fprintf and others of stdio: a failure
 *   looks like the end of the file, which the tests of the readers cover.
 * - write, pwrite, fsync, fwrite: they fail on full disks, which the test of
 *   the calibration file covers.
 * - unlink and the like, and the rte_ calls that undo something: as close.
 * - rte_ calls that only look something up.
 */

#include <dirent.h>
#include <dlfcn.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/timerfd.h>
#include <sys/uio.h>
#include <unistd.h>

#include <rte_common.h>
#include <rte_dev.h>
#include <rte_dmadev.h>
#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_launch.h>
#include <rte_lcore.h>
#include <rte_malloc.h>
#include <rte_memory.h>
#include <rte_service_component.h>

#include "ferry_faults.h"

/*
 * Result, name, what it returns when it fails, its errno, whether a signal can
 * interrupt it, parameters, arguments.
 */
#define PLAIN_FUNCTIONS(X) \
	X(int, accept4, -1, EMFILE, 1, (int a, struct sockaddr *b, \
		socklen_t *c, int d), (a, b, c, d)) \
	X(int, access, -1, EACCES, 0, (const char *a, int b), (a, b)) \
	X(int, bind, -1, ENOMEM, 0, (int a, const struct sockaddr *b, \
		socklen_t c), (a, b, c)) \
	X(int, connect, -1, ENOMEM, 1, (int a, const struct sockaddr *b, \
		socklen_t c), (a, b, c)) \
	X(int, epoll_create1, -1, EMFILE, 0, (int a), (a)) \
	X(int, epoll_ctl, -1, ENOMEM, 0, (int a, int b, int c, \
		struct epoll_event *d), (a, b, c, d)) \
	X(int, epoll_wait, -1, EINTR, 1, (int a, struct epoll_event *b, int c, \
		int d), (a, b, c, d)) \
	X(int, eventfd, -1, EMFILE, 0, (unsigned int a, int b), (a, b)) \
	X(int, faccessat, -1, EACCES, 0, (int a, const char *b, int c, int d), \
		(a, b, c, d)) \
	X(int, fchmod, -1, EPERM, 0, (int a, mode_t b), (a, b)) \
	X(FILE *, fdopen, NULL, ENOMEM, 0, (int a, const char *b), (a, b)) \
	X(DIR *, fdopendir, NULL, ENOMEM, 0, (int a), (a)) \
	X(int, flock, -1, ENOLCK, 1, (int a, int b), (a, b)) \
	X(FILE *, fopen, NULL, EMFILE, 0, (const char *a, const char *b), \
		(a, b)) \
	X(int, fstat, -1, ENOMEM, 0, (int a, struct stat *b), (a, b)) \
	X(int, fstatat, -1, ENOMEM, 0, (int a, const char *b, \
		struct stat *c, int d), (a, b, c, d)) \
	X(int, fstatvfs, -1, ENOMEM, 1, (int a, struct statvfs *b), (a, b)) \
	X(ssize_t, getrandom, -1, ENOSYS, 1, (void *a, size_t b, \
		unsigned int c), (a, b, c)) \
	X(int, getsockname, -1, ENOBUFS, 0, (int a, struct sockaddr *b, \
		socklen_t *c), (a, b, c)) \
	X(int, getsockopt, -1, ENOMEM, 0, (int a, int b, int c, void *d, \
		socklen_t *e), (a, b, c, d, e)) \
	X(int, listen, -1, ENOMEM, 0, (int a, int b), (a, b)) \
	X(int, madvise, -1, EINVAL, 0, (void *a, size_t b, int c), (a, b, c)) \
	X(int, mkdirat, -1, ENOSPC, 0, (int a, const char *b, mode_t c), \
		(a, b, c)) \
	X(int, mkstemp, -1, EMFILE, 0, (char *a), (a)) \
	X(DIR *, opendir, NULL, EMFILE, 0, (const char *a), (a)) \
	X(int, poll, -1, EINTR, 1, (struct pollfd *a, nfds_t b, int c), \
		(a, b, c)) \
	X(int, ppoll, -1, EINTR, 1, (struct pollfd *a, nfds_t b, \
		const struct timespec *c, const sigset_t *d), (a, b, c, d)) \
	X(ssize_t, pread, -1, EIO, 0, (int a, void *b, size_t c, off_t d), \
		(a, b, c, d)) \
	X(ssize_t, process_vm_readv, -1, ENOMEM, 0, (pid_t a, \
		const struct iovec *b, unsigned long c, const struct iovec *d, \
		unsigned long e, unsigned long f), (a, b, c, d, e, f)) \
	X(int, pthread_create, EAGAIN, 0, 0, (pthread_t *a, \
		const pthread_attr_t *b, void *(*c)(void *), void *d), \
		(a, b, c, d)) \
	X(int, pthread_attr_setaffinity_np, ENOMEM, 0, 0, (pthread_attr_t *a, \
		size_t b, const cpu_set_t *c), (a, b, c)) \
	X(int, pthread_setspecific, ENOMEM, 0, 0, (pthread_key_t a, \
		const void *b), (a, b)) \
	X(ssize_t, read, -1, EIO, 1, (int a, void *b, size_t c), (a, b, c)) \
	X(struct dirent *, readdir, NULL, EIO, 0, (DIR *a), (a)) \
	X(ssize_t, readlink, -1, EACCES, 0, \
		(const char *a, char *b, size_t c), \
		(a, b, c)) \
	X(ssize_t, readlinkat, -1, EACCES, 0, (int a, const char *b, char *c, \
		size_t d), (a, b, c, d)) \
	X(ssize_t, recvmsg, -1, ENOMEM, 1, (int a, struct msghdr *b, int c), \
		(a, b, c)) \
	X(int, rename, -1, ENOSPC, 0, (const char *a, const char *b), (a, b)) \
	X(int, renameat, -1, ENOSPC, 0, (int a, const char *b, int c, \
		const char *d), (a, b, c, d)) \
	X(int, sched_getaffinity, -1, EINVAL, 0, (pid_t a, size_t b, \
		cpu_set_t *c), (a, b, c)) \
	X(ssize_t, sendmsg, -1, ENOBUFS, 1, (int a, const struct msghdr *b, \
		int c), (a, b, c)) \
	X(int, socket, -1, EMFILE, 0, (int a, int b, int c), (a, b, c)) \
	X(int, stat, -1, EACCES, 0, (const char *a, struct stat *b), (a, b)) \
	X(int, timerfd_create, -1, EMFILE, 0, (int a, int b), (a, b)) \
	X(int, rte_ctrl_thread_create, -EAGAIN, 0, 0, (pthread_t *a, \
		const char *b, const pthread_attr_t *c, void *(*d)(void *), \
		void *e), (a, b, c, d, e)) \
	X(int, rte_extmem_register, -1, ENOMEM, 0, (void *a, size_t b, \
		rte_iova_t *c, unsigned int d, size_t e), (a, b, c, d, e)) \
	X(int, rte_dev_dma_map, -1, ENOMEM, 0, (struct rte_device *a, void *b, \
		uint64_t c, size_t d), (a, b, c, d)) \
	X(int, rte_mem_event_callback_register, -1, ENOMEM, 0, (const char *a, \
		rte_mem_event_callback_t b, void *c), (a, b, c)) \
	X(int, rte_mp_action_register, -1, ENOMEM, 0, (const char *a, \
		rte_mp_t b), (a, b)) \
	X(int, rte_dma_info_get, -EINVAL, 0, 0, (int16_t a, \
		struct rte_dma_info *b), (a, b)) \
	X(int, rte_dma_configure, -ENOMEM, 0, 0, (int16_t a, \
		const struct rte_dma_conf *b), (a, b)) \
	X(int, rte_dma_vchan_setup, -ENOMEM, 0, 0, (int16_t a, uint16_t b, \
		const struct rte_dma_vchan_conf *c), (a, b, c)) \
	X(int, rte_dma_start, -EIO, 0, 0, (int16_t a), (a)) \
	X(int, rte_eal_remote_launch, -EBUSY, 0, 0, (lcore_function_t *a, \
		void *b, unsigned int c), (a, b, c)) \
	X(int, rte_service_component_register, -ENOSPC, 0, 0, \
		(const struct rte_service_spec *a, uint32_t *b), (a, b))

/* The same, of what a block comes from, with a condition that it has. */
#define BLOCK_FUNCTIONS(X) \
	X(void *, malloc, NULL, ENOMEM, 0, (size_t a), (a), got != NULL) \
	X(void *, calloc, NULL, ENOMEM, 0, (size_t a, size_t b), (a, b), \
		got != NULL) \
	X(void *, realloc, NULL, ENOMEM, 0, (void *a, size_t b), (a, b), \
		a == NULL && got != NULL) \
	X(void *, mmap, MAP_FAILED, ENOMEM, 0, (void *a, size_t b, int c, \
		int d, int e, off_t f), (a, b, c, d, e, f), got != MAP_FAILED) \
	X(FILE *, open_memstream, NULL, ENOMEM, 0, (char **a, size_t *b), \
		(a, b), got != NULL) \
	X(void *, rte_malloc_socket, NULL, ENOMEM, 0, \
		(const char *a, size_t b, unsigned int c, int d), \
		(a, b, c, d), got != NULL) \
	X(void *, rte_zmalloc, NULL, ENOMEM, 0, (const char *a, size_t b, \
		unsigned int c), (a, b, c), got != NULL) \
	X(void *, rte_zmalloc_socket, NULL, ENOMEM, 0, (const char *a, \
		size_t b, unsigned int c, int d), (a, b, c, d), got != NULL)

/* Calls of a function. */
struct tally {
	const char *name;
	uint32_t n;
};

static struct {
	bool armed;
	enum ferry_fault_kind kind;
	/* How many calls of each function count; 0: all. */
	uint32_t most;
	struct tally tallies[128];
	uint32_t k;
	uint32_t calls;
	struct ferry_fault hit;
	int64_t blocks;
} faults;

/* Whether a function has had as many calls as count. */
static bool
has_had(const char *name)
{
	struct tally *t;
	const char *was;

	if (faults.most == 0)
		return false;
	for (t = faults.tallies; t < faults.tallies + RTE_DIM(faults.tallies);
			t++) {
		was = NULL;
		/* It is this function's, or becomes it. */
		if (__atomic_compare_exchange_n(&t->name, &was, name, false,
				__ATOMIC_RELAXED, __ATOMIC_RELAXED) ||
				strcmp(was, name) == 0)
			return __atomic_add_fetch(&t->n, 1, __ATOMIC_RELAXED) >
				faults.most;
	}
	return false;
}

/*
 * Whether this call is the one that fails; then errno is set to error, but for
 * 0: what it returns says it.
 */
static bool
fails(const char *name, int error, bool interruptible, long returned)
{
	if (!__atomic_load_n(&faults.armed, __ATOMIC_ACQUIRE))
		return false;
	if (faults.kind == FERRY_FAULT_SIGNAL) {
		if (!interruptible)
			return false;
		error = EINTR;
	}
	if (has_had(name) || __atomic_add_fetch(&faults.calls, 1,
			__ATOMIC_RELAXED) != faults.k)
		return false;
	faults.hit.error = error != 0 ? error : (int)labs(returned);
	__atomic_store_n(&faults.hit.name, name, __ATOMIC_RELEASE);
	if (error != 0) {
		errno = error;
		rte_errno = error;
	}
	return true;
}

static void
block_count(int by)
{
	__atomic_add_fetch(&faults.blocks, by, __ATOMIC_RELAXED);
}

#define PLAIN(type, name, none, error, signal, params, args) \
static type (*real_##name) params; \
static type \
fake_##name params \
{ \
	return fails(#name, error, signal, (long)(none)) ? \
		none : real_##name args; \
}
PLAIN_FUNCTIONS(PLAIN)

#define BLOCK(type, name, none, error, signal, params, args, cond) \
static type (*real_##name) params; \
static type \
fake_##name params \
{ \
	type got; \
	if (fails(#name, error, signal, (long)(none))) \
		return none; \
	got = real_##name args; \
	block_count(cond); \
	return got; \
}
BLOCK_FUNCTIONS(BLOCK)

/* Those with arguments that vary, or that give back. */

static void (*real_free)(void *mem);
static void (*real_rte_free)(void *mem);
static int (*real_munmap)(void *mem, size_t size);
static int (*real_vasprintf)(char **text, const char *format, va_list ap);
static int (*real_open)(const char *path, int flags, ...);
static int (*real_openat)(int dir, const char *path, int flags, ...);
static int (*real_fcntl)(int fd, int cmd, ...);
static long (*real_syscall)(long number, ...);

static void
fake_free(void *mem)
{
	block_count(-(mem != NULL));
	real_free(mem);
}

static void
fake_rte_free(void *mem)
{
	block_count(-(mem != NULL));
	real_rte_free(mem);
}

static int
fake_munmap(void *mem, size_t size)
{
	block_count(-1);
	return real_munmap(mem, size);
}

static int
fake_asprintf(char **text, const char *format, ...)
{
	va_list ap;
	int got;

	if (fails("asprintf", ENOMEM, false, -1))
		return -1;
	va_start(ap, format);
	got = real_vasprintf(text, format, ap);
	va_end(ap);
	block_count(got >= 0);
	return got;
}

static int
fake_open(const char *path, int flags, mode_t mode)
{
	return fails("open", EMFILE, true, -1) ? -1 :
		real_open(path, flags, mode);
}

static int
fake_openat(int dir, const char *path, int flags, mode_t mode)
{
	return fails("openat", EMFILE, true, -1) ? -1 :
		real_openat(dir, path, flags, mode);
}

static int
fake_fcntl(int fd, int cmd, long arg)
{
	const bool dup = cmd == F_DUPFD || cmd == F_DUPFD_CLOEXEC;

	return fails("fcntl", dup ? EMFILE : ENOLCK, false,
			-1) ? -1 :
		real_fcntl(fd, cmd, arg);
}

/* pidfd_open() and others that the C library has no function for. */
static long
fake_syscall(long number, long a, long b, long c, long d, long e, long f)
{
	return fails("syscall", EMFILE, false, -1) ? -1 :
		real_syscall(number, a, b, c, d, e, f);
}

struct function {
	const char *name;
	/* Its name for dlsym(), if it is another one. */
	const char *real_name;
	void *fake;
	/* Pointer to function. */
	void *real;
};

/* ISO C does not know functions at void pointers, dlsym() does. */
#define FUNCTION(name) \
	{ #name, #name, (void *)(uintptr_t)fake_##name, &real_##name }
#define FUNCTION_OF(type, name, ...) FUNCTION(name),

static const struct function functions[] = {
	PLAIN_FUNCTIONS(FUNCTION_OF)
	BLOCK_FUNCTIONS(FUNCTION_OF)
	FUNCTION(free),
	FUNCTION(rte_free),
	FUNCTION(munmap),
	FUNCTION(open),
	FUNCTION(openat),
	FUNCTION(fcntl),
	FUNCTION(syscall),
	{ "asprintf", "vasprintf", (void *)(uintptr_t)fake_asprintf,
		&real_vasprintf },
};

/* The function of a symbol, which may be named for files of 64 bits. */
static const struct function *
function_of(const char *symbol)
{
	size_t len = strlen(symbol);
	unsigned int i;

	if (len > 2 && strcmp(symbol + len - 2, "64") == 0)
		len -= 2;
	for (i = 0; i < RTE_DIM(functions); i++)
		if (strncmp(functions[i].name, symbol, len) == 0 &&
				functions[i].name[len] == '\0')
			return &functions[i];
	return NULL;
}

/* Point a slot of the linkage table to the test's function. */
static bool
slot_take(uintptr_t *slot, const char *symbol)
{
	const uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
	const struct function *f = function_of(symbol);
	void *real;

	if (f == NULL)
		return true;
	real = dlsym(RTLD_DEFAULT, strcmp(f->name, f->real_name) == 0 ?
		symbol : f->real_name);
	if (real == NULL)
		return false;
	memcpy(f->real, &real, sizeof(real));
	if (mprotect((void *)((uintptr_t)slot & ~(page - 1)), page,
			PROT_READ | PROT_WRITE) != 0)
		return false;
	*slot = (uintptr_t)f->fake;
	return true;
}

static int
library_take(struct dl_phdr_info *info, size_t size, void *arg)
{
	const ElfW(Dyn) *dyn = NULL;
	const ElfW(Sym) *symbols = NULL;
	const ElfW(Rela) *rela = NULL;
	const char *names = NULL;
	size_t bytes = 0, i;

	(void)size;
	if (strstr(info->dlpi_name, "/libferry_insides.so") == NULL)
		return 0;
	for (i = 0; i < info->dlpi_phnum; i++)
		if (info->dlpi_phdr[i].p_type == PT_DYNAMIC)
			dyn = (const void *)(info->dlpi_addr +
				info->dlpi_phdr[i].p_vaddr);
	for (; dyn != NULL && dyn->d_tag != DT_NULL; dyn++) {
		if (dyn->d_tag == DT_SYMTAB)
			symbols = (const void *)dyn->d_un.d_ptr;
		else if (dyn->d_tag == DT_STRTAB)
			names = (const void *)dyn->d_un.d_ptr;
		else if (dyn->d_tag == DT_JMPREL)
			rela = (const void *)dyn->d_un.d_ptr;
		else if (dyn->d_tag == DT_PLTRELSZ)
			bytes = dyn->d_un.d_val;
	}
	if (symbols == NULL || names == NULL || rela == NULL)
		return 0;
	*(int *)arg = 0;
	for (i = 0; i < bytes / sizeof(*rela); i++)
		if (!slot_take((uintptr_t *)(info->dlpi_addr +
				rela[i].r_offset), names +
				symbols[ELF64_R_SYM(rela[i].r_info)].st_name))
			*(int *)arg = -ENOENT;
	return 1;
}

int
ferry_faults_open(void)
{
	int ret = -ENOENT;

	dl_iterate_phdr(library_take, &ret);
	return ret;
}

void
ferry_faults_each(uint32_t most)
{
	faults.most = most;
}

void
ferry_faults_arm(uint32_t k, enum ferry_fault_kind kind)
{
	memset(&faults.hit, 0, sizeof(faults.hit));
	memset(faults.tallies, 0, sizeof(faults.tallies));
	faults.calls = 0;
	faults.k = k;
	faults.kind = kind;
	/* Pairs with the acquire in fails(): of a thread that is there. */
	__atomic_store_n(&faults.armed, true, __ATOMIC_RELEASE);
}

struct ferry_fault
ferry_faults_disarm(void)
{
	struct ferry_fault hit;

	__atomic_store_n(&faults.armed, false, __ATOMIC_RELEASE);
	hit = faults.hit;
	hit.name = __atomic_load_n(&faults.hit.name, __ATOMIC_ACQUIRE);
	hit.calls = __atomic_load_n(&faults.calls, __ATOMIC_RELAXED);
	return hit;
}

int64_t
ferry_faults_blocks(void)
{
	return __atomic_load_n(&faults.blocks, __ATOMIC_RELAXED);
}

unsigned int
ferry_faults_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	unsigned int n = 0;

	while (dir != NULL && readdir(dir) != NULL)
		n++;
	if (dir != NULL)
		closedir(dir);
	return n;
}
