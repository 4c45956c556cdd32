/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef FERRY_SHORTAGE_H
#define FERRY_SHORTAGE_H

/*
 * What a call failed for lack of, and others may give back: it is worth trying
 * again. Internal: not installed.
 */

#include <errno.h>
#include <stdbool.h>

/* Whether a negative errno says that descriptors or memory are lacking. */
static inline bool
ferry_is_shortage(int result)
{
	return result == -EMFILE || result == -ENFILE || result == -ENOMEM ||
		result == -ENOBUFS;
}

#endif /* FERRY_SHORTAGE_H */
