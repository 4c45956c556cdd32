/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Calibration files, which are in memory here. A file that is read can be
 * written and read again, and gives the same values but for rounding. A file
 * that is refused leaves only the reason.
 */

#include <errno.h>

#include "calib_file.h"
#include "fuzz.h"

static struct ferry_calib calib, again;

/* Longer than a file of the longest input. */
static char text[128 << 10];

static void
check_again(void)
{
	FILE *f = fmemopen(text, sizeof(text), "w");
	long len;

	fuzz_check(f != NULL);
	calib_write(f, &calib);
	fuzz_check(fflush(f) == 0);
	len = ftell(f);
	fuzz_check(len > 0 && len < (long)sizeof(text));
	fclose(f);
	fuzz_check(calib_parse(text, (size_t)len, "again", &again) == 0);
	fuzz_check(strcmp(calib.machine, again.machine) == 0);
	fuzz_check(strcmp(calib.kernels, again.kernels) == 0);
	fuzz_check(calib.nb_lanes == again.nb_lanes);
	fuzz_check(calib.demote == again.demote);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const int ret = calib_parse((const char *)data, size, "fuzz", &calib);

	fuzz_check(ret == 0 || ret == -EBADMSG);
	fuzz_check((ret == 0) == (calib.why[0] == '\0'));
	fuzz_check(memchr(calib.why, 0, sizeof(calib.why)) != NULL);
	fuzz_check(memchr(calib.why, '\n', strlen(calib.why)) == NULL);
	if (ret != 0)
		fuzz_check(calib.nb_lanes == 0);
	else
		check_again();
	return 0;
}
