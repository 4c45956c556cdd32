/* SPDX-License-Identifier: BSD-3-Clause */

#include <stdint.h>
#include <stdio.h>

#include <rte_common.h>

#include "storm_eal.h"

#define TEXT(s) ((char *)(uintptr_t)(s))

int
storm_eal_start(struct ferry_eal_args *args, enum ferry_eal_role role,
		const char *plugin)
{
	static char prefix[64];
	char *argv[] = {
		TEXT("storm"), prefix, TEXT("-m"), TEXT(STORM_EAL_MB),
		TEXT("--no-telemetry"), TEXT("--log-level=error"),
		/* It complains of what is done to it on purpose. */
		TEXT("--log-level=lib.eal:critical"),
		TEXT("--log-level=ferry.hub:critical"),
		TEXT("--no-pci"), TEXT("-d"), TEXT(plugin),
	};
	int argc = plugin != NULL ? RTE_DIM(argv) : RTE_DIM(argv) - 2;
	int ret;

	snprintf(prefix, sizeof(prefix), "--file-prefix=%s",
		ferry_test_prefix());
	ret = ferry_eal_args(args, role, argc, argv);
	if (ret == 0)
		ret = ferry_eal_init(args, role);
	if (ret != 0)
		fprintf(stderr, "storm: EAL did not start: %d %s\n", ret,
			args->error);
	return ret;
}
