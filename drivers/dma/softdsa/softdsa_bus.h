/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef SOFTDSA_BUS_H
#define SOFTDSA_BUS_H

/*
 * Declarations for a bus without devices. The plugin registers such a bus so
 * that EAL calls the plugin when it scans buses. At that time EAL knows whether
 * the process is a primary, and the dsa bus has not looked for work queues yet.
 *
 * DPDK exports the functions below. But its packages lack bus_driver.h, which
 * declares them. So this file holds the needed part of it, as of DPDK 22.11.
 */

#include <sys/queue.h>

#include <rte_dev.h>

struct rte_bus {
	TAILQ_ENTRY(rte_bus) next;
	const char *name;
	int (*scan)(void);
	int (*probe)(void);
	struct rte_device *(*find_device)(const struct rte_device *start,
		rte_dev_cmp_t cmp, const void *data);
	/* Fields of a bus with devices, and some room. They stay empty. */
	void *more[32];
};

void rte_bus_register(struct rte_bus *bus);
void rte_bus_unregister(struct rte_bus *bus);

#endif /* SOFTDSA_BUS_H */
