/* SPDX-License-Identifier: BSD-3-Clause */

#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <rte_log.h>

#include "app_eal.h"

void
app_error(const char *format, ...)
{
	char line[512];
	va_list ap;

	va_start(ap, format);
	vsnprintf(line, sizeof(line), format, ap);
	va_end(ap);
	fprintf(stderr, "%s: %s\n", program_invocation_short_name, line);
}

/* The line by which getopt() names an option that it does not know, if the
 * text has one: behind the program's name. */
static const char *
option_line(char *text)
{
	static const char *const said[] = {
		"unrecognized option", "invalid option", "requires an argument",
		"is ambiguous", "doesn't allow an argument",
	};
	char *line, *save = NULL;
	unsigned int i;

	for (line = strtok_r(text, "\n", &save); line != NULL;
			line = strtok_r(NULL, "\n", &save))
		for (i = 0; i < sizeof(said) / sizeof(said[0]); i++)
			if (strstr(line, said[i]) != NULL)
				return strchr(line, ':') != NULL ?
					strchr(line, ':') + 2 : line;
	return NULL;
}

/* Start EAL with stdout and stderr going to a file in memory. */
static int
init_quietly(struct ferry_eal_args *args, enum ferry_eal_role role, int memory)
{
	int out, err, ret;

	fflush(stdout);
	out = dup(STDOUT_FILENO);
	err = dup(STDERR_FILENO);
	dup2(memory, STDOUT_FILENO);
	dup2(memory, STDERR_FILENO);
	ret = ferry_eal_init(args, role);
	fflush(stdout);
	fflush(stderr);
	dup2(out, STDOUT_FILENO);
	dup2(err, STDERR_FILENO);
	close(out);
	close(err);
	return ret;
}

static bool
talkative(const struct ferry_eal_args *args)
{
	int i;

	for (i = 1; i < args->argc; i++)
		if (strncmp(args->argv[i], "--log-level", 11) == 0 ||
				strcmp(args->argv[i], "-v") == 0 ||
				strcmp(args->argv[i], "-h") == 0 ||
				strcmp(args->argv[i], "--help") == 0)
			return true;
	return false;
}

int
app_eal_start(struct ferry_eal_args *args, enum ferry_eal_role role,
		int argc, char **argv)
{
	char text[8192];
	const char *line;
	int memory, ret;
	ssize_t n;

	ret = ferry_eal_args(args, role, argc, argv);
	if (ret != 0) {
		app_error("%s", args->error);
		return ret;
	}
	/* So that EAL names an option it does not know. */
	opterr = 1;
	memory = talkative(args) ? -1 : memfd_create("eal", MFD_CLOEXEC);
	if (memory < 0) {
		ret = ferry_eal_init(args, role);
		if (ret != 0)
			app_error("%s", args->error);
		return ret;
	}
	ret = init_quietly(args, role, memory);
	if (ret != 0) {
		n = pread(memory, text, sizeof(text) - 1, 0);
		text[n > 0 ? n : 0] = '\0';
		line = option_line(text);
		if (line != NULL)
			app_error("%s among EAL's options, which stand before "
				"--; those of the program stand after it",
				line);
		else
			app_error("%s", args->error);
	}
	close(memory);
	/* What the libraries log as an error, the program says in its own
	 * words. */
	rte_log_set_level_pattern("lib.eal", RTE_LOG_CRIT);
	rte_log_set_level_pattern("ferry.*", RTE_LOG_CRIT);
	return ret;
}
