/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef FERRY_SHORTAGE_H
#define FERRY_SHORTAGE_H

/*
 * Errors that are worth another try: a call failed because descriptors or
 * memory are short, and other threads or processes may give some back.
 * Internal: not installed.
 */

#include <errno.h>
#include <stdbool.h>

/* Whether a negative errno says that descriptors or memory are short. */
static inline bool
ferry_is_shortage(int result)
{
	return result == -EMFILE || result == -ENFILE || result == -ENOMEM ||
		result == -ENOBUFS;
}

#endif /* FERRY_SHORTAGE_H */
