/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef APP_EAL_H
#define APP_EAL_H

/*
 * Starts EAL in ferry's programs. Errors that can be foreseen are checked for
 * first. Each error is reported in one line that says what to do.
 */

#include "ferry_eal.h"

/* Print "PROGRAM: text" to stderr as one line. */
void app_error(const char *format, ...) __attribute__((format(printf, 1, 2)));

/*
 * Complete the EAL options (argv[0] is the program), check what EAL needs, and
 * start it. EAL's own output is not shown, unless --log-level is among the
 * options. Returns 0, or negative after one line on stderr.
 */
int app_eal_start(struct ferry_eal_args *args, enum ferry_eal_role role,
		int argc, char **argv);

#endif /* APP_EAL_H */
