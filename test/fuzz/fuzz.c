/* SPDX-License-Identifier: BSD-3-Clause */

#include <stdio.h>
#include <stdlib.h>

#include "fuzz.h"

char *
fuzz_text(struct fuzz_in *in)
{
	const size_t n = in->left;
	char *text = malloc(n + 1);

	if (text == NULL)
		abort();
	fuzz_bytes(in, text, n);
	text[n] = '\0';
	return text;
}

void
fuzz_failed(const char *file, int line, const char *what)
{
	fprintf(stderr, "%s:%d: does not hold: %s\n", file, line, what);
	abort();
}
