/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef APP_ARGS_H
#define APP_ARGS_H

/*
 * What ferry's programs do alike with their arguments, and with signals. What
 * is wrong with an argument is told in one line on stderr.
 */

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

/* A program's arguments, parted; in both, argv[0] is no argument. */
struct app_args {
	int eal_argc;
	char **eal_argv;
	/* The program's own. */
	int argc;
	char **argv;
};

/*
 * EAL's arguments stand before the first "--", the program's own after it.
 * Without one, all are EAL's (all_eal), or all the program's own.
 */
void app_args_split(struct app_args *args, int argc, char **argv,
		bool all_eal);

/*
 * Read the value of --option, a number from min to max in any base of C. 0, or
 * -EINVAL after one line; *out is then as before.
 */
int app_args_number(const char *option, const char *text, uint64_t min,
		uint64_t max, uint64_t *out);

/* The same for bytes, which may be given in K, M or G: 4k is 4096. */
int app_args_size(const char *option, const char *text, uint64_t min,
		uint64_t max, uint64_t *out);

/*
 * Say what is wrong with the option at which getopt_long(), given ":" or "+:"
 * for short options and values from 256 on for long ones, has just returned
 * opt: ':' if its value is missing, anything else if it is unknown. The advice
 * is put behind the name of an unknown one. Always -EINVAL.
 */
int app_args_bad_option(int opt, char **argv, const char *advice);

/*
 * Set *stop at SIGINT, SIGTERM and, unless it is ignored, SIGHUP, at which
 * blocking system calls return, also those begun just afterwards: SIGALRM
 * follows. Ignore SIGPIPE.
 */
void app_catch_signals(volatile sig_atomic_t *stop);

#endif /* APP_ARGS_H */
