/* SPDX-License-Identifier: BSD-3-Clause */

#include <cpuid.h>
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "ferry_process.h"
#include "softdsa_dev.h"
#include "softdsa_guard.h"
#include "softdsa_insn.h"
#include "softdsa_portal.h"

#define PAGE UINT64_C(4096)

/* Signals that the device handles. before: the handler that the program had
 * installed. */
static struct trap {
	const int signal;
	struct sigaction before;
} traps[] = {
	{ .signal = SIGILL },
	{ .signal = SIGBUS },
	{ .signal = SIGSEGV },
};

static struct softdsa_dev *device;

/*
 * Read 32 bytes. Returns 0 if there is no such memory: if one of the two loads
 * faults, the signal handler lets the thread go on at softdsa_peek_fail.
 */
extern int softdsa_peek(const void *from, void *to)
	__attribute__((visibility("hidden")));
extern const char softdsa_peek_begin[] __attribute__((visibility("hidden")));
extern const char softdsa_peek_end[] __attribute__((visibility("hidden")));
extern const char softdsa_peek_fail[] __attribute__((visibility("hidden")));

__asm__(".text\n"
	".p2align 4\n"
	".hidden softdsa_peek, softdsa_peek_begin\n"
	".hidden softdsa_peek_end, softdsa_peek_fail\n"
	".globl softdsa_peek, softdsa_peek_begin\n"
	".globl softdsa_peek_end, softdsa_peek_fail\n"
	".type softdsa_peek, @function\n"
	"softdsa_peek:\n"
	"softdsa_peek_begin:\n"
	"	movups	(%rdi), %xmm0\n"
	"	movups	16(%rdi), %xmm1\n"
	"softdsa_peek_end:\n"
	"	movups	%xmm0, (%rsi)\n"
	"	movups	%xmm1, 16(%rsi)\n"
	"	movl	$1, %eax\n"
	"	ret\n"
	"softdsa_peek_fail:\n"
	"	xorl	%eax, %eax\n"
	"	ret\n"
	".size softdsa_peek, . - softdsa_peek\n");

bool
softdsa_has_movdir64b(void)
{
	unsigned int a, b, c, d;

	return __get_cpuid_count(7, 0, &a, &b, &c, &d) && c & 1u << 28;
}

/* The work queue that the contents of a portal's page name; -1: none. */
static int
wq_of_page(const struct softdsa_dev *dev, uint64_t page)
{
	struct softdsa_portal_id id;

	if (!softdsa_peek((const void *)(uintptr_t)page, &id) ||
			id.magic != SOFTDSA_PORTAL_MAGIC ||
			id.cookie != dev->dir.cookie ||
			id.wq >= dev->config.wqs)
		return -1;
	return (int)id.wq;
}

static char *
hex(char *p, uint64_t v)
{
	int shift = 60;

	while (shift > 0 && v >> shift == 0)
		shift -= 4;
	for (; shift >= 0; shift -= 4)
		*p++ = "0123456789abcdef"[v >> shift & 15];
	return p;
}

/* The work queue whose file is mapped at a page, as the kernel reports it; -1:
 * none. */
static int
wq_of_mapping(const struct softdsa_dev *dev, uint64_t page)
{
	static const char map_files[] = "/proc/self/map_files/";
	const size_t root = strlen(dev->dir.root);
	char link[64], path[SOFTDSA_PATH_LEN], *p, wq;
	ssize_t n;

	p = link + sizeof(map_files) - 1;
	memcpy(link, map_files, sizeof(map_files) - 1);
	p = hex(p, page);
	*p++ = '-';
	p = hex(p, page + PAGE);
	*p = '\0';
	n = readlink(link, path, sizeof(path));
	/* <root>/dev/wq0.N */
	if (n != (ssize_t)root + 10 || memcmp(path, dev->dir.root, root) != 0 ||
			memcmp(path + root, "/dev/wq0.", 9) != 0)
		return -1;
	wq = path[root + 9];
	if (wq < '0' || (uint64_t)(wq - '0') >= dev->config.wqs)
		return -1;
	return wq - '0';
}

bool
softdsa_portal_store(struct softdsa_dev *dev, ucontext_t *uc)
{
	struct softdsa_insn insn;
	struct softdsa_desc desc;
	uint64_t page;
	int wq;

	if (!softdsa_insn_read(uc, &insn))
		return false;
	/* A real MOVDIR64B to an unaligned address would fault, too. */
	if (insn.dst % sizeof(desc) != 0)
		return false;
	page = insn.dst & ~(PAGE - 1);
	wq = dev->dir.empty_portals ? wq_of_mapping(dev, page) :
		wq_of_page(dev, page);
	if (wq < 0)
		return false;
	memcpy(&desc, (const void *)(uintptr_t)insn.src, sizeof(desc));
	softdsa_wq_submit(dev, (unsigned int)wq, &desc);
	uc->uc_mcontext.gregs[REG_RIP] += insn.len;
	return true;
}

