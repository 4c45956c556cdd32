/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PERF_PLUGIN_H
#define PERF_PLUGIN_H

/* Finds ferry's own EAL plugins, and changes how the soft DSA behaves. */

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>

#define PLUGIN_SOFTDSA "libferry_softdsa.so"
#define PLUGIN_PATH_MAX PATH_MAX

/*
 * Find a plugin. A program that is run from its build directory finds the one
 * built there. Any other program finds the installed one.
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
 * Make the first work queue of the soft DSA work again, after a scenario made
 * it hang and it was disabled for that. No lane may use it. Returns 0 or
 * negative.
 */
int plugin_softdsa_repair(void);

#endif /* PERF_PLUGIN_H */
