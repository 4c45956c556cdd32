/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Makes every mutex without attributes one that checks for errors. A test ends
 * if a thread takes a mutex that it has, or gives up one that it does not have.
 * Under ThreadSanitizer this file does nothing, because that checks the same.
 */

#include <dlfcn.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#if defined(__SANITIZE_THREAD__)
#define CHECKED 0
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define CHECKED 0
#endif
#endif
#ifndef CHECKED
#define CHECKED 1
#endif

#if CHECKED

/* The C library's function, which is looked up once. */
static int
call(const char *name, void **found, pthread_mutex_t *mutex)
{
	void *real = __atomic_load_n(found, __ATOMIC_RELAXED);
	int error;

	if (real == NULL) {
		real = dlsym(RTLD_NEXT, name);
		__atomic_store_n(found, real, __ATOMIC_RELAXED);
	}
	error = ((int (*)(pthread_mutex_t *))(uintptr_t)real)(mutex);
	if (error != 0) {
		fprintf(stderr, "%s: %s\n", name, strerror(error));
		abort();
	}
	return 0;
}

/* In place of the C library's. */
int
pthread_mutex_init(pthread_mutex_t *mutex, const pthread_mutexattr_t *attr)
{
	int (*real)(pthread_mutex_t *, const pthread_mutexattr_t *) =
		(int (*)(pthread_mutex_t *, const pthread_mutexattr_t *))
		(uintptr_t)dlsym(RTLD_NEXT, "pthread_mutex_init");
	pthread_mutexattr_t checks;
	int error;

	if (attr != NULL)
		return real(mutex, attr);
	error = pthread_mutexattr_init(&checks);
	if (error != 0)
		return error;
	pthread_mutexattr_settype(&checks, PTHREAD_MUTEX_ERRORCHECK);
	error = real(mutex, &checks);
	pthread_mutexattr_destroy(&checks);
	return error;
}

int
pthread_mutex_lock(pthread_mutex_t *mutex)
{
	static void *found;

	return call("pthread_mutex_lock", &found, mutex);
}

int
pthread_mutex_unlock(pthread_mutex_t *mutex)
{
	static void *found;

	return call("pthread_mutex_unlock", &found, mutex);
}

#endif /* CHECKED */