/* Whether the fault was in softdsa_peek(). If so, let it return 0. */
static bool
peek_failed(ucontext_t *uc)
{
	const uint64_t rip = (uint64_t)uc->uc_mcontext.gregs[REG_RIP];

	if (rip < (uintptr_t)softdsa_peek_begin ||
			rip >= (uintptr_t)softdsa_peek_end)
		return false;
	uc->uc_mcontext.gregs[REG_RIP] = (greg_t)(uintptr_t)softdsa_peek_fail;
	return true;
}

static bool
ours(int signal, ucontext_t *uc)
{
	struct softdsa_dev *dev;

	if (signal != SIGILL && (softdsa_guard_caught(uc) || peek_failed(uc)))
		return true;
	if (signal == SIGSEGV)
		return false;
	/* Relaxed, because device was set before the handlers were
	 * installed. */
	dev = __atomic_load_n(&device, __ATOMIC_RELAXED);
	if (dev == NULL || ferry_process_check(dev->process) != 0)
		return false;
	/* A processor raises only one of the two signals for a portal. */
	if ((signal == SIGBUS) != dev->dir.empty_portals)
		return false;
	return softdsa_portal_store(dev, uc);
}

/* Take the signal's default action, which ends the process. */
static void
die(int signal, const siginfo_t *info)
{
	struct sigaction sa;

	memset(&sa, 0, sizeof(sa));
	sa.sa_handler = SIG_DFL;
	sigaction(signal, &sa, NULL);
	/* A fault happens again by itself. A signal that was sent must be sent
	 * again. */
	if (info->si_code <= 0)
		syscall(SYS_tgkill, getpid(), (pid_t)syscall(SYS_gettid),
			signal);
}

/* Do what would happen if the device had no handler. */
static void
pass_on(struct trap *t, siginfo_t *info, void *context)
{
	struct sigaction to = t->before;
	sigset_t mask;

	if (!(to.sa_flags & SA_SIGINFO)) {
		if (to.sa_handler == SIG_DFL) {
			die(t->signal, info);
			return;
		}
		if (to.sa_handler == SIG_IGN) {
			/* A fault cannot be ignored; a sent signal can. */
			if (info->si_code > 0)
				die(t->signal, info);
			return;
		}
	}
	if (to.sa_flags & SA_RESETHAND) {
		t->before.sa_flags = 0;
		t->before.sa_handler = SIG_DFL;
	}
	/* Block the signals that the kernel would have blocked for that
	 * handler. The return from this handler undoes that. */
	pthread_sigmask(SIG_BLOCK, &to.sa_mask, NULL);
	if (to.sa_flags & SA_NODEFER) {
		sigemptyset(&mask);
		sigaddset(&mask, t->signal);
		pthread_sigmask(SIG_UNBLOCK, &mask, NULL);
	}
	if (to.sa_flags & SA_SIGINFO)
		to.sa_sigaction(t->signal, info, context);
	else
		to.sa_handler(t->signal);
}

static void
on_signal(int signal, siginfo_t *info, void *context)
{
	const int error = errno;
	unsigned int i;

	/*
	 * ours() looks at context only: the instruction that was executed
	 * decides, no matter which thread or process sent the signal.
	 */
	if (!ours(signal, context))
		for (i = 0; i < sizeof(traps) / sizeof(traps[0]); i++)
			if (traps[i].signal == signal)
				pass_on(&traps[i], info, context);
	errno = error;
}

int
softdsa_portal_start(struct softdsa_dev *dev)
{
	struct sigaction sa, before;
	unsigned int i;

	__atomic_store_n(&device, dev, __ATOMIC_RELAXED);
	memset(&sa, 0, sizeof(sa));
	sa.sa_sigaction = on_signal;
	sa.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_RESTART;
	for (i = 0; i < sizeof(traps) / sizeof(traps[0]); i++) {
		if (sigaction(traps[i].signal, NULL, &before) != 0)
			return -errno;
		if (before.sa_sigaction != on_signal)
			traps[i].before = before;
		if (sigaction(traps[i].signal, &sa, NULL) != 0)
			return -errno;
	}
	return 0;
}
