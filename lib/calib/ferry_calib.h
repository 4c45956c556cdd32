/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef FERRY_CALIB_H
#define FERRY_CALIB_H

/**
 * @file
 * Calibration measures how long lanes take for a copy, and from which sizes on
 * a lane is better than the core.
 *
 *     ferry_calibrate(lanes, n, &options, &calib);
 *     ferry_calib_print(&calib, stderr);
 *
 * ferry_calibrate() measures a fixed cost t0 and a bandwidth for each lane,
 * placement and heat. These become the lane's model (ferry_lane_cost()). They
 * can be saved to a file and loaded from it; or the caller gives them. Each
 * lane is measured alone.
 *
 * Thread-safety: no other thread may use the lanes during a call. Calls for
 * different lanes may run at the same time, but each then measures the load of
 * the other, too.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "ferry_copy.h"

#ifdef __cplusplus
extern "C" {
#endif

/** The most lanes in one calibration. */
#define FERRY_CALIB_LANES 16
/** The most time that a calibration takes by default, in nanoseconds. */
#define FERRY_CALIB_BUDGET_NS UINT64_C(400000000)
/** How much memory is used for measuring, if EAL has so much, in bytes. */
#define FERRY_CALIB_MEM ((size_t)64 << 20)
/** The least memory that is needed for measuring, in bytes. */
#define FERRY_CALIB_MEM_MIN ((size_t)4 << 20)
/** Number of jobs in a batch when the cost of a job in a batch is measured. The
 * scheduler starts a device with batches of this size by default. */
#define FERRY_CALIB_BATCH 32
/** A break-even size that says that the lane is never better than the core. */
#define FERRY_CALIB_NEVER UINT64_MAX

/** The result of calibrating one lane. */
enum ferry_calib_state {
	/** All values are known: measured, loaded or given. */
	FERRY_CALIB_OK = 0,
	/** There was not enough time. Values that were not measured are the
	 * driver's seeds. */
	FERRY_CALIB_LATE,
	/** The lane refused or failed a job. It keeps its seeds. */
	FERRY_CALIB_FAILED,
	/**
	 * The lane does not answer, and has jobs in it. The caller must close
	 * it. The memory that it may still write is not freed: see
	 * ferry_calib_lane.held.
	 */
	FERRY_CALIB_HUNG,
};

/** Where a value comes from. */
enum ferry_calib_source {
	/** It is the seed of the lane's driver. Of a break-even: it is not
	 * known. */
	FERRY_CALIB_SEED = 0,
	/** It was measured, or computed from measured values. */
	FERRY_CALIB_MEASURED,
	/** It was read from a file. */
	FERRY_CALIB_LOADED,
	/** The caller gave it. */
	FERRY_CALIB_GIVEN,
};

/** Break-evens: from how many bytes on a lane is better than the core. */
struct ferry_calib_even {
	/** If the caller waits for the copy: the lane finishes sooner. */
	uint64_t sync;
	/** If the caller does not wait: a job for the lane costs the core less
	 * time than copying with the core. */
	uint64_t async;
	/** As async, for each job of a batch of FERRY_CALIB_BATCH jobs. */
	uint64_t batch;
};

/** What is known of one lane. */
struct ferry_calib_lane {
	/** ferry_lane_info.name. */
	char name[48];
	/** The result of calibrating the lane. */
	enum ferry_calib_state state;
	/** The models. */
	struct ferry_lane_model cost[FERRY_PLACES][FERRY_HEATS];
	/** Where each model comes from. */
	enum ferry_calib_source source[FERRY_PLACES][FERRY_HEATS];
	/**
	 * Time that one job costs the core if the core does not wait for it: to
	 * submit the job alone and to take its completion, in nanoseconds. 0
	 * for a lane that is FERRY_LANE_SYNC.
	 */
	double job_ns;
	/** As job_ns, for each job of a batch. */
	double batch_ns;
	/** Where job_ns and batch_ns come from. */
	enum ferry_calib_source job_source;
	/** Break-evens with the core's own lane, for placement AUTO. */
	struct ferry_calib_even even[FERRY_HEATS];
	/** Where the break-evens come from; FERRY_CALIB_SEED: there are
	 * none. */
	enum ferry_calib_source even_source[FERRY_HEATS];
	/**
	 * Memory of EAL that a hung lane may still write, or NULL. The caller
	 * gives it to rte_free() if ferry_lane_close() has returned 0, and
	 * never otherwise. NULL if ferry_calib_options.mem was given: the
	 * caller may then reuse that memory under the same condition.
	 */
	void *held;
};

/** The result of a calibration, or the contents of a file. */
struct ferry_calib {
	/** The machine: name and signature of its CPU. */
	char machine[96];
	/** Copy kernels of the first lane of ferry_copy_cpu(); "-" if there is
	 * no such lane. */
	char kernels[64];
	/** Why a call failed, for people; "" if it did not fail. */
	char why[160];
	/** How long the calibration took, in nanoseconds. */
	uint64_t took_ns;
	/** Whether cpu lanes demote (ferry_lane_set_demote()). */
	bool demote;
	/** Where demote comes from. */
	enum ferry_calib_source demote_source;
	/**
	 * Time that another core takes to read 16 KiB that were just copied:
	 * [0] without demoting, [1] with it, in nanoseconds. 0 if not measured.
	 */
	double read_ns[2];
	/** Number of lanes. */
	unsigned int nb_lanes;
	/** The lanes, in the order in which the caller gave them. */
	struct ferry_calib_lane lanes[FERRY_CALIB_LANES];
};

