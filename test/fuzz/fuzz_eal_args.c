/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * EAL command lines: the first byte chooses the role, the rest is arguments,
 * each ended by a line feed. An accepted command line ends with NULL, begins
 * with the user's own arguments and stays within the structure. For a refused
 * one there is a reason of one line.
 */

#include <errno.h>
#include <stdlib.h>

#include "ferry_eal.h"
#include "fuzz.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct ferry_eal_args args;
	char *argv[2 * FERRY_EAL_ARGS_MAX + 2];
	struct fuzz_in in = { data, size };
	const enum ferry_eal_role role = fuzz_u8(&in) & 1 ? FERRY_EAL_HUB :
		FERRY_EAL_SECONDARY;
	char program[] = "prog", *text = fuzz_text(&in), *next = text, *arg;
	int argc = 0, ret, i;

	argv[argc++] = program;
	while (argc <= 2 * FERRY_EAL_ARGS_MAX &&
			(arg = strsep(&next, "\n")) != NULL)
		argv[argc++] = arg;
	argv[argc] = NULL;
	ret = ferry_eal_args(&args, role, argc, argv);
	fuzz_check(ret <= 0);
	fuzz_check((ret == 0) == (args.error[0] == '\0'));
	fuzz_check(memchr(args.error, 0, sizeof(args.error)) != NULL);
	fuzz_check(strchr(args.error, '\n') == NULL);
	if (ret == 0) {
		fuzz_check(args.argc >= argc &&
			args.argc <= FERRY_EAL_ARGS_MAX);
		fuzz_check(args.argv[args.argc] == NULL);
		for (i = 0; i < argc; i++)
			fuzz_check(args.argv[i] == argv[i]);
		for (; i < args.argc; i++)
			fuzz_check(args.argv[i] >= args.text &&
				args.argv[i] + strlen(args.argv[i]) <
				args.text + sizeof(args.text));
		fuzz_check(strlen(args.prefix) > 0 &&
			strchr(args.prefix, '/') == NULL);
	}
	free(text);
	return 0;
}
