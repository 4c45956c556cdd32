/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef FERRY_THREAD_MARK_H
#define FERRY_THREAD_MARK_H

/*
 * Which thread attached an endpoint: if it ends first, the log says so. Nothing
 * else is done, because another thread may have been given the endpoint.
 */

struct thread_mark;

/* Count an endpoint of the calling thread, by that name; NULL if there is no
 * memory for it. */
struct thread_mark *thread_mark(const char *name);
/* It is detached, by whichever thread. NULL is accepted. */
void thread_unmark(struct thread_mark *mark);

#endif /* FERRY_THREAD_MARK_H */
