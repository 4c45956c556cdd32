/* SPDX-License-Identifier: BSD-3-Clause
 *
 * For devtools/coverage.sh only: lets a process that ends with _exit() write
 * its counters before. gcov keeps the counters of each shared object and of the
 * program apart, so each has a part of its own (EACH_OBJECT), which registers
 * at the one list that all share.
 */

void ferry_coverage_add(void (*dump)(void));
void ferry_coverage_dump(void);

#ifdef EACH_OBJECT

void __gcov_dump(void);

__attribute__((constructor)) static void
coverage_register(void)
{
	ferry_coverage_add(__gcov_dump);
}

#else

#define OBJECTS_MAX 64

static void (*dumps[OBJECTS_MAX])(void);
static unsigned int n_dumps;

void
ferry_coverage_add(void (*dump)(void))
{
	if (n_dumps < OBJECTS_MAX)
		dumps[n_dumps++] = dump;
}

void
ferry_coverage_dump(void)
{
	unsigned int i;

	for (i = 0; i < n_dumps; i++)
		dumps[i]();
}

#endif
