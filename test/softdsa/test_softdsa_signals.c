/* SPDX-License-Identifier: BSD-3-Clause */

/* Signals that do not come from the soft DSA's portals reach the handlers that
 * would get them without the soft DSA. */

#include <cpuid.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include <rte_dmadev.h>

#include "ferry_procs.h"
#include "ferry_test.h"
#include "soft_rig.h"

#define PAGE 4096
#define TIMEOUT_MS 300000
/* Exit codes of a child. */
#define GOOD 0
#define BAD 1

static sigjmp_buf back;
static volatile sig_atomic_t calls, blocked, seen_code;
static void *volatile seen_addr;

static void
with_info(int signal, siginfo_t *info, void *context)
{
	sigset_t mask;

	(void)context;
	calls++;
	seen_addr = info->si_addr;
	seen_code = info->si_code;
	sigprocmask(SIG_BLOCK, NULL, &mask);
	blocked = sigismember(&mask, SIGUSR1) && sigismember(&mask, signal);
	siglongjmp(back, 1);
}

static void
plain(int signal)
{
	(void)signal;
	calls++;
	siglongjmp(back, 1);
}

static void
install(int signal, void (*info)(int, siginfo_t *, void *),
		void (*handler)(int), int flags)
{
	struct sigaction sa;

	memset(&sa, 0, sizeof(sa));
	sigaddset(&sa.sa_mask, SIGUSR1);
	sa.sa_flags = flags;
	if (info != NULL) {
		sa.sa_sigaction = info;
		sa.sa_flags |= SA_SIGINFO;
	} else {
		sa.sa_handler = handler;
	}
	sigaction(signal, &sa, NULL);
}

static void
bad_instruction(void)
{
	__asm__ volatile("ud2" : : : "memory");
}

/* A page of a file behind its end. */
static void *
behind_the_end(void)
{
	int fd = memfd_create("empty", MFD_CLOEXEC);
	void *p = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	close(fd);
	return p;
}

static void
touch(void *p)
{
	__asm__ volatile("movb $1, (%0)" : : "r" (p) : "memory");
}

/* In a child, with an EAL and a device of its own. */
static int
run(int (*child)(int fd, void *arg), void *arg)
{
	struct ferry_proc proc;

	assert_int_equal(ferry_proc_start(&proc, child, arg), 0);
	return ferry_proc_wait(&proc, TIMEOUT_MS);
}

/* One copy by way of idxd. */
static bool
works(void)
{
	char from = 'x', to = 0;

	return rte_dma_copy(rig_dev[0], 0, (uintptr_t)&from, (uintptr_t)&to,
		1, RTE_DMA_OP_FLAG_SUBMIT) >= 0 &&
		rig_wait(0, 1, NULL) == 1 && to == 'x';
}

static int
sigill_default(int fd, void *arg)
{
	(void)fd;
	(void)arg;
	rig_group_setup(NULL);
	rig_setup(NULL);
	if (!works())
		return BAD;
	bad_instruction();
	return BAD;
}

static void
test_without_a_handler_the_process_dies(void **state)
{
	(void)state;
	ferry_test_need_eal();
	assert_int_equal(run(sigill_default, NULL), 128 + SIGILL);
}

static int
sigill_sent(int fd, void *arg)
{
	(void)fd;
	signal(SIGILL, arg != NULL ? SIG_IGN : SIG_DFL);
	rig_group_setup(NULL);
	raise(SIGILL);
	if (arg == NULL)
		return BAD;
	rig_setup(NULL);
	if (!works())
		return BAD;
	/* Sent ones may be ignored; faults cannot. */
	bad_instruction();
	return BAD;
}

static void
test_a_sent_signal_is_not_mistaken_for_a_fault(void **state)
{
	int ignore;

	(void)state;
	ferry_test_need_eal();
	assert_int_equal(run(sigill_sent, NULL), 128 + SIGILL);
	assert_int_equal(run(sigill_sent, &ignore), 128 + SIGILL);
}

static int
earlier_with_info(int fd, void *arg)
{
	void *hole;

	(void)fd;
	(void)arg;
	hole = behind_the_end();
	install(SIGBUS, with_info, NULL, 0);
	install(SIGSEGV, with_info, NULL, 0);
	install(SIGILL, with_info, NULL, 0);
	rig_group_setup(NULL);
	rig_setup(NULL);
	if (sigsetjmp(back, 1) == 0)
		touch((char *)hole + 5);
	if (calls != 1 || seen_addr != (char *)hole + 5 ||
			seen_code != BUS_ADRERR || !blocked)
		return BAD;
	munmap(hole, PAGE);
	if (sigsetjmp(back, 1) == 0)
		touch(hole);
	if (calls != 2 || seen_addr != hole || seen_code != SEGV_MAPERR ||
			!blocked)
		return BAD;
	if (sigsetjmp(back, 1) == 0)
		bad_instruction();
	if (calls != 3 || seen_code != ILL_ILLOPN || !blocked)
		return BAD;
	return works() && calls == 3 ? GOOD : BAD;
}

static void
test_an_earlier_handler_is_told_everything(void **state)
{
	(void)state;
	ferry_test_need_eal();
	assert_int_equal(run(earlier_with_info, NULL), GOOD);
}

