/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef FERRY_COPY_H
#define FERRY_COPY_H

/**
 * @file
 * Copy jobs and the lanes that carry them out.
 *
 * A lane is one thread's handle on something that copies memory: the cores'
 * own SIMD units (driver "cpu"), or a virtual channel of a DMA device (driver
 * "dmadev"). Jobs go in with ferry_lane_submit(), become visible to the device
 * with ferry_lane_flush(), and come back as completions from
 * ferry_lane_poll(), in any order, each carrying the cookie of its job.
 *
 *     submit ──> [queued] ──flush──> [copying] ──poll──> completion
 *
 * Ownership: from submit until its completion is polled, a job's source must
 * not be written and its destination must be neither read nor written.
 *
 * Thread-safety: a lane belongs to one thread at a time. Different lanes are
 * independent.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct ferry_lane;
struct ferry_copy_driver;

/** Where the lane should put the destination's bytes. */
enum ferry_placement {
	/** The lane decides by size. */
	FERRY_PLACE_AUTO = 0,
	/** In the cache, because the consumer reads them at once. */
	FERRY_PLACE_CACHE,
	/** In memory, around the cache, because no core reads them soon. */
	FERRY_PLACE_MEMORY,
};

/** Number of placements. */
#define FERRY_PLACES 3

/**
 * The aim of a copy. For the mode of a channel see ferry_tx_set_mode().
 */
enum ferry_mode {
	/** Finish the copy as soon as possible, at any cost. "latency" */
	FERRY_MODE_LATENCY = 0,
	/** Copy as many bytes a second as all lanes together can.
	 * "throughput" */
	FERRY_MODE_THROUGHPUT,
	/** Use as little of the cores' time as possible. "efficiency" */
	FERRY_MODE_EFFICIENCY,
};

/** Number of modes. */
#define FERRY_MODES 3

/** Where the source's bytes are assumed to be. */
enum ferry_heat {
	/** In the cache. */
	FERRY_HEAT_HOT = 0,
	/** In memory. */
	FERRY_HEAT_COLD,
};

/** Number of heats. */
#define FERRY_HEATS 2

/** How a job ended. */
enum ferry_copy_status {
	/** All bytes are at the destination. */
	FERRY_COPY_OK = 0,
	/** An address could not be read or written. */
	FERRY_COPY_E_ADDRESS,
	/** The device failed in some other way. */
	FERRY_COPY_E_DEVICE,
	/** The lane did not carry out the job, because the lane was stopped or
	 * because an earlier job failed. */
	FERRY_COPY_E_ABORTED,
	/**
	 * The device does not answer and cannot be stopped. It may still write
	 * the destination at any time. No thread may use that memory any more.
	 */
	FERRY_COPY_E_UNSAFE,
};

/** One copy from src to dst. The two ranges must not overlap. */
struct ferry_copy_job {
	/** The destination. */
	void *dst;
	/** The source. */
	const void *src;
	/** Length in bytes: 0 to ferry_lane_info.max_job. */
	uint64_t len;
	/** A number of the submitter. The completion hands it back. */
	uint64_t cookie;
	/** Where the submitter wishes the bytes to end up. */
	enum ferry_placement place;
	/** The aim of the copy. The copier uses it; a lane ignores it. */
	enum ferry_mode mode;
};

/** The completion of one job. */
struct ferry_copy_done {
	/** ferry_copy_job.cookie. */
	uint64_t cookie;
	/**
	 * How many bytes, from the start of the job, are known to be at the
	 * destination. If status is FERRY_COPY_OK: all of them. Otherwise a
	 * lower bound; another lane can then copy the rest.
	 */
	uint64_t bytes;
	/** How the job ended. */
	enum ferry_copy_status status;
};

/** @name ferry_lane_info.flags
 * @{
 */
/** The lane carries out the placement wish of a job. */
#define FERRY_LANE_PLACES (UINT32_C(1) << 0)
/** The lane has copied when submit returns: no flush and no wait are needed. */
#define FERRY_LANE_SYNC (UINT32_C(1) << 1)
/** All copies of the lane end up in the cache, whatever the job wishes. */
#define FERRY_LANE_CACHES (UINT32_C(1) << 2)
/** @} */

/** What a lane can do. Constant while the lane is open. */
struct ferry_lane_info {
	/** Driver and device, such as "cpu" or "dmadev:dma0/0". */
	char name[48];
	/** Longest job in bytes. The caller splits longer transfers. */
	uint64_t max_job;
	/** The most jobs that can be in the lane at once. */
	uint32_t depth;
	/** FERRY_LANE_*. */
	uint32_t flags;
};

