/* SPDX-License-Identifier: BSD-3-Clause */

#include <ctype.h>
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "app_args.h"
#include "app_eal.h"

static volatile sig_atomic_t *stop_flag;

void
app_args_split(struct app_args *args, int argc, char **argv, bool all_eal)
{
	int i, own;

	for (i = 1; i < argc && strcmp(argv[i], "--") != 0; i++)
		;
	if (i < argc)
		own = i;
	else
		own = all_eal ? argc - 1 : 0;
	args->eal_argc = i < argc || all_eal ? i : 1;
	args->eal_argv = argv;
	args->argc = argc - own;
	args->argv = argv + own;
}

/* A number, then nothing or one of the units: each 1024 times the one
 * before. */
static int
read_number(const char *option, const char *text, const char *units,
		uint64_t min, uint64_t max, uint64_t *out)
{
	const char *unit;
	char *end;
	unsigned long long n;
	unsigned int shift = 0;

	errno = 0;
	n = strtoull(text, &end, 0);
	unit = *end != '\0' ? strchr(units, toupper((unsigned char)*end)) :
		NULL;
	if (unit != NULL) {
		shift = 10 * (unit - units + 1);
		end++;
	}
	if (errno != 0 || end == text || *end != '\0' || text[0] == '-' ||
			n > UINT64_MAX >> shift || n << shift < min ||
			n << shift > max) {
		app_error("--%s must be a number from %" PRIu64 " to %" PRIu64
			"%s, not '%s'", option, min, max, units[0] != '\0' ?
			" (k, M and G stand for powers of 1024)" : "", text);
		return -EINVAL;
	}
	*out = n << shift;
	return 0;
}

int
app_args_number(const char *option, const char *text, uint64_t min,
		uint64_t max, uint64_t *out)
{
	return read_number(option, text, "", min, max, out);
}

int
app_args_size(const char *option, const char *text, uint64_t min,
		uint64_t max, uint64_t *out)
{
	return read_number(option, text, "KMG", min, max, out);
}

int
app_args_bad_option(int opt, char **argv, const char *advice)
{
	const char *option = argv[optind - 1];

	/* Of "-xyz" only x has been looked at: optind is still there. */
	if (optopt != 0 && optopt < 256 && strcmp(option,
			(const char []){ '-', (char)optopt, '\0' }) != 0)
		option = argv[optind];
	if (opt == ':')
		app_error("option %s lacks its value", option);
	else
		app_error("unknown option '%s'%s", option, advice);
	return -EINVAL;
}

static void
on_signal(int sig)
{
	*stop_flag = 1;
	/* Send one more signal, because this one may have come just before a
	 * system call that blocks. */
	if (sig != SIGALRM)
		alarm(1);
}

void
app_catch_signals(volatile sig_atomic_t *stop)
{
	/* Without SA_RESTART: blocking reads and writes return. */
	struct sigaction sa = { .sa_handler = on_signal }, old;

	stop_flag = stop;
	sigaction(SIGINT, &sa, NULL);
	sigaction(SIGTERM, &sa, NULL);
	sigaction(SIGALRM, &sa, NULL);
	/* nohup starts a program with SIGHUP ignored: leave that so. */
	if (sigaction(SIGHUP, NULL, &old) == 0 && old.sa_handler != SIG_IGN)
		sigaction(SIGHUP, &sa, NULL);
	signal(SIGPIPE, SIG_IGN);
}
