/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef FERRY_CALIB_H
#define FERRY_CALIB_H

/**
 * @file
 * Calibration: measure what lanes take, and from which sizes on they pay.
 *
 *     ferry_calibrate(lanes, n, &options, &calib);
 *     ferry_calib_print(&calib, stderr);
 *
 * For each lane, placement and heat a fixed cost t0 and a bandwidth are
 * measured, and become the lane's model (ferry_lane_cost()). They can be saved
 * to a file and loaded from it, or given. Every lane is measured alone.
 *
 * Thread-safety: the lanes must not be used meanwhile. Calls for different
 * lanes may run at the same time, but then measure each other.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "ferry_copy.h"

#ifdef __cplusplus
extern "C" {
#endif

/** Most lanes in one calibration. */
#define FERRY_CALIB_LANES 16
/** Time that a calibration takes at most by default, in nanoseconds. */
#define FERRY_CALIB_BUDGET_NS UINT64_C(400000000)
/** Memory that is measured with, where EAL has it, in bytes. */
#define FERRY_CALIB_MEM ((size_t)64 << 20)
/** The least memory that can be measured with, in bytes. */
#define FERRY_CALIB_MEM_MIN ((size_t)4 << 20)
/** Jobs in a batch, for what a job of a batch costs: design decision 13. */
#define FERRY_CALIB_BATCH 32
/** A break-even size where the lane never pays. */
#define FERRY_CALIB_NEVER UINT64_MAX

/** What became of one lane. */
enum ferry_calib_state {
	/** All is known of it: measured, loaded or given. */
	FERRY_CALIB_OK = 0,
	/** The time was not enough: what is not known is the driver's seed. */
	FERRY_CALIB_LATE,
	/** It refused or failed a job: it keeps its seeds. */
	FERRY_CALIB_FAILED,
	/**
	 * It does not answer, and has jobs in it. It must be closed. The memory
	 * it may still write is kept: see ferry_calib_lane.held.
	 */
	FERRY_CALIB_HUNG,
};

/** Where a value comes from. */
enum ferry_calib_source {
	/** The lane's driver; of a break-even: there is none. */
	FERRY_CALIB_SEED = 0,
	/** Measured, or computed from what was. */
	FERRY_CALIB_MEASURED,
	/** Read from a file. */
	FERRY_CALIB_LOADED,
	/** The caller. */
	FERRY_CALIB_GIVEN,
};

/** From how many bytes on a lane is better than the core. */
struct ferry_calib_even {
	/** When one waits for the copy: it is done sooner. */
	uint64_t sync;
	/** When not: a job costs the core less time than copying itself. */
	uint64_t async;
	/** The same for a job of a batch of FERRY_CALIB_BATCH. */
	uint64_t batch;
};

/** What is known of one lane. */
struct ferry_calib_lane {
	/** ferry_lane_info.name. */
	char name[48];
	/** What became of it. */
	enum ferry_calib_state state;
	/** The models. */
	struct ferry_lane_model cost[FERRY_PLACES][FERRY_HEATS];
	/** Where each comes from. */
	enum ferry_calib_source source[FERRY_PLACES][FERRY_HEATS];
	/**
	 * Time that a job not waited for costs the core that submits it alone
	 * and takes its completion, in nanoseconds. 0 for FERRY_LANE_SYNC.
	 */
	double job_ns;
	/** The same of each job of a batch. */
	double batch_ns;
	/** Where these two come from. */
	enum ferry_calib_source job_source;
	/** Break-evens with the core's own lane, for placement AUTO. */
	struct ferry_calib_even even[FERRY_HEATS];
	/** Where they come from; FERRY_CALIB_SEED: there are none. */
	enum ferry_calib_source even_source[FERRY_HEATS];
	/**
	 * Memory of EAL that a hung lane may still write, or NULL: to be given
	 * to rte_free() when ferry_lane_close() returned 0, else never. NULL
	 * if ferry_calib_options.mem was given; the same holds for that.
	 */
	void *held;
};

/** The result of a calibration, or what a file says. */
struct ferry_calib {
	/** The machine: name and signature of its CPU. */
	char machine[96];
	/** Kernels of the first lane of ferry_copy_cpu(); "-" without one. */
	char kernels[64];
	/** Why a call failed, for people; "" if it did not. */
	char why[160];
	/** How long the calibration took, in nanoseconds. */
	uint64_t took_ns;
	/** Whether cpu lanes demote (ferry_lane_set_demote()). */
	bool demote;
	/** Where that comes from. */
	enum ferry_calib_source demote_source;
	/**
	 * Time another core takes to read 16 KiB just copied, without and with
	 * demoting, in nanoseconds; 0 if not measured.
	 */
	double read_ns[2];
	/** Number of lanes. */
	unsigned int nb_lanes;
	/** The lanes, in the order they were given in. */
	struct ferry_calib_lane lanes[FERRY_CALIB_LANES];
};

