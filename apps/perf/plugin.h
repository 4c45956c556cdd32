/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PERF_PLUGIN_H
#define PERF_PLUGIN_H

/* Ferry's own EAL plugins, where this program is run from. */

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>

#define PLUGIN_SOFTDSA "libferry_softdsa.so"
#define PLUGIN_PATH_MAX PATH_MAX

/*
 * Find a plugin: beside a program that is run from its build directory, else
 * where it is installed.
 *
 * out: room for PLUGIN_PATH_MAX. Return 0 or negative, with the reason in why.
 */
int plugin_find(const char *file, char *out, char *why, size_t why_len);

/*
 * Change how the soft DSA behaves, as ferry_softdsa_set() does; -ENODEV if it
 * is not loaded.
 */
int plugin_softdsa_set(const char *text);

/*
 * Make the first work queue of the soft DSA, which nobody uses, work again,
 * after it was made to hang and was disabled for that. 0 or negative.
 */
int plugin_softdsa_repair(void);

#endif /* PERF_PLUGIN_H */
