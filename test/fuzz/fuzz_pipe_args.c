/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * The command line of ferry-pipe: arguments, each ended by a line feed. All of
 * main() runs, except the three commands. The exit code is one that the guide
 * documents, and the options that a command gets are within their limits.
 */

#include <fcntl.h>
#include <stdlib.h>

#include "app_args.h"
#include "app_eal.h"
#include "fuzz.h"

/* Signals are libFuzzer's, no EAL runs, and standard files are open. */
#define app_catch_signals(stop) ((void)(stop))
#define ferry_eal_cleanup(args, role) ((void)(args), (void)(role))
#define fcntl(fd, what) ((void)(fd), (what) == F_GETFL ? O_RDWR : 0)
#define main pipe_main
#include "../../apps/pipe/main.c"
#undef main

#define MOST 40

static int
wanted(const struct pipe_options *o)
{
	fuzz_check(ferry_name_check(o->hub) == 0);
	fuzz_check(ferry_channel_memory(&o->config) > 0);
	fuzz_check(o->block >= PIPE_BLOCK_MIN && o->block <= PIPE_BLOCK_MAX);
	fuzz_check(o->memory >= 2 << 20 && o->engines <= FERRY_ENGINES_MAX);
	return 0;
}

int
pipe_hub(const struct pipe_options *o)
{
	return wanted(o);
}

int
pipe_send(const struct pipe_options *o)
{
	fuzz_check(ferry_name_check(o->channel) == 0);
	return wanted(o);
}

int
pipe_recv(const struct pipe_options *o)
{
	return pipe_send(o);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char program[] = "ferry-pipe", *argv[MOST + 2];
	struct fuzz_in in = { data, size };
	char *text = fuzz_text(&in), *next = text, *arg;
	int argc = 0, ret;

	argv[argc++] = program;
	while (argc <= MOST && (arg = strsep(&next, "\n")) != NULL)
		argv[argc++] = arg;
	argv[argc] = NULL;
	ret = pipe_main(argc, argv);
	fuzz_check(ret >= 0 && ret <= 2);
	free(text);
	return 0;
}
