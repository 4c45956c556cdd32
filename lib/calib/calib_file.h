/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef FERRY_CALIB_FILE_H
#define FERRY_CALIB_FILE_H

/**
 * @file
 * Internal: what a calibration file and a calibration have in common.
 */

#include <stdio.h>

#include "ferry_calib.h"

/** Names as in files and tables. */
extern const char *const calib_places[FERRY_PLACES];
extern const char *const calib_heats[FERRY_HEATS];

/** Say why, once: ferry_calib.why. */
void calib_why(struct ferry_calib *calib, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/** The lane of a name, or NULL. */
struct ferry_calib_lane *calib_find(struct ferry_calib *calib,
		const char *name);

/** Name this machine's CPU, on one line. */
void calib_machine(char *text, size_t size);

/**
 * Read what a calibration file says. Uses nothing but its arguments.
 *
 * @param text
 *   The file's bytes, any.
 * @param len
 *   How many.
 * @param path
 *   Its name, for why.
 * @param[out] calib
 *   What it says; after an error only why.
 * @return
 *   0, -EBADMSG or -ENOMEM.
 */
int calib_parse(const char *text, size_t len, const char *path,
		struct ferry_calib *calib);

/** Write a file of a calibration whose texts and numbers a file can hold. */
void calib_write(FILE *f, const struct ferry_calib *calib);

/** A calibration without lanes, machine unknown. */
void calib_clear(struct ferry_calib *calib);

#endif /* FERRY_CALIB_FILE_H */
