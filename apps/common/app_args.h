/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef APP_ARGS_H
#define APP_ARGS_H

/*
 * Arguments and signals of ferry's programs. A wrong argument is reported in
 * one line on stderr.
 */

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

/* A program's arguments, split into EAL's and its own. In both parts argv[0] is
 * the program's name, no argument. */
struct app_args {
	int eal_argc;
	char **eal_argv;
	/* The program's own. */
	int argc;
	char **argv;
};

/*
 * Split the arguments. EAL's stand before the first "--", the program's own
 * after it. Without "--", all of them are EAL's if all_eal is set, and the
 * program's own if not.
 */
void app_args_split(struct app_args *args, int argc, char **argv,
		bool all_eal);

/*
 * Read the value of --option, a number from min to max in any base of C.
 * Returns 0, or -EINVAL after one line. After an error *out has its old value.
 */
int app_args_number(const char *option, const char *text, uint64_t min,
		uint64_t max, uint64_t *out);

/* The same for bytes, which may be given in K, M or G: 4k is 4096. */
int app_args_size(const char *option, const char *text, uint64_t min,
		uint64_t max, uint64_t *out);

/*
 * Print what is wrong with the option for which getopt_long() has just returned
 * opt: ':' if its value is missing, any other value if the option is unknown.
 * advice is printed behind the name of an unknown option. getopt_long() must
 * get ":" or "+:" for short options, and values from 256 on for long ones.
 * Always returns -EINVAL.
 */
int app_args_bad_option(int opt, char **argv, const char *advice);

/*
 * From now on SIGINT, SIGTERM and SIGHUP set *stop, and end a system call that
 * blocks. A SIGALRM follows, so that a call which blocks just after the signal
 * ends, too. SIGHUP stays ignored if it is. SIGPIPE is ignored.
 */
void app_catch_signals(volatile sig_atomic_t *stop);

#endif /* APP_ARGS_H */
