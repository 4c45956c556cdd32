/* SPDX-License-Identifier: BSD-3-Clause */

#include <inttypes.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "pipe.h"

#define SHOW_EVERY_NS UINT64_C(200000000)

static uint64_t
now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* Bytes as people read them; buf holds the text. */
static const char *
human(char *buf, size_t len, double bytes)
{
	static const char * const units[] = { "B", "kB", "MB", "GB", "TB" };
	unsigned int u = 0;

	while (bytes >= 1000 && u < 4) {
		bytes /= 1000;
		u++;
	}
	snprintf(buf, len, u == 0 ? "%.0f %s" : "%.2f %s", bytes, units[u]);
	return buf;
}

void
progress_init(struct progress *p, const char *verb, const char *others,
		bool quiet)
{
	*p = (struct progress) {
		.verb = verb,
		.others = others,
		.show = !quiet && isatty(STDERR_FILENO),
		.quiet = quiet,
		.size = PIPE_SIZE_UNKNOWN,
	};
}

static void
show(const struct progress *p, uint64_t ns)
{
	double seconds = (double)(ns - p->start_ns) / 1e9;
	double rate = seconds > 0 ? (double)p->bytes / seconds : 0;
	char done[32], all[32];

	fprintf(stderr, "\r%s %s", p->verb,
		human(done, sizeof(done), (double)p->bytes));
	if (p->size != PIPE_SIZE_UNKNOWN)
		fprintf(stderr, " of %s",
			human(all, sizeof(all), (double)p->size));
	fprintf(stderr, ", %.2f GB/s", rate / 1e9);
	if (p->size != PIPE_SIZE_UNKNOWN && rate > 0 && p->size >= p->bytes)
		fprintf(stderr, ", %.0f s left",
			(double)(p->size - p->bytes) / rate);
	fprintf(stderr, "\033[K");
}

void
progress_add(struct progress *p, uint64_t bytes, unsigned int msgs)
{
	uint64_t ns;

	if (p->start_ns == 0)
		p->start_ns = now_ns();
	p->bytes += bytes;
	p->msgs += msgs;
	if (!p->show)
		return;
	ns = now_ns();
	if (ns - p->shown_ns >= SHOW_EVERY_NS) {
		p->shown_ns = ns;
		show(p, ns);
	}
}

/* Print one participant and its bytes, if it copied any. */
static void
tell(const char *who, uint64_t bytes)
{
	char text[32];

	if (bytes > 0)
		fprintf(stderr, " %s %s", who,
			human(text, sizeof(text), (double)bytes));
}

void
progress_end(struct progress *p, bool ok)
{
	const uint64_t known = p->by_sender + p->by_receiver;
	double seconds;

	if (p->show && p->shown_ns != 0)
		fprintf(stderr, "\r\033[K");
	if (!ok || p->quiet)
		return;
	seconds = p->start_ns != 0 ?
		(double)(now_ns() - p->start_ns) / 1e9 : 0;
	fprintf(stderr, "%s %" PRIu64 " bytes in %" PRIu64 " messages, %.2f s"
		", %.2f GB/s; copied by:", p->verb, p->bytes, p->msgs,
		seconds, seconds > 0 ? (double)p->bytes / seconds / 1e9 : 0);
	tell("sender", p->by_sender);
	tell("receiver", p->by_receiver);
	tell(p->others, p->copied > known ? p->copied - known : 0);
	fprintf(stderr, p->copied == 0 ? " nobody (in place)\n" : "\n");
}
