/* SPDX-License-Identifier: BSD-3-Clause */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <rte_bus.h>
#include <rte_bus_vdev.h>
#include <rte_dmadev.h>
#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_log.h>

#include "eal_private.h"
#include "ferry_process.h"

RTE_LOG_REGISTER(ferry_eal_logtype, ferry.eal, NOTICE);

/* A function of EAL's driver interface. Every version of DPDK has it. */
void rte_bus_unregister(struct rte_bus *bus) __attribute__((weak));

/*
 * Leave EAL's bus of virtual devices out of a secondary. The bus would ask the
 * primary for its devices and probe them in the secondary, too.
 */
static void
leave_out_vdevs(void)
{
	struct rte_bus *bus;

	/* This call removes nothing. It makes the linker keep the bus, so that
	 * the bus is registered now and not only when EAL loads its plugins. */
	rte_vdev_remove_custom_scan(NULL, NULL);
	if (rte_bus_unregister == NULL)
		return;
	bus = rte_bus_find_by_name("vdev");
	if (bus != NULL)
		rte_bus_unregister(bus);
}

/* Write the number of the lcore into args->lcore. */
static int
number_lcore(struct ferry_eal_args *args, int dir)
{
	const char *cpus;
	char text[4096];
	int id;

	if (args->lcore == NULL)
		return 0;
	id = eal_lcore_take(args, dir, args->main_lcore);
	if (id < 0)
		return id;
	cpus = strchr(args->lcore, '@');
	snprintf(text, sizeof(text), "--lcores=%d%s", id, cpus);
	/* args->lcore is the last string in args->text, so it may grow. */
	if (strlen(text) >= (size_t)(args->text + sizeof(args->text) -
			args->lcore))
		return eal_refuse(args, -E2BIG, "EAL options are too long");
	strcpy(args->lcore, text);
	return 0;
}

static int
start(void *arg)
{
	struct ferry_eal_args *args = arg;

	rte_errno = 0;
	if (rte_eal_init(args->argc, args->argv) >= 0)
		return 0;
	return rte_errno != 0 ? -rte_errno : -EIO;
}

/* Start EAL, after the checks. */
static int
init(struct ferry_eal_args *args, enum ferry_eal_role role, int dir)
{
	const uint64_t self = ferry_process_token();
	char words[sizeof(args->error)];
	struct eal_fds before;
	int ret, names = -1;

	/* Check this before EAL starts, because ferry_eal_cleanup() needs the
	 * token. */
	if (self == 0)
		return eal_refuse(args, -ENOMEM, "cannot make this process's "
			"token: memory lacks, or getrandom() or "
			"madvise(MADV_WIPEONFORK) is refused, as by a "
			"container's seccomp profile");
	ret = number_lcore(args, dir);
	if (ret != 0)
		return ret;
	/*
	 * EAL's dsa bus takes every work queue file that it finds in the
	 * directory DSA_DEV_PATH, and its driver resets the queue. An empty
	 * path names no directory.
	 */
	if (role == FERRY_EAL_SECONDARY) {
		if (setenv("DSA_DEV_PATH", "", 1) != 0)
			return eal_refuse(args, -errno, "no memory");
		leave_out_vdevs();
		names = eal_names_take(dir);
	}
	eal_fds_get(&before);
	eal_words_begin();
	ret = eal_watch(start, args, args->start_ms, words, sizeof(words));
	eal_words_end();
	eal_names_leave(dir, names);
	eal_fds_close_on_exec(&before);
	if (ret != 0 && words[0] != '\0')
		return eal_refuse(args, ret, "%s", words);
	if (ret != 0)
		ret = eal_words_why(args, ret);
	if (ret != 0)
		return role == FERRY_EAL_HUB ? ret :
			eal_check_hub_ended(args, ret);
	args->process = self;
	ret = ferry_eal_adopt(words, sizeof(words));
	if (ret != 0) {
		ferry_eal_cleanup(args, role);
		return eal_refuse(args, ret, "%s", words);
	}
	return 0;
}

int
ferry_eal_init(struct ferry_eal_args *args, enum ferry_eal_role role)
{
	int dir, ret;

	/* If EAL runs in this process, the checks below would give up its lock:
	 * they open and close the locked file, and the kernel drops a
	 * process's locks on a file when it closes any descriptor of it. */
	if (rte_eal_get_runtime_dir()[0] != '\0')
		return eal_refuse(args, -EALREADY, "EAL has been started in "
			"this process before, or in the one that it was forked "
			"from: it can be once: start a new program");
	ret = eal_limits_path(args);
	if (ret == 0)
		ret = eal_limits_calls(args);
	if (ret == 0)
		ret = eal_limits_places(args, role);
	/* Check the mounts before the directory is made, so that a start that
	 * fails here leaves no directory. */
	if (ret == 0 && role == FERRY_EAL_HUB)
		ret = eal_check_mounts(args);
	if (ret != 0)
		return ret;
	dir = eal_dir_open(args, role);
	ret = eal_check(args, role, dir);
	if (ret == 0)
		ret = init(args, role, dir);
	if (dir >= 0)
		close(dir);
	if (ret != 0) {
		eal_lcore_release();
		/* Remove the directory that was made for this start, unless it
		 * holds other files. */
		if (role == FERRY_EAL_HUB)
			eal_dir_remove_unused(args->prefix);
	}
	return ret;
}

static void
cleanup(void *arg)
{
	(void)arg;
	rte_eal_cleanup();
}

void
ferry_eal_cleanup(struct ferry_eal_args *args, enum ferry_eal_role role)
{
	struct eal_names own;
	bool ended = false;
	int16_t dev;

	/* The files and locks belong to the process that started EAL. */
	if (ferry_process_check(args->process) != 0)
		return;
	args->process = 0;
	eal_fds_own_names(&own);
	/* Do this before EAL's end, because EAL's end may not return. */
	if (role == FERRY_EAL_HUB) {
		/* Stop the devices, because at EAL's end their drivers free
		 * memory that a running device still uses. */
		RTE_DMA_FOREACH_DEV(dev)
			rte_dma_stop(dev);
		eal_pages_remove(args->prefix);
	}
	if (eal_helper_busy())
		EAL_LOG(ERR, "EAL is left as it is: a call before waits for a "
			"lock that a killed process may hold");
	else
		ended = eal_helper_call("EAL's end", cleanup, NULL, 0,
				true) == 0;
	if (role == FERRY_EAL_HUB)
		eal_dir_remove(args->prefix);
	else
		eal_dir_remove_names(args->prefix, &own, ended);
	eal_lcore_release();
}