/** Whether a lane is trusted with jobs. */
enum ferry_health_state {
	/** The lane gets jobs. */
	FERRY_HEALTH_USED = 0,
	/** The lane gets no jobs until the end of its quarantine. */
	FERRY_HEALTH_QUARANTINED,
	/** The lane gets one job at a time. */
	FERRY_HEALTH_PROBATION,
	/** The lane never gets a job again. */
	FERRY_HEALTH_DROPPED,
};

/** What a lane has done so far. */
struct ferry_lane_stats {
	/** Jobs completed with FERRY_COPY_OK. */
	uint64_t jobs;
	/** Bytes of these jobs. */
	uint64_t bytes;
	/** Jobs completed with an error. */
	uint64_t errors;
	/** Jobs that submit did not take, because the lane was full or could
	 * not do the job. */
	uint64_t refused;
	/** Jobs whose placement wish (not AUTO) the lane could not carry
	 * out. */
	uint64_t misplaced;
};

/**
 * How long a lane takes for a job, as the scheduler predicts it:
 * t0_ns + bytes / bytes_per_ns. The bytes that wait in the lane before the job
 * come on top.
 */
struct ferry_lane_model {
	/** Fixed cost, in nanoseconds, of one job that the caller waits for. */
	double t0_ns;
	/** Bandwidth in bytes per nanosecond, which is GB/s. Above 0. */
	double bytes_per_ns;
};

/**
 * Open a lane.
 *
 * @param[out] lane
 *   The new lane, to be closed with ferry_lane_close().
 * @param driver
 *   The driver that is to copy: ferry_copy_cpu(), ferry_copy_dmadev().
 * @param config
 *   The driver's own parameters, described with the driver. May be NULL if the
 *   driver has no parameters, or defaults for them.
 * @param socket
 *   NUMA node for the lane's own memory, or SOCKET_ID_ANY.
 * @return
 *   0, -EINVAL for a bad argument, -ENOMEM, or the driver's error.
 */
int ferry_lane_open(struct ferry_lane **lane,
		const struct ferry_copy_driver *driver, const void *config,
		int socket);

/**
 * Close a lane. The call waits for the jobs that are still in the lane. If the
 * device no longer answers, the call stops the device. Completions that the
 * caller has not polled are lost.
 *
 * @param lane
 *   The lane; NULL is accepted.
 * @return
 *   0: this lane will not touch any destination again; -EBUSY: the device could
 *   not be stopped, and may still write a destination. The lane is closed in
 *   either case.
 */
int ferry_lane_close(struct ferry_lane *lane);

/**
 * What the lane can do.
 *
 * @param lane
 *   An open lane.
 * @return
 *   Its abilities; valid until the lane is closed.
 */
const struct ferry_lane_info *ferry_lane_info(const struct ferry_lane *lane);

/**
 * What the lane has done so far. Any thread may call this; values read by
 * another thread than the lane's may be stale.
 *
 * @param lane
 *   An open lane.
 * @param[out] stats
 *   Its numbers.
 */
void ferry_lane_stats(const struct ferry_lane *lane,
		struct ferry_lane_stats *stats);

/**
 * Name of a lane's health.
 *
 * @param state
 *   A state.
 * @return
 *   Constant text such as "used"; "unknown" for a value that is no state.
 */
const char *ferry_health_name(enum ferry_health_state state);

/**
 * The lane's cost model. The driver's seed, until the application or
 * ferry_calibrate() sets another model.
 *
 * @param lane
 *   An open lane.
 * @return
 *   The model.
 */
struct ferry_lane_model ferry_lane_model(const struct ferry_lane *lane);

/**
 * Replace the lane's cost model, for all kinds of jobs.
 *
 * @param lane
 *   An open lane.
 * @param model
 *   The new model.
 * @return
 *   0; -EINVAL for NULL, or for a model that no lane can have.
 */
int ferry_lane_set_model(struct ferry_lane *lane,
		const struct ferry_lane_model *model);

/**
 * The cost model for jobs of one kind; see ferry_lane_model().
 *
 * @param lane
 *   An open lane.
 * @param place
 *   Where the destination's bytes are to end up.
 * @param heat
 *   Where the source's bytes are.
 * @return
 *   The model.
 */
struct ferry_lane_model ferry_lane_cost(const struct ferry_lane *lane,
		enum ferry_placement place, enum ferry_heat heat);

/**
 * Replace the model of one kind of jobs.
 *
 * @param lane
 *   An open lane.
 * @param place
 *   Where the destination's bytes are to end up.
 * @param heat
 *   Where the source's bytes are.
 * @param model
 *   The new model.
 * @return
 *   As ferry_lane_set_model(); -EINVAL also for an unknown place or heat.
 */
int ferry_lane_set_cost(struct ferry_lane *lane, enum ferry_placement place,
		enum ferry_heat heat, const struct ferry_lane_model *model);

