/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef FERRY_TEST_FAKE_WQ_H
#define FERRY_TEST_FAKE_WQ_H

/**
 * @file
 * A sysfs with one DSA work queue, wq0.0, and a kernel that disables it when
 * asked, late, or never. DSA_SYSFS_PATH leads to it.
 */

#include <stdbool.h>

/** The file by which the queue can be unbound. */
enum fake_wq_file {
	/** drivers/user/unbind, a FIFO. */
	FAKE_WQ_USER,
	/** drivers/dsa/unbind, a FIFO: an older kernel. */
	FAKE_WQ_DSA,
	/** A FIFO without a reader. */
	FAKE_WQ_UNREAD,
	/** There is no unbind file. */
	FAKE_WQ_NONE,
};

/** Make the tree, the queue enabled. */
void fake_wq_make(enum fake_wq_file file);

/** Start a thread that reads the FIFO, and disables the queue delay_ms after it
 * was asked to. */
void fake_wq_serve(unsigned int delay_ms);

/** Write an attribute of the queue; NULL removes it. */
void fake_wq_set(const char *attribute, const char *text);

/** Wait until the FIFO was written to, and end the thread. Returns what was
 * written; "" if nothing. */
const char *fake_wq_asked(void);
/** The same without waiting for a write. */
const char *fake_wq_asked_so_far(void);

/** Remove the tree. */
void fake_wq_remove(void);

#endif /* FERRY_TEST_FAKE_WQ_H */
