/* SPDX-License-Identifier: BSD-3-Clause */

#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <rte_common.h>

#include "hub_private.h"
#include "thread_mark.h"

/* One for each thread. Its last user frees it. */
struct thread_mark {
	/* Counts the thread itself, and each of its endpoints. */
	uint32_t users;
	/* Name of the endpoint attached last; only the thread writes it. */
	char name[FERRY_NAME_MAX];
};

/* The key of the calling thread's mark. */
static pthread_key_t key;
static bool has_key;

static void
drop(struct thread_mark *mark)
{
	/* Acquire and release, so that all uses come before the free. */
	if (__atomic_sub_fetch(&mark->users, 1, __ATOMIC_ACQ_REL) == 0)
		free(mark);
}

/* Called when a thread ends. */
static void
thread_ends(void *arg)
{
	struct thread_mark *mark = arg;
	const uint32_t n = __atomic_load_n(&mark->users, __ATOMIC_RELAXED) - 1;

	if (n > 0)
		HUB_LOG(WARNING, "a thread ends that attached %u endpoints "
			"which are not detached, the last one %s: unless "
			"another thread uses them, their channels stay open "
			"until the process ends; call ferry_detach()", n,
			mark->name);
	drop(mark);
}

RTE_INIT(thread_mark_init)
{
	has_key = pthread_key_create(&key, thread_ends) == 0;
}

/* The library may be unloaded before its threads end, and they must not call
 * thread_ends() then. */
RTE_FINI(thread_mark_fini)
{
	if (has_key)
		pthread_key_delete(key);
}

struct thread_mark *
thread_mark(const char *name)
{
	struct thread_mark *mark;

	if (!has_key)
		return NULL;
	mark = pthread_getspecific(key);
	if (mark == NULL) {
		mark = calloc(1, sizeof(*mark));
		if (mark == NULL)
			return NULL;
		mark->users = 1;
		if (pthread_setspecific(key, mark) != 0) {
			free(mark);
			return NULL;
		}
	}
	strcpy(mark->name, name);
	__atomic_add_fetch(&mark->users, 1, __ATOMIC_RELAXED);
	return mark;
}

void
thread_unmark(struct thread_mark *mark)
{
	if (mark != NULL)
		drop(mark);
}
