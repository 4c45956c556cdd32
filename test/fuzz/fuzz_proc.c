/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Files of another process in /proc, whose names that process has chosen: its
 * maps, in which ferry looks for the hub's hugepage files, and its command. The
 * first byte chooses the file, the second one whether the pages are found; the
 * rest is the file's text. What ferry says of the process is one line.
 */

#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>

#include "eal_private.h"
#include "fuzz.h"

static FILE *text;
static bool found;

FILE *__real_fopen64(const char *path, const char *mode);
FILE *__wrap_fopen64(const char *path, const char *mode);
FILE *
__wrap_fopen64(const char *path, const char *mode)
{
	FILE *f = text;

	if (f == NULL)
		return __real_fopen64(path, mode);
	text = NULL;
	return f;
}

int __real_stat64(const char *path, struct stat *st);
int __wrap_stat64(const char *path, struct stat *st);
int
__wrap_stat64(const char *path, struct stat *st)
{
	if (strchr(path, '/') == NULL)
		return __real_stat64(path, st);
	memset(st, 0, sizeof(*st));
	st->st_ino = 7;
	errno = ENOENT;
	return found ? 0 : -1;
}

/* What mounts there are is not the input's. */
FILE *__wrap_setmntent(const char *path, const char *mode);
FILE *
__wrap_setmntent(const char *path, const char *mode)
{
	(void)path;
	(void)mode;
	errno = EMFILE;
	return NULL;
}

static void
maps(void)
{
	static struct ferry_eal_args args;
	unsigned int n;
	int ret;

	args.error[0] = '\0';
	strcpy(args.prefix, "ferry");
	ret = eal_pages_check_hub(&args, 1, &n);
	fuzz_check(ret == 0 || ret == -ESTALE);
	fuzz_check((ret == 0) == (args.error[0] == '\0'));
	fuzz_check(memchr(args.error, 0, sizeof(args.error)) != NULL);
	fuzz_check(strchr(args.error, '\n') == NULL);
}

static void
command(void)
{
	char out[32];

	memset(out, 0xff, sizeof(out));
	eal_fds_command(1, out, sizeof(out));
	fuzz_check(memchr(out, 0, sizeof(out)) != NULL);
	fuzz_check(strchr(out, '\n') == NULL);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_in in = { data, size };
	const bool is_maps = fuzz_u8(&in) & 1;

	found = fuzz_u8(&in) & 1;
	if (in.left == 0)
		return 0;
	text = fmemopen((void *)(uintptr_t)in.at, in.left, "r");
	fuzz_check(text != NULL);
	if (is_maps)
		maps();
	else
		command();
	fuzz_check(text == NULL);
	return 0;
}