/** Whether to measure demoting. */
enum ferry_calib_demote {
	/** Measure if the CPU can demote and there is another core to read. */
	FERRY_CALIB_DEMOTE_AUTO = 0,
	/** Do not measure: cpu lanes stay as they are. */
	FERRY_CALIB_DEMOTE_NEVER,
	/** Measure even if the CPU cannot demote. Demoting is then not
	 * switched on. */
	FERRY_CALIB_DEMOTE_MEASURE,
};

/** How to calibrate. All zero is a good choice. */
struct ferry_calib_options {
	/** Time for all lanes together, in nanoseconds; 0:
	 * FERRY_CALIB_BUDGET_NS. */
	uint64_t budget_ns;
	/**
	 * Memory to measure with. It must be aligned to 4 KiB, and all lanes
	 * must reach it. NULL: the call takes FERRY_CALIB_MEM or less from EAL
	 * and gives it back. EAL may have to grow its heap for that, and then
	 * needs an answer from each secondary process. So calibrate before
	 * there are secondaries.
	 */
	void *mem;
	/** Bytes of mem, at least FERRY_CALIB_MEM_MIN. */
	size_t mem_len;
	/** NUMA node of EAL's memory, or SOCKET_ID_ANY. */
	int socket;
	/** File to read first. Values in it are not measured. NULL: none. */
	const char *load;
	/** Accept the file of another machine. */
	bool force;
	/** File to write at the end. NULL: none. */
	const char *save;
	/**
	 * Fixed values, or NULL. A lane takes all values of the lane with the
	 * same name whose source is not FERRY_CALIB_SEED. These values replace
	 * those of the file, and are not measured.
	 */
	const struct ferry_calib *given;
	/** Whether to measure demoting. */
	enum ferry_calib_demote demote;
	/** CPU of the core that reads, plus 1; 0: the call chooses one. */
	unsigned int reader;
	/**
	 * A clock in nanoseconds. Each call must return a later time. NULL:
	 * CLOCK_MONOTONIC. For tests.
	 */
	uint64_t (*clock)(void *arg);
	/** Argument of the clock. */
	void *clock_arg;
};

/**
 * Calibrate lanes, and set their models: ferry_lane_cost() for each kind of
 * jobs, and ferry_lane_model() to the model of AUTO, cold. A lane that fails,
 * hangs or gets no time keeps its models; that is no error of the call. The
 * statistics of the lanes (ferry_lane_stats()) do not count the copies that the
 * calibration makes.
 *
 * Break-evens compare with the first lane that is FERRY_LANE_SYNC.
 *
 * @param lanes
 *   Open lanes without jobs. The caller keeps them.
 * @param n
 *   How many lanes, 1 to FERRY_CALIB_LANES.
 * @param options
 *   The options; NULL: all zero.
 * @param[out] calib
 *   The result.
 * @return
 *   0; -EINVAL for bad arguments; -ENOMEM if there is no memory to measure
 *   with. If the file to load does not exist, that is no error; otherwise
 *   -ESTALE if it is the file of another machine, -EBADMSG if it is no
 *   calibration file, or the error of reading it. The error of saving, after
 *   all else has been done. calib->why says the error in words.
 */
int ferry_calibrate(struct ferry_lane *const *lanes, unsigned int n,
		const struct ferry_calib_options *options,
		struct ferry_calib *calib);

/**
 * Compute the break-evens of a lane.
 *
 * @param cpu
 *   Cost model of the core.
 * @param lane
 *   Cost model of the lane.
 * @param job_ns
 *   ferry_calib_lane.job_ns.
 * @param batch_ns
 *   ferry_calib_lane.batch_ns.
 * @param[out] even
 *   The sizes in bytes. FERRY_CALIB_NEVER also if the lane is better for short
 *   copies only.
 */
void ferry_calib_even(const struct ferry_lane_model *cpu,
		const struct ferry_lane_model *lane, double job_ns,
		double batch_ns, struct ferry_calib_even *even);

/**
 * Read a calibration file. The call checks all of the file, so that the file
 * may come from an untrusted user. The caller checks whether it is the file of
 * this machine.
 *
 * @param path
 *   The file.
 * @param[out] calib
 *   The contents, with the lanes that the file names. Their sources are
 *   FERRY_CALIB_LOADED.
 * @return
 *   0; -EBADMSG if it is no calibration file, or one of another version; or a
 *   negative errno of reading. calib->why says the error in words.
 */
int ferry_calib_load(const char *path, struct ferry_calib *calib);

/**
 * Write all values that are not seeds to a calibration file. If the call fails,
 * no part of the new file is left at path. Break-evens are written as comments,
 * unless they were given or loaded.
 *
 * @param calib
 *   A calibration.
 * @param path
 *   The file. It is replaced if it exists.
 * @return
 *   0; -EINVAL for NULL, or for values that a file cannot hold; or a negative
 *   errno of writing.
 */
int ferry_calib_save(const struct ferry_calib *calib, const char *path);

/**
 * Print a calibration for people, as tables.
 *
 * @param calib
 *   A calibration.
 * @param f
 *   The stream to print to.
 * @return
 *   0; -EINVAL for NULL; -EIO if writing failed.
 */
int ferry_calib_print(const struct ferry_calib *calib, FILE *f);

#ifdef __cplusplus
}
#endif

#endif /* FERRY_CALIB_H */
