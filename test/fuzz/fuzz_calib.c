/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Calibration files. What is read can be written and read again, to the same
 * values but for rounding; what is refused leaves nothing but the reason.
 */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "ferry_calib.h"
#include "fuzz.h"

static char path[64], out[96];
static int file;

static void
remove_files(void)
{
	char dir[sizeof(path)];

	unlink(out);
	snprintf(dir, sizeof(dir), "%s", out);
	*strrchr(dir, '/') = '\0';
	rmdir(dir);
}

int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
	char dir[] = "/dev/shm/ferry-fuzz-XXXXXX";

	(void)argc;
	(void)argv;
	fuzz_check(mkdtemp(dir) != NULL);
	snprintf(out, sizeof(out), "%s/calib", dir);
	atexit(remove_files);
	/* Read by its name, as every file is. */
	file = memfd_create("calib", MFD_CLOEXEC);
	fuzz_check(file >= 0);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", file);
	return 0;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct ferry_calib calib, again;
	static unsigned int turn;
	int ret;

	fuzz_check(ftruncate(file, 0) == 0);
	fuzz_check(pwrite(file, data, size, 0) == (ssize_t)size);
	ret = ferry_calib_load(path, &calib);
	fuzz_check(ret == 0 || ret == -EBADMSG);
	fuzz_check((ret == 0) == (calib.why[0] == '\0'));
	fuzz_check(memchr(calib.why, 0, sizeof(calib.why)) != NULL);
	fuzz_check(memchr(calib.why, '\n', strlen(calib.why)) == NULL);
	if (ret != 0) {
		fuzz_check(calib.nb_lanes == 0);
		return 0;
	}
	/* A file takes long to write: one in eight. */
	if (turn++ % 8 != 0)
		return 0;
	fuzz_check(ferry_calib_save(&calib, out) == 0);
	fuzz_check(ferry_calib_load(out, &again) == 0);
	fuzz_check(strcmp(calib.machine, again.machine) == 0);
	fuzz_check(strcmp(calib.kernels, again.kernels) == 0);
	fuzz_check(calib.nb_lanes == again.nb_lanes);
	fuzz_check(calib.demote == again.demote);
	return 0;
}
