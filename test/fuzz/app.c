/* SPDX-License-Identifier: BSD-3-Clause */

/* Takes the place of apps/common/app_eal.c. Prints nothing and starts no
 * EAL. */

#include <stdarg.h>
#include <stdio.h>

#include "app_eal.h"
#include "fuzz.h"

void
app_error(const char *format, ...)
{
	va_list ap;
	char line[4096];

	va_start(ap, format);
	vsnprintf(line, sizeof(line), format, ap);
	va_end(ap);
	fuzz_check(line[0] != '\0');
}

int
app_eal_start(struct ferry_eal_args *args, enum ferry_eal_role role, int argc,
		char **argv)
{
	fuzz_check(argc >= 1 && argv[0] != NULL);
	return ferry_eal_args(args, role, argc, argv);
}
