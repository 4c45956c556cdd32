/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Finds out why rte_eal_init() failed. EAL writes the cause to its log. But it
 * logs harmless events as errors, too, and often before the cause. So ferry
 * searches the log for messages that are known to be causes. If there is none,
 * it takes the last error before the one that ends the start.
 */

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include <rte_common.h>
#include <rte_log.h>

#include "eal_private.h"

#define KEPT 32
#define LINE 200

/* EAL's log messages. It is a global variable, because a process has only one
 * EAL. */
static struct {
	FILE *stream;
	/* line: the line that is not complete yet. lines: the last complete
	 * lines. */
	char line[LINE];
	char lines[KEPT][LINE];
	unsigned int used;
	unsigned int n;
	bool on;
} said;

/* Words of lines that EAL logs as errors although its start goes on. */
static const char *const harmless[] = {
	"Failed to get current mempolicy", "eth_virtio", "ASLR", "vdev_scan",
	"Failed to request vdev", "FATAL", "Failed to send request",
	"Fail to recv reply", "Fail to send request", "telemetry", "TELEMETRY",
	"no mounted hugetlbfs", "No available", "rte_mem_virt2phy",
};

/* Words of lines that only say which part of the start failed. EAL logs them
 * after the line that says why. */
static const char *const vague[] = {
	"Invalid 'command line' arguments", "Cannot init plugins",
};

static void
keep_line(void)
{
	said.line[said.used] = '\0';
	if (said.used > 0 && rte_log_cur_msg_loglevel() <= (int)RTE_LOG_ERR)
		memcpy(said.lines[said.n++ % KEPT], said.line, LINE);
	said.used = 0;
}

static ssize_t
take(void *cookie, const char *text, size_t len)
{
	size_t i;

	(void)cookie;
	for (i = 0; i < len && said.on; i++) {
		if (text[i] == '\n')
			keep_line();
		else if (said.used < LINE - 1)
			said.line[said.used++] = text[i];
	}
	/* Pass the text on to stderr, where EAL would have written it. */
	fwrite(text, 1, len, stderr);
	return (ssize_t)len;
}

void
eal_words_begin(void)
{
	const cookie_io_functions_t functions = { .write = take };

	if (rte_log_get_stream() != stderr)
		return;
	/* The stream is never closed, because a thread of EAL may be writing to
	 * it. */
	if (said.stream == NULL)
		said.stream = fopencookie(NULL, "w", functions);
	if (said.stream == NULL)
		return;
	said.n = said.used = 0;
	said.on = true;
	rte_openlog_stream(said.stream);
}

void
eal_words_end(void)
{
	if (said.on)
		rte_openlog_stream(NULL);
	said.on = false;
}

static const char *
find(const char *words)
{
	unsigned int i;

	for (i = said.n > KEPT ? said.n - KEPT : 0; i < said.n; i++)
		if (strstr(said.lines[i % KEPT], words) != NULL)
			return said.lines[i % KEPT];
	return NULL;
}

/* A line without the prefix "EAL: ". */
static const char *
bare(const char *line)
{
	return strncmp(line, "EAL: ", 5) == 0 ? line + 5 : line;
}

/* Whether a line has one of some words. */
static bool
has_one(const char *line, const char *const words[], unsigned int n)
{
	unsigned int i;

	for (i = 0; i < n; i++)
		if (strstr(line, words[i]) != NULL)
			return true;
	return false;
}

/* The last error line that is neither harmless nor vague. A vague line is taken
 * if there is no other. */
static const char *
last_cause(void)
{
	const char *line, *cause = NULL;
	unsigned int i;

	for (i = said.n > KEPT ? said.n - KEPT : 0; i < said.n; i++) {
		line = said.lines[i % KEPT];
		/* EAL logs the error that ends the start a second time, as
		 * FATAL: nothing after it counts. */
		if (strstr(line, "FATAL") != NULL)
			break;
		if (has_one(line, harmless, RTE_DIM(harmless)) ||
				(cause != NULL && has_one(line, vague,
					RTE_DIM(vague))))
			continue;
		cause = line;
	}
	return cause;
}