/**
 * The driver that copies with the calling core. Its lanes need no config.
 *
 * @return
 *   The driver, for ferry_lane_open(). Constant.
 */
const struct ferry_copy_driver *ferry_copy_cpu(void);

/**
 * Let a lane demote what it copies with FERRY_PLACE_CACHE. The lane then pushes
 * the destination's lines from the core's own cache to the cache that all cores
 * share (CLDEMOTE). Another core may find them sooner there, or it may not. A
 * new lane does not demote; ferry_calibrate() switches demoting on if it
 * measured that the reader gains.
 *
 * @param lane
 *   An open lane. By its own thread only.
 * @param on
 *   Whether to demote. Only jobs of 1 KiB and more are demoted.
 * @return
 *   0; -EINVAL if the lane's driver cannot demote; -ENOTSUP if this CPU cannot:
 *   the lane then executes the instruction all the same, and it does nothing.
 */
int ferry_lane_set_demote(struct ferry_lane *lane, bool on);

/**
 * Say how a lane copies on this machine, such as "avx2+rep+avx2-nt": the copy
 * kernels for short jobs, for longer jobs, and for jobs around the cache.
 *
 * @param lane
 *   An open lane.
 * @param[out] text
 *   Room for the text, which always ends with a null byte.
 * @param size
 *   Size of text in bytes; 64 are enough.
 * @return
 *   Length as snprintf() returns it; -EINVAL if the lane's driver has no
 *   description.
 */
int ferry_lane_describe(const struct ferry_lane *lane, char *text, size_t size);

/**
 * Find the devices of a driver, one after the other. A device that is found may
 * have another user; ferry_device_open() then fails.
 *
 * @param driver
 *   The driver.
 * @param after
 *   Number of the device that was found before; -1: find the first one.
 * @param names
 *   Names of devices, separated by commas. Each may be a pattern as in the
 *   shell. NULL: all devices that copy memory.
 * @param[out] name
 *   Name of the device that is found; may be NULL.
 * @param size
 *   Size of name in bytes.
 * @return
 *   Number of the device that is found, from 0 up; -ENODEV: there is no
 *   further device.
 */
int ferry_device_next(const struct ferry_copy_driver *driver, int after,
		const char *names, char *name, size_t size);

/**
 * Start a device that has no user, and open a lane on it. Closing the lane
 * stops the device, which may then be opened again. Hub process only.
 *
 * @param[out] lane
 *   The lane, to be closed with ferry_lane_close().
 * @param driver
 *   The driver.
 * @param device
 *   From ferry_device_next().
 * @param close_wait_ms
 *   See ferry_copy_dmadev_config.
 * @return
 *   0; -EBUSY if the device has a user; another negative errno.
 */
int ferry_device_open(struct ferry_lane **lane,
		const struct ferry_copy_driver *driver, int device,
		uint32_t close_wait_ms);

/** Which DMA channel a dmadev lane drives. */
struct ferry_copy_dmadev_config {
	/** The device. The application has configured and started it. */
	int16_t dev_id;
	/**
	 * Virtual channel, set up for RTE_DMA_DIR_MEM_TO_MEM. The lane is its
	 * only user.
	 */
	uint16_t vchan;
	/**
	 * Longest transfer that the device takes, in bytes. 0: if the device is
	 * a DSA work queue, the limit that the kernel states
	 * (max_transfer_size in sysfs); otherwise FERRY_DMADEV_MAX_TRANSFER.
	 * The dmadev API itself has no call that tells the limit.
	 */
	uint32_t max_transfer;
	/** How many descriptors the virtual channel was set up with; 0: ask the
	 * device. */
	uint16_t nb_desc;
	/**
	 * Two time limits of ferry_lane_close(), in milliseconds each; 0: 1000.
	 * First the lane waits so long for the next completion of the device,
	 * plus a nanosecond for each byte in the device. Then it waits so long
	 * for the kernel to stop the device. Opening the lane waits as long for
	 * the jobs that an earlier user has left in the device, and then fails
	 * with -EBUSY.
	 */
	uint32_t close_wait_ms;
	/**
	 * True: ferry_lane_close() stops the device even if it does not hang,
	 * because the device was started for this lane. The device may then be
	 * set up again.
	 */
	bool stop;
};

/** Longest transfer given to a dmadev if neither the application nor the
 * kernel states its limit: 1 MiB. */
#define FERRY_DMADEV_MAX_TRANSFER (UINT32_C(1) << 20)

/**
 * The driver that copies with any started rte_dma device. Hub process only. Its
 * config is a struct ferry_copy_dmadev_config.
 *
 * @return
 *   The driver, for ferry_lane_open(). Constant.
 */
const struct ferry_copy_driver *ferry_copy_dmadev(void);

#ifdef __cplusplus
}
#endif

#endif /* FERRY_COPY_H */