/** Whether to measure demoting. */
enum ferry_calib_demote {
	/** If the CPU can, and if there is another core to read. */
	FERRY_CALIB_DEMOTE_AUTO = 0,
	/** No: cpu lanes stay as they are. */
	FERRY_CALIB_DEMOTE_NEVER,
	/** Also where the CPU cannot; it is then measured, but not used. */
	FERRY_CALIB_DEMOTE_MEASURE,
};

/** How to calibrate. All zero is a good choice. */
struct ferry_calib_options {
	/** Time for all lanes together in ns; 0: FERRY_CALIB_BUDGET_NS. */
	uint64_t budget_ns;
	/**
	 * Memory to measure with, aligned to 4 KiB, which all lanes reach.
	 * NULL: FERRY_CALIB_MEM or less of EAL's, for the time of the call. EAL
	 * may have to grow its heap for that, for which every secondary process
	 * is asked: best done before there are any.
	 */
	void *mem;
	/** Bytes of mem, at least FERRY_CALIB_MEM_MIN. */
	size_t mem_len;
	/** NUMA node of EAL's memory, or SOCKET_ID_ANY. */
	int socket;
	/** Read this file first; what it says is not measured. NULL: none. */
	const char *load;
	/** Accept the file of another machine. */
	bool force;
	/** Write this file last. NULL: none. */
	const char *save;
	/**
	 * Fixed values, or NULL: of lanes of the same name, everything whose
	 * source is not FERRY_CALIB_SEED. Wins over the file and measuring.
	 */
	const struct ferry_calib *given;
	/** Whether to measure demoting. */
	enum ferry_calib_demote demote;
	/** CPU of the core that reads, plus 1; 0: one is chosen. */
	unsigned int reader;
	/**
	 * A clock, in nanoseconds, that goes on with every call; NULL:
	 * CLOCK_MONOTONIC. For tests.
	 */
	uint64_t (*clock)(void *arg);
	/** Argument of the clock. */
	void *clock_arg;
};

/**
 * Calibrate lanes, and set their models: ferry_lane_cost() of each kind, and
 * ferry_lane_model() to that of AUTO, cold. Lanes that fail, hang or get no
 * time keep what they had; that is no error of the call. The statistics of the
 * lanes (ferry_lane_stats()) do not count the copies made here.
 *
 * Break-evens compare with the first lane that is FERRY_LANE_SYNC.
 *
 * @param lanes
 *   Open lanes without jobs. They stay the caller's.
 * @param n
 *   How many, 1 to FERRY_CALIB_LANES.
 * @param options
 *   How; NULL: all zero.
 * @param[out] calib
 *   What is known of the lanes.
 * @return
 *   0; -EINVAL for bad arguments; -ENOMEM without memory to measure with; of
 *   the file to load: -ESTALE if it is another machine's, -EBADMSG if it is
 *   none, or the error of reading, a file that does not exist being as good as
 *   none; the error of saving, after all else has been done. calib->why says
 *   it in words.
 */
int ferry_calibrate(struct ferry_lane *const *lanes, unsigned int n,
		const struct ferry_calib_options *options,
		struct ferry_calib *calib);

/**
 * Compute the break-evens of a lane.
 *
 * @param cpu
 *   What the core takes itself.
 * @param lane
 *   What the lane takes.
 * @param job_ns
 *   ferry_calib_lane.job_ns.
 * @param batch_ns
 *   ferry_calib_lane.batch_ns.
 * @param[out] even
 *   The sizes in bytes. A lane that is better for short copies only never pays.
 */
void ferry_calib_even(const struct ferry_lane_model *cpu,
		const struct ferry_lane_model *lane, double job_ns,
		double batch_ns, struct ferry_calib_even *even);

/**
 * Read a calibration file. The file is checked in every respect, so that it may
 * come from anybody; whether it is this machine's is left to the caller.
 *
 * @param path
 *   The file.
 * @param[out] calib
 *   What it says, with the lanes it names; sources are FERRY_CALIB_LOADED.
 * @return
 *   0; -EBADMSG if it is no calibration file, or one of another version; or a
 *   negative errno of reading. calib->why says it in words.
 */
int ferry_calib_load(const char *path, struct ferry_calib *calib);

/**
 * Write a calibration file: all that is not a seed. The file is there as a
 * whole or not at all. Break-evens are written as comments, unless they were
 * given or loaded.
 *
 * @param calib
 *   A calibration.
 * @param path
 *   The file, to be replaced if it exists.
 * @return
 *   0, -EINVAL for NULL or values that no file holds, or a negative errno of
 *   writing.
 */
int ferry_calib_save(const struct ferry_calib *calib, const char *path);

/**
 * Print a calibration for people, as tables.
 *
 * @param calib
 *   A calibration.
 * @param f
 *   Where to.
 * @return
 *   0, -EINVAL for NULL, -EIO if it could not be written.
 */
int ferry_calib_print(const struct ferry_calib *calib, FILE *f);

#ifdef __cplusplus
}
#endif

#endif /* FERRY_CALIB_H */