static int
earlier_once(int fd, void *arg)
{
	(void)fd;
	(void)arg;
	install(SIGILL, NULL, plain, SA_RESETHAND);
	rig_group_setup(NULL);
	rig_setup(NULL);
	if (sigsetjmp(back, 1) == 0)
		bad_instruction();
	if (calls != 1 || !works())
		return BAD;
	bad_instruction();
	return BAD;
}

static void
test_a_handler_for_one_time_is_called_once(void **state)
{
	(void)state;
	ferry_test_need_eal();
	assert_int_equal(run(earlier_once, NULL), 128 + SIGILL);
}

static int
later(int fd, void *arg)
{
	(void)fd;
	(void)arg;
	rig_group_setup(NULL);
	rig_setup(NULL);
	install(SIGILL, NULL, plain, 0);
	install(SIGBUS, NULL, plain, 0);
	/* Twice: it must not become its own predecessor. */
	if (rig_take_signals() != 0 || rig_take_signals() != 0 || !works())
		return BAD;
	if (sigsetjmp(back, 1) == 0)
		bad_instruction();
	if (sigsetjmp(back, 1) == 0)
		touch(behind_the_end());
	return calls == 2 && works() ? GOOD : BAD;
}

static void
test_a_later_handler_can_be_put_behind(void **state)
{
	(void)state;
	ferry_test_need_eal();
	assert_int_equal(run(later, NULL), GOOD);
}

/* The instruction, to memory that is no portal. */
static int
elsewhere(int fd, void *arg)
{
	static uint8_t memory[64] __attribute__((aligned(64)));
	uint8_t desc[64] = { 0 };

	(void)fd;
	(void)arg;
	rig_group_setup(NULL);
	__asm__ volatile(".byte 0x66, 0x0f, 0x38, 0xf8, 0x02" : :
		"a" (memory), "d" (desc) : "memory");
	return BAD;
}

static void
test_the_instruction_elsewhere_is_unknown_as_before(void **state)
{
	unsigned int a, b, c, d;

	(void)state;
	ferry_test_need_eal();
	if (__get_cpuid_count(7, 0, &a, &b, &c, &d) && c & 1u << 28) {
		print_message("skipped: this processor has MOVDIR64B\n");
		skip();
	}
	assert_int_equal(run(elsewhere, NULL), 128 + SIGILL);
}

/* A process that the host forks has no device, and does not end its files. */
static int
forks(int fd, void *arg)
{
	int status, i;
	pid_t pid;

	(void)fd;
	(void)arg;
	rig_group_setup(NULL);
	rig_setup(NULL);
	/* The second way calls no handlers for forks. */
	for (i = 0; i < 2; i++) {
		pid = i == 0 ? fork() : (pid_t)syscall(SYS_clone, SIGCHLD, NULL,
			NULL, NULL, NULL);
		if (pid == 0) {
			alarm(60);
			works();
			_exit(GOOD);
		}
		if (waitpid(pid, &status, 0) != pid || !WIFSIGNALED(status) ||
				WTERMSIG(status) == SIGALRM)
			return BAD;
	}
	pid = fork();
	if (pid == 0)
		exit(GOOD);
	if (waitpid(pid, &status, 0) != pid)
		return BAD;
	return access(rig_root(), F_OK) == 0 && works() ? GOOD : BAD;
}

static void
test_a_forked_process_has_no_device(void **state)
{
	(void)state;
	ferry_test_need_eal();
	assert_int_equal(run(forks, NULL), GOOD);
}

/* In front of the C library's: there are no descriptors of processes. */
static bool no_pidfd;
static long (*next_syscall)(long number, ...);

long
syscall(long number, ...)
{
	long a[6];
	va_list ap;
	int i;

	va_start(ap, number);
	for (i = 0; i < 6; i++)
		a[i] = va_arg(ap, long);
	va_end(ap);
	if (no_pidfd && number == SYS_pidfd_open) {
		errno = ENOSYS;
		return -1;
	}
	/* Libraries call it before main(), so that no handler is the first. */
	if (next_syscall == NULL)
		*(void **)&next_syscall = dlsym(RTLD_NEXT, "syscall");
	return next_syscall(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}

/* Nothing watches the process, so that it removes its files itself. */
static int
ends(int fd, void *root)
{
	(void)fd;
	no_pidfd = true;
	rig_group_setup(NULL);
	if (access(rig_root(), F_OK) != 0)
		return BAD;
	strcpy(root, rig_root());
	exit(GOOD);
}

static void
test_a_process_that_ends_leaves_nothing(void **state)
{
	char *root = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED |
		MAP_ANONYMOUS, -1, 0);

	(void)state;
	ferry_test_need_eal();
	assert_true(root != MAP_FAILED);
	assert_int_equal(run(ends, root), GOOD);
	assert_string_not_equal(root, "");
	assert_int_equal(access(root, F_OK), -1);
	munmap(root, PAGE);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_without_a_handler_the_process_dies),
		cmocka_unit_test(
			test_a_sent_signal_is_not_mistaken_for_a_fault),
		cmocka_unit_test(test_an_earlier_handler_is_told_everything),
		cmocka_unit_test(test_a_handler_for_one_time_is_called_once),
		cmocka_unit_test(test_a_later_handler_can_be_put_behind),
		cmocka_unit_test(
			test_the_instruction_elsewhere_is_unknown_as_before),
		cmocka_unit_test(test_a_forked_process_has_no_device),
		cmocka_unit_test(test_a_process_that_ends_leaves_nothing),
	};

	return cmocka_run_group_tests_name("softdsa_signals", tests, NULL,
		NULL);
}
