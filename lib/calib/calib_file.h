/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef FERRY_CALIB_FILE_H
#define FERRY_CALIB_FILE_H

/**
 * @file
 * Internal: functions that both calibration and calibration files need.
 */

#include <stdio.h>

#include "ferry_calib.h"

/** Names of placements and heats, as in files and tables. */
extern const char *const calib_places[FERRY_PLACES];
extern const char *const calib_heats[FERRY_HEATS];

/** Write to ferry_calib.why why a call failed. The first reason stays. */
void calib_why(struct ferry_calib *calib, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/** The lane with a name, or NULL. */
struct ferry_calib_lane *calib_find(struct ferry_calib *calib,
		const char *name);

/** Write the name of this machine's CPU, on one line. */
void calib_machine(char *text, size_t size);

/**
 * Parse the text of a calibration file. The function uses only its arguments.
 *
 * @param text
 *   The file's bytes. They may be anything.
 * @param len
 *   How many bytes.
 * @param path
 *   The file's name, for ferry_calib.why.
 * @param[out] calib
 *   The contents. After an error only its field why is set.
 * @return
 *   0, -EBADMSG or -ENOMEM.
 */
int calib_parse(const char *text, size_t len, const char *path,
		struct ferry_calib *calib);

/** Write a calibration to a file. The caller has checked that a file can hold
 * its texts and numbers. */
void calib_write(FILE *f, const struct ferry_calib *calib);

/** Make calib a calibration without lanes, of an unknown machine. */
void calib_clear(struct ferry_calib *calib);

#endif /* FERRY_CALIB_FILE_H */
