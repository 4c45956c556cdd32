/* SPDX-License-Identifier: BSD-3-Clause */

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <rte_common.h>
#include <rte_launch.h>
#include <rte_lcore.h>

#include "app_eal.h"
#include "follower.h"
#include "side.h"

/* How long a process gets to end by itself: in steps of 10 ms. */
#define END_STEPS 500

struct follower {
	char hub[FERRY_NAME_MAX];
	/* The process, or 0; the lcore otherwise. */
	pid_t pid;
	unsigned int lcore;
};

static bool
gives(int argc, char **argv, const char *option)
{
	int i;

	for (i = 1; i < argc; i++)
		if (strncmp(argv[i], option, strlen(option)) == 0)
			return true;
	return false;
}

int
follower_eal_args(struct places *places, int *argc, char **args, char **argv,
		char *text, size_t len)
{
	char cores[96];
	int ret, given = *argc;
	size_t used;

	ret = places_find(places);
	if (ret != 0) {
		app_error("cannot find out which CPUs there are: %s",
			strerror(-ret));
		return ret;
	}
	places->chosen = gives(given, argv, "-l") || gives(given, argv, "-c") ||
		gives(given, argv, "--lcores");

	if (given > FERRY_EAL_ARGS_MAX - 8) {
		app_error("too many EAL options");
		return -E2BIG;
	}
	memcpy(args, argv, given * sizeof(args[0]));
	if (!gives(given, argv, "--file-prefix")) {
		args[(*argc)++] = text;
		used = snprintf(text, len, "--file-prefix=ferry-perf-%d",
				(int)getpid()) + 1;
		text += used;
		len -= used;
	}
	if (!places->chosen) {
		if (places->cpus < 2)
			app_error("there is one CPU for both sides: the "
				"numbers mean nothing");
		places_lcores(places, PLACE_N, cores, sizeof(cores));
		args[(*argc)++] = text;
		snprintf(text, len, "--lcores=%s", cores);
	}
	if (given == 1) {
		static char no_pci[] = "--no-pci", quiet[] = "--no-telemetry";

		args[(*argc)++] = no_pci;
		args[(*argc)++] = quiet;
	}
	return 0;
}

static int
follow(const char *hub)
{
	struct side *side = calloc(1, sizeof(*side));
	int ret;

	if (side == NULL)
		return -ENOMEM;
	ret = side_start(side, hub, false);
	if (ret == 0) {
		ret = side_follow(side);
		/* The leader says on its own why it ended early. */
		if (ret == -ECANCELED || ret == FERRY_E_CLOSED)
			ret = 0;
		else if (ret != 0)
			app_error("the receiver: %s", ferry_strerror(ret));
	}
	side_end(side);
	free(side);
	return ret;
}

static int
lcore_main(void *arg)
{
	struct follower *f = arg;

	return follow(f->hub);
}

/* The child, after fork(): only exec from here. */
static void
become_process(const struct follower *f, const char *prefix, const char *lcores)
{
	char *argv[] = {
		program_invocation_short_name, (char *)(uintptr_t)prefix,
		(char *)(uintptr_t)lcores, (char *)(uintptr_t)"--",
		(char *)(uintptr_t)"--follow", (char *)(uintptr_t)f->hub, NULL,
	};

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	execv("/proc/self/exe", argv);
	_exit(127);
}

static int
start_process(struct follower *f, const char *file_prefix)
{
	char prefix[96], lcores[32];
	cpu_set_t set = rte_lcore_cpuset(f->lcore);
	unsigned int id = RTE_MAX_LCORE - 1;
	int cpu;

	for (cpu = 0; cpu < CPU_SETSIZE && !CPU_ISSET(cpu, &set); cpu++)
		;
	snprintf(prefix, sizeof(prefix), "--file-prefix=%s", file_prefix);
	/* An id that this process does not have: see eal_safety.rst. */
	while (id > 0 && rte_lcore_is_enabled(id))
		id--;
	snprintf(lcores, sizeof(lcores), "--lcores=%u@%d", id, cpu);
	f->pid = fork();
	if (f->pid == 0)
		become_process(f, prefix, lcores);
	return f->pid < 0 ? -errno : 0;
}

int
follower_start(struct follower **out, const char *hub,
		const struct ferry_eal_args *eal, bool process)
{
	struct follower *f = calloc(1, sizeof(*f));
	int ret;

	if (f == NULL)
		return -ENOMEM;
	snprintf(f->hub, sizeof(f->hub), "%s", hub);
	f->lcore = rte_get_next_lcore(-1, 1, 0);
	if (f->lcore >= RTE_MAX_LCORE) {
		app_error("two lcores are needed, such as --lcores=0@0,1@1");
		free(f);
		return -EINVAL;
	}
	ret = process ? start_process(f, eal->prefix) :
		rte_eal_remote_launch(lcore_main, f, f->lcore);
	if (ret != 0) {
		app_error("cannot start the receiver: %s", strerror(-ret));
		free(f);
		return ret;
	}
	*out = f;
	return 0;
}

static int
end_process(pid_t pid)
{
	int status, i;

	for (i = 0; i < END_STEPS; i++) {
		if (waitpid(pid, &status, WNOHANG) == pid)
			return WIFEXITED(status) && WEXITSTATUS(status) == 0 ?
				0 : -ECHILD;
		usleep(10000);
	}
	kill(pid, SIGKILL);
	waitpid(pid, &status, 0);
	return -ETIMEDOUT;
}

int
follower_end(struct follower *f)
{
	int ret;

	ret = f->pid != 0 ? end_process(f->pid) : rte_eal_wait_lcore(f->lcore);
	free(f);
	return ret;
}

int
follower_main(const char *hub, int argc, char **argv)
{
	struct ferry_eal_args eal;
	int ret;

	/* The leader ends this process: Ctrl-C is meant for both. */
	signal(SIGINT, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	ret = app_eal_start(&eal, FERRY_EAL_SECONDARY, argc, argv);
	if (ret != 0)
		return ret;
	ret = follow(hub);
	ferry_eal_cleanup(&eal, FERRY_EAL_SECONDARY);
	return ret;
}
