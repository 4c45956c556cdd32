/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef SOFT_RIG_H
#define SOFT_RIG_H

/**
 * @file
 * DPDK's idxd driver on a soft DSA, for tests in one process.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <rte_dmadev.h>

#include "ferry_softdsa.h"

/** Work queues of the device, and places in each. */
#define RIG_WQS 2
#define RIG_SIZE 16
#define RIG_MAX_BATCH 64
#define RIG_MAX_TRANSFER 4194304

/** dmadev of each work queue. */
extern int16_t rig_dev[RIG_WQS];

/** Functions of the plugin. */
extern int (*rig_set)(const char *text);
extern int (*rig_stats)(unsigned int wq, struct ferry_softdsa_stats *stats);
extern const char *(*rig_root)(void);
extern int (*rig_take_signals)(void);

/** A copy of the plugin, which exists while rte_eal_init() runs. */
struct rig_plugin {
	char dir[32];
	char path[64];
};

/** Copy the plugin that FERRY_TEST_PLUGIN names to a directory from which EAL
 * loads plugins. */
void rig_plugin_place(struct rig_plugin *plugin);

/** Find the plugin's functions, once EAL has loaded it, and remove the copy. */
void rig_plugin_open(const struct rig_plugin *plugin);

/**
 * For cmocka, before a group: start an EAL with the plugin, and configure the
 * dmadevs. If FERRY_TEST_FIRST is set, that library is loaded first.
 */
int rig_group_setup(void **state);

/**
 * Set the environment that the plugin reads: the constants above, and the text
 * of FERRY_TEST_SOFTDSA.
 */
void rig_environment(void);

/** Find and configure the dmadevs. */
void rig_devices(void);

/**
 * For cmocka, before each test: turn all faults off, enable all work queues,
 * make the idxd dmadevs as new, and note the counters.
 */
int rig_setup(void **state);

/**
 * At the start of each test: skip it if there cannot be an EAL. Put the
 * device's signal handlers in front of cmocka's, which are installed by now.
 */
#define rig_begin() do { \
	ferry_test_need_eal(); \
	assert_int_equal(rig_take_signals(), 0); \
} while (0)

/** What a counter has grown by since rig_setup(). */
#define rig_grown(wq, name) \
	(rig_stats_now(wq).name - rig_before[wq].name)

extern struct ferry_softdsa_stats rig_before[RIG_WQS];
struct ferry_softdsa_stats rig_stats_now(unsigned int wq);

/**
 * Take completions until there are n, but for some seconds at most.
 *
 * @param[out] status
 *   Status of each completion. NULL: an error fails the test.
 * @return
 *   How many completions came.
 */
unsigned int rig_wait(unsigned int wq, unsigned int n,
		enum rte_dma_status_code *status);

/** Whether no completion comes within ms milliseconds. Takes one that comes. */
bool rig_silent(unsigned int wq, unsigned int ms);

/** Write a work queue's name to bind or unbind, and wait for its state. */
void rig_bind(unsigned int wq, bool on);

/** Write the text of a random fault of a work queue: none that damages data. */
void rig_fault(uint64_t *rng, char *text, size_t size);

/** The content of an attribute of a work queue in sysfs. */
const char *rig_attribute(unsigned int wq, const char *name);

#endif /* SOFT_RIG_H */
