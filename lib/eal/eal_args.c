/* SPDX-License-Identifier: BSD-3-Clause */

#include <errno.h>
#include <sched.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_common.h>
#include <rte_lcore.h>

#include "eal_private.h"

/* An EAL option that ferry looks at. */
struct option {
	const char *name;
	/* EAL accepts each beginning of a long name that fits no other name.
	 * This is the length of the shortest one. */
	size_t shortest;
	/* The option takes a value, as the next argument or after "=". */
	bool value;
	/* The option chooses the lcores. */
	bool cores;
	/* refused: the roles in which ferry refuses the option, one bit each.
	 * why: the reason. */
	unsigned int refused;
	const char *why;
};

#define HUB (1u << FERRY_EAL_HUB)
#define SECONDARY (1u << FERRY_EAL_SECONDARY)
#define HIDES "other processes could not find this one's memory"
#define DEVICES "devices belong to the hub"

static const struct option options[] = {
	{ "--no-huge", 7, false, false, HUB | SECONDARY,
		"ferry's processes meet in hugepages" },
	{ "--in-memory", 4, false, false, HUB | SECONDARY, HIDES },
	{ "--no-shconf", 6, false, false, HUB | SECONDARY, HIDES },
	{ "--legacy-mem", 4, false, false, HUB | SECONDARY,
		"EAL then cannot take memory after its start; reserve it with "
		"-m or --socket-mem" },
	{ "-a", 2, true, false, SECONDARY, DEVICES },
	{ "--allow", 3, true, false, SECONDARY, DEVICES },
	{ "-b", 2, true, false, SECONDARY, DEVICES },
	{ "--block", 4, true, false, SECONDARY, DEVICES },
	{ "--vdev", 4, true, false, SECONDARY, DEVICES },
	{ "--proc-type", 3, true, false, HUB | SECONDARY,
		"ferry sets it itself" },
	{ "--file-prefix", 4, true, false, 0, NULL },
	{ "-l", 2, true, true, 0, NULL },
	{ "-c", 2, true, true, 0, NULL },
	{ "--lcores", 4, true, true, 0, NULL },
	{ "--main-lcore", 5, true, false, 0, NULL },
};

/* The value of this option may be left out. That means "always". */
#define HUGE_UNLINK "--huge-unlink"
#define HUGE_UNLINK_SHORTEST 8

int
eal_refuse(struct ferry_eal_args *args, int error, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	vsnprintf(args->error, sizeof(args->error), format, ap);
	va_end(ap);
	return error;
}

/* Whether an argument is a certain long option, perhaps shortened. */
static bool
is_long(const char *arg, const char *name, size_t shortest)
{
	const size_t len = strcspn(arg, "=");

	return len >= shortest && strncmp(arg, name, len) == 0;
}

/* Find the option that an argument is. *value: the text behind its "=", or
 * NULL. */
static const struct option *
option_find(const char *arg, const char **value)
{
	unsigned int i;

	*value = NULL;
	for (i = 0; i < RTE_DIM(options); i++) {
		const struct option *o = &options[i];

		if (o->name[1] == '-') {
			if (!is_long(arg, o->name, o->shortest))
				continue;
			arg = strchr(arg, '=');
			*value = arg != NULL ? arg + 1 : NULL;
			return o;
		}
		if (strncmp(arg, o->name, 2) != 0)
			continue;
		/* "-l0-1" means the same as "-l 0-1". */
		*value = arg[2] != '\0' ? arg + 2 : NULL;
		return o;
	}
	return NULL;
}

/* Whether an argument makes EAL remove the names of its page files, so that
 * secondaries cannot find them. */
static bool
unlinks(const char *arg)
{
	const char *value = strchr(arg, '=');

	return is_long(arg, HUGE_UNLINK, HUGE_UNLINK_SHORTEST) &&
		(value == NULL || strcmp(value, "=always") == 0);
}

static int
add(struct ferry_eal_args *args, const char *format, ...)
{
	char *text = args->text + args->text_used;
	const size_t room = sizeof(args->text) - args->text_used;
	va_list ap;
	int n;

	if (args->argc >= FERRY_EAL_ARGS_MAX)
		return -E2BIG;
	va_start(ap, format);
	n = vsnprintf(text, room, format, ap);
	va_end(ap);
	if (n < 0 || (size_t)n >= room)
		return -E2BIG;
	args->text_used += (uint32_t)n + 1;
	args->argv[args->argc++] = text;
	return 0;
}

/* Write the CPUs on which this process may run, in EAL's form. Returns 0 or a
 * negative errno. */
