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

/** A copy of the plugin, for the time of rte_eal_init(). */
struct rig_plugin {
	char dir[32];
	char path[64];
};

/** Copy the plugin named by FERRY_TEST_PLUGIN to where EAL takes it. */
void rig_plugin_place(struct rig_plugin *plugin);

/** Find its functions, once EAL has loaded it, and remove the copy. */
void rig_plugin_open(const struct rig_plugin *plugin);

/**
 * For cmocka, before a group: an EAL with the plugin, dmadevs configured. The
 * library FERRY_TEST_FIRST, if it is set, is loaded before.
 */
int rig_group_setup(void **state);

/**
 * Set the environment that the plugin reads: what is above, and the text of
 * FERRY_TEST_SOFTDSA.
 */
void rig_environment(void);

/** Find and configure the dmadevs. */
void rig_devices(void);

/**
 * Before each test: no faults, all work queues enabled, idxd as new, counters
 * noted.
 */
int rig_setup(void **state);

/**
 * At the start of each test: skip it if there cannot be an EAL. cmocka has
 * installed its handlers by now; the device's go in front of them.
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
 * Take completions until there are n, or for some seconds.
 *
 * @param[out] status
 *   One for each, or NULL: then an error fails the test.
 * @return
 *   How many came.
 */
unsigned int rig_wait(unsigned int wq, unsigned int n,
		enum rte_dma_status_code *status);

/** Whether a completion comes within ms milliseconds: none is taken. */
bool rig_silent(unsigned int wq, unsigned int ms);

/** Write a work queue's name to bind or unbind, and wait for its state. */
void rig_bind(unsigned int wq, bool on);

/** Text of a fault of a work queue at random: none that damages data. */
void rig_fault(uint64_t *rng, char *text, size_t size);

/** Content of an attribute of a work queue. */
const char *rig_attribute(unsigned int wq, const char *name);

#endif /* SOFT_RIG_H */
