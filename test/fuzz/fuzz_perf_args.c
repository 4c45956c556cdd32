/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * The command line of ferry-perf: its own options, each ended by a line feed,
 * and the choice of scenarios by them.
 */

#include <stdlib.h>

#include "fuzz.h"

#define main perf_main
#include "../../apps/perf/main.c"
#undef main

#define MOST 40

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct perf p;
	char program[] = "ferry-perf", *argv[MOST + 2];
	struct fuzz_in in = { data, size };
	char *text = fuzz_text(&in), *next = text, *arg;
	const struct scenario *sc;
	uint32_t at = 0, n = 0;
	int argc = 0, ret;

	argv[argc++] = program;
	while (argc <= MOST && (arg = strsep(&next, "\n")) != NULL)
		argv[argc++] = arg;
	argv[argc] = NULL;
	memset(&p, 0, sizeof(p));
	ret = parse_options(&p.o, argc, argv);
	fuzz_check(ret == 0 || ret == 1 || ret == -EINVAL);
	if (ret == 0) {
		fuzz_check(p.o.runs >= 1 && p.o.slice_ms >= 1);
		fuzz_check(p.o.pool >= POOL_MIN && rte_is_power_of_2(
			(uint32_t)(p.o.pool / POOL_MIN)));
		fuzz_check(p.o.sets != 0);
		while ((sc = scenario_next(&p.o, &at)) != NULL) {
			fuzz_check(sc->name != NULL);
			n++;
		}
		if (n == 0)
			fuzz_check(say_nothing_to_do(&p) == -EINVAL);
	}
	free(text);
	return 0;
}