static int
cpus_allowed(char *text, size_t len)
{
	int n, cpu, end, ret = -E2BIG;
	cpu_set_t *set = NULL;
	size_t used = 0, size;

	/* Try larger sets, because the kernel refuses a set that is smaller
	 * than its own. */
	for (n = CPU_SETSIZE; n <= 1 << 20; n *= 2) {
		set = CPU_ALLOC(n);
		if (set == NULL)
			return -ENOMEM;
		size = CPU_ALLOC_SIZE(n);
		CPU_ZERO_S(size, set);
		if (sched_getaffinity(0, size, set) == 0)
			break;
		ret = -errno;
		CPU_FREE(set);
		set = NULL;
		if (ret != -EINVAL)
			return ret;
	}
	if (set == NULL)
		return ret;
	/* EAL knows no CPU above CPU_SETSIZE. */
	for (cpu = 0; cpu < CPU_SETSIZE && used < len; cpu = end + 1) {
		end = cpu;
		if (!CPU_ISSET_S(cpu, size, set))
			continue;
		while (end + 1 < CPU_SETSIZE && CPU_ISSET_S(end + 1, size, set))
			end++;
		used += (size_t)snprintf(text + used, len - used,
			cpu == end ? "%s%d" : "%s%d-%d", used > 0 ? "," : "",
			cpu, end);
	}
	CPU_FREE(set);
	return used == 0 ? -ENODEV : used < len ? 0 : -E2BIG;
}

/* Add an argument for one lcore that may run on all CPUs of the process. */
static int
add_floating_lcore(struct ferry_eal_args *args)
{
	char cpus[3072];
	int ret = cpus_allowed(cpus, sizeof(cpus));

	if (ret == 0)
		ret = add(args, "--lcores=%d@(%s)", RTE_MAX(args->main_lcore,
				0), cpus);
	if (ret == 0)
		args->lcore = args->argv[args->argc - 1];
	return ret;
}

static int
take_prefix(struct ferry_eal_args *args, const char *value)
{
	if (snprintf(args->prefix, sizeof(args->prefix), "%s", value) >=
			(int)sizeof(args->prefix) || value[0] == '\0' ||
			strcmp(value, ".") == 0 || strcmp(value, "..") == 0 ||
			strchr(value, '/') != NULL)
		return eal_refuse(args, -EINVAL,
			"--file-prefix must be a short name without slashes");
	/* EAL uses the prefix in format strings, so it must have no "%". */
	if (strchr(value, '%') != NULL)
		return eal_refuse(args, -EINVAL, "--file-prefix has an "
			"invalid character: choose one without %%");
	return 0;
}

int
ferry_eal_args(struct ferry_eal_args *args, enum ferry_eal_role role,
		int argc, char *const argv[])
{
	bool cores = false, prefix = false;
	int i, ret = 0;

	memset(args, 0, sizeof(*args));
	args->start_ms = FERRY_EAL_START_MS;
	args->main_lcore = -1;
	if (argc < 1 || argc > FERRY_EAL_ARGS_MAX / 2)
		return eal_refuse(args, -E2BIG, "more than %d EAL options",
				FERRY_EAL_ARGS_MAX / 2 - 1);
	snprintf(args->prefix, sizeof(args->prefix), "%s", FERRY_FILE_PREFIX);
	args->argv[args->argc++] = argv[0];
	for (i = 1; i < argc; i++) {
		const char *value;
		const struct option *o = option_find(argv[i], &value);

		args->argv[args->argc++] = argv[i];
		if (unlinks(argv[i]))
			return eal_refuse(args, -EINVAL, "EAL option %s does "
				"not go here: %s", HUGE_UNLINK, HIDES);
		if (o == NULL)
			continue;
		if (o->refused & (1u << role))
			return eal_refuse(args, -EINVAL, "EAL option %s does "
				"not go here: %s", o->name, o->why);
		if (o->value && value == NULL) {
			if (i + 1 == argc)
				return eal_refuse(args, -EINVAL,
					"EAL option %s lacks its value",
					o->name);
			value = argv[++i];
			args->argv[args->argc++] = argv[i];
		}
		if (strcmp(o->name, "--file-prefix") == 0) {
			prefix = true;
			ret = take_prefix(args, value);
			if (ret != 0)
				return ret;
		}
		if (strcmp(o->name, "--main-lcore") == 0)
			args->main_lcore = atoi(value);
		cores |= o->cores;
	}

	if (!prefix)
		ret = add(args, "--file-prefix=%s", args->prefix);
	if (ret == 0)
		ret = add(args, "--proc-type=%s", role == FERRY_EAL_HUB ?
				"primary" : "secondary");
	if (ret == 0 && role == FERRY_EAL_SECONDARY)
		ret = add(args, "--no-pci");
	if (ret == 0 && !cores)
		ret = add_floating_lcore(args);
	if (ret == -E2BIG)
		return eal_refuse(args, ret, "EAL options are too long");
	if (ret != 0)
		return eal_refuse(args, ret, "cannot tell the CPUs that the "
			"process may use: %s", strerror(-ret));
	return 0;
}