int
eal_words_why(struct ferry_eal_args *args, int error)
{
	const char *line;
	struct rlimit r;

	/* The log may be empty, because the user can turn it off. */
	if ((find("Cannot get a virtual area") != NULL || (error == -ENOMEM &&
			last_cause() == NULL)) &&
			getrlimit(RLIMIT_AS, &r) == 0 &&
			r.rlim_cur != RLIM_INFINITY)
		return eal_refuse(args, -ENOMEM, "the address space of the "
			"process is limited to %" PRIu64 " MiB, and EAL "
			"reserves more: raise the limit (ulimit -v)",
			(uint64_t)r.rlim_cur >> 20);
	if (find("Too many open files") != NULL)
		return eal_refuse(args, -EMFILE, "the limit of open files is "
			"too low for the hub's hugepages: raise it "
			"(ulimit -n)");
	if (find("Cannot create lock on") != NULL)
		return eal_refuse(args, -EBUSY, "a DPDK process with file "
			"prefix '%s' runs already: end it, or give this one "
			"another --file-prefix", args->prefix);
	if (find("version mismatch") != NULL)
		return eal_refuse(args, -EPROTO, "the hub was built with "
			"another version of DPDK: use the same one on both "
			"sides");
	if (find("refused secondary attachment") != NULL)
		return eal_refuse(args, -EPERM, "the hub's process admits no "
			"secondaries (rte_mp_disable() or rte_thread_register()"
			" was called there)");
	if (find("Cannot get hugepage information") != NULL &&
			eal_huge_dir(args) != NULL)
		return eal_refuse(args, -ENOMEM, "no hugepages that EAL can "
			"use at --huge-dir %.100s: give the place of a "
			"hugetlbfs (grep hugetlbfs /proc/mounts) with pages of "
			"a size that is reserved", eal_huge_dir(args));
	if (find("Cannot get hugepage information") != NULL)
		return eal_refuse(args, -ENOMEM, "no hugepages that EAL can "
			"use: as root, echo 512 > /proc/sys/vm/nr_hugepages "
			"(1 GiB)");
	if (find("Could not map memory from primary process") != NULL)
		return eal_refuse(args, error, "the hub's hugepages cannot be "
			"mapped here: its hugetlbfs must be mounted at the "
			"same place, and be writable");
	/* rte_service_init() makes the first allocation of each process from
	 * the shared heap. If the heap has to grow, the primary asks all
	 * processes. */
	if (find("rte_service_init() failed") != NULL)
		return eal_refuse(args, -ENOMEM, "EAL gets no memory for this "
			"process: either no hugepage is free, or a process of "
			"file prefix '%s' does not answer because it is "
			"stopped or gets no CPU: reserve more hugepages, or "
			"let it go on, and try again", args->prefix);
	/* This line names the file and the error. */
	line = find("get_seg_fd(): open");
	if (line != NULL)
		return eal_refuse(args, error, "EAL gets no hugepages: %s: "
			"look at that mount, or choose another one "
			"(--huge-dir)",
			bare(line));
	line = find("Cannot init interrupt-handling thread");
	if (line == NULL)
		line = find("failed to init mp channel");
	if (line != NULL)
		return eal_refuse(args, error, "EAL does not start: %s: a "
			"limit of threads may be the cause (ulimit -u, a "
			"container's pids.max)", bare(line));
	line = last_cause();
	if (line != NULL && strstr(line, "Cannot init memory") != NULL)
		return eal_refuse(args, error, "EAL gets no hugepages: fewer "
			"are free than its options ask for (-m, --socket-mem), "
			"or the mount's size= or the container's limit is "
			"lower");
	if (line != NULL)
		return eal_refuse(args, error, "EAL does not start: %s (more "
			"with --log-level=lib.eal:debug)", bare(line));
	return eal_refuse(args, error, "EAL does not start: %s (more with "
		"--log-level=lib.eal:debug)", error == -EINVAL ?
		"it does not know one of its options, which it has named" :
		strerror(-error));
}
