/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef FERRY_THREAD_MARK_H
#define FERRY_THREAD_MARK_H

/*
 * Which thread attached an endpoint. If the thread ends first, the log says so.
 * Ferry does no more then, because another thread may have been given the
 * endpoint.
 */

struct thread_mark;

/* Count an endpoint of the calling thread, by that name; NULL if there is no
 * memory for it. */
struct thread_mark *thread_mark(const char *name);
/* The endpoint is detached, by any thread. NULL is accepted. */
void thread_unmark(struct thread_mark *mark);

#endif /* FERRY_THREAD_MARK_H */
