/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef FERRY_TEST_FAKE_DMA_H
#define FERRY_TEST_FAKE_DMA_H

/**
 * @file
 * A DMA device that misbehaves on request.
 *
 * It takes the place of a dma_skeleton device: dmadev's public table of fast
 * path functions is pointed at the functions of the fake, while start and stop
 * remain those of the skeleton.
 */

#include <stdbool.h>
#include <stdint.h>

#include <rte_dmadev.h>

#define FAKE_RING 4096

struct fake_dma_op {
	rte_iova_t src;
	rte_iova_t dst;
	uint32_t len;
	enum rte_dma_status_code code;
};

/** The fake. The test sets the first part, and reads the second. */
struct fake_dma {
	/** Operations it can hold. */
	uint16_t size;
	/** Operations it carries out per call of a completed function. */
	uint16_t pace;
	/** After it has carried out operations, carries out none for so many
	 * nanoseconds. */
	uint64_t nap_ns;
	/** In each of the next `pauses` calls of a completed function the
	 * calling thread sleeps for pause_us, and nothing is carried out. */
	unsigned int pause_us, pauses;
	/** Operations per doorbell beyond which it reports no capacity. */
	uint16_t max_batch;
	/** Reports so much capacity whatever it has. */
	uint16_t lie_capacity;
	/** Claims so many completions too many. */
	uint16_t lie_completed;
	/** Takes so many completions without reporting them. */
	unsigned int lose;
	/** Carries out nothing any more. */
	bool hang;
	/** Halts at each failure, under a driver like ioat of DPDK 22.11. */
	bool ioat;
	/** With ioat: cannot be restarted after it has halted. */
	bool unrecoverable;
	/** Number of doorbells to fail. */
	unsigned int bad_doorbells;
	/** How operation number n (from 0) ends; NULL: well. */
	enum rte_dma_status_code (*verdict)(uint64_t n);
	/** What making of operation number n returns, if not 0; NULL: 0. */
	int (*refuse)(uint64_t n);
	/** Turns a device address into one of the process; NULL: they are the
	 * same. */
	void *(*where)(rte_iova_t iova);

	/** Operations made, carried out and reported; attempts to make one. */
	uint64_t made, ran, told, tries;
	/** Operations the device was told of with a doorbell. */
	uint64_t rung;
	unsigned int doorbells;
	uint32_t longest;
	/** With ioat: the device has halted at operation number ran. */
	bool halted;
	/** With ioat: the failure that rte_dma_completed() met and whose status
	 * the lane has not asked for yet. */
	enum rte_dma_status_code failure;
	/** When it last carried out something. */
	uint64_t ran_ns;
	/** All flags of all operations. */
	uint64_t flags;

	/** The skeleton's entry in dmadev's table. */
	struct rte_dma_fp_object saved;
	int16_t dev_id;
	struct fake_dma_op ring[FAKE_RING];
};

/** Set up a skeleton device for mem to mem with nb_desc, and start it. */
void fake_dma_skeleton_start(int16_t dev_id, uint16_t nb_desc);

/** Put the fake in place of a started skeleton. It begins without faults. */
void fake_dma_install(struct fake_dma *fake, int16_t dev_id);

/** Undo fake_dma_install(). */
void fake_dma_remove(struct fake_dma *fake);

/** Add capabilities to the device's info, and take others from it. */
void fake_dma_capa(uint64_t add, uint64_t without);

/** Set the number of descriptors in the device's info; below 0: its own. */
void fake_dma_max_desc(int max_desc);

/** Set the name in every device's info; NULL: its own. */
void fake_dma_name(const char *name);

/** Let this process seem a secondary, or itself again. */
void fake_dma_secondary(bool on);

#endif /* FERRY_TEST_FAKE_DMA_H */
