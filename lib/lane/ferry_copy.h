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

/** Where the destination's bytes should end up. */
enum ferry_placement {
	/** The lane decides by size. */
	FERRY_PLACE_AUTO = 0,
	/** In the cache: the consumer reads them at once. */
	FERRY_PLACE_CACHE,
	/** In memory, around the cache: nobody reads them soon. */
	FERRY_PLACE_MEMORY,
};

/** Number of placements. */
#define FERRY_PLACES 3

/** What a copy is to be good at; of a channel, see ferry_tx_set_mode(). */
enum ferry_mode {
	/** Done as soon as can be, at whatever cost. "latency" */
	FERRY_MODE_LATENCY = 0,
	/** As many bytes a second as all that copy can do. "throughput" */
	FERRY_MODE_THROUGHPUT,
	/** As little of the cores' time as can be. "efficiency" */
	FERRY_MODE_EFFICIENCY,
};

/** Number of modes. */
#define FERRY_MODES 3

/** Where a copy's source is thought to be. */
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
	/** Not carried out: the lane was stopped, or an earlier job failed. */
	FERRY_COPY_E_ABORTED,
	/**
	 * The device neither answers nor can be stopped. It may still write the
	 * destination at any time: nobody may use that memory any more.
	 */
	FERRY_COPY_E_UNSAFE,
};

/** One copy from src to dst. The two ranges must not overlap. */
struct ferry_copy_job {
	/** Where to. */
	void *dst;
	/** Where from. */
	const void *src;
	/** Bytes, 0 upwards. At most ferry_lane_info.max_job. */
	uint64_t len;
	/** The submitter's own word, handed back in the completion. */
	uint64_t cookie;
	/** A wish where the bytes should end up. */
	enum ferry_placement place;
	/** What the copy is to be good at. Lanes ignore it: see the copier. */
	enum ferry_mode mode;
};

/** What became of one job. */
struct ferry_copy_done {
	/** ferry_copy_job.cookie. */
	uint64_t cookie;
	/**
	 * Bytes from the start of the job known to be at the destination:
	 * len if status is FERRY_COPY_OK, otherwise a lower bound, so that
	 * another lane can redo the rest.
	 */
	uint64_t bytes;
	/** How the job ended. */
	enum ferry_copy_status status;
};

/** @name ferry_lane_info.flags
 * @{
 */
/** A job's placement wish is carried out. */
#define FERRY_LANE_PLACES (UINT32_C(1) << 0)
/** The copy is done when submit returns: no flush, no waiting. */
#define FERRY_LANE_SYNC (UINT32_C(1) << 1)
/** All copies end up in the cache: no other placement wish is carried out. */
#define FERRY_LANE_CACHES (UINT32_C(1) << 2)
/** @} */

/** What a lane can do. Constant while the lane is open. */
struct ferry_lane_info {
	/** Driver and device, such as "cpu" or "dmadev:dma0/0". */
	char name[48];
	/** Longest job in bytes. Longer transfers are the caller's to split. */
	uint64_t max_job;
	/** Most jobs that can be outstanding. */
	uint32_t depth;
	/** FERRY_LANE_*. */
	uint32_t flags;
};

/** Whether a lane is trusted with jobs. */
enum ferry_health_state {
	/** It gets jobs. */
	FERRY_HEALTH_USED = 0,
	/** It gets none until its time is over. */
	FERRY_HEALTH_QUARANTINED,
	/** It gets one job at a time. */
	FERRY_HEALTH_PROBATION,
	/** It gets none ever again. */
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
	/** Jobs refused by submit because the lane was full. */
	uint64_t refused;
	/** Jobs whose placement wish (not AUTO) the lane could not honour. */
	uint64_t misplaced;
};

/**
 * How long a lane takes, for the scheduler's predictions:
 * t0_ns + bytes / bytes_per_ns, behind the bytes already waiting in the lane.
 */
struct ferry_lane_model {
	/** Fixed cost of one job waited for, in nanoseconds. */
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
 *   What is to copy: ferry_copy_cpu(), ferry_copy_dmadev().
 * @param config
 *   The driver's own parameters, described with the driver; NULL where it has
 *   none or has defaults.
 * @param socket
 *   NUMA node for the lane's own memory, or SOCKET_ID_ANY.
 * @return
 *   0, -EINVAL for a bad argument, -ENOMEM, or the driver's error.
 */
int ferry_lane_open(struct ferry_lane **lane,
		const struct ferry_copy_driver *driver, const void *config,
		int socket);

/**
 * Close a lane. Jobs still in it are waited for or, where the device no longer
 * answers, the device is stopped. Completions not yet polled are lost.
 *
 * @param lane
 *   The lane; NULL is accepted.
 * @return
 *   0: nothing of this lane will touch any destination again; -EBUSY: the
 *   device could not be stopped, and may. The lane is closed in either case.
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
 * What the lane did. May be read from any thread; then values may be stale.
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
 *   Constant text such as "used"; "unknown" for what is none.
 */
const char *ferry_health_name(enum ferry_health_state state);

/**
 * The lane's cost model; a seed until somebody measures and sets it.
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
 *   0; -EINVAL for NULL, or a model that no lane can have.
 */
int ferry_lane_set_model(struct ferry_lane *lane,
		const struct ferry_lane_model *model);

/**
 * What the lane takes for jobs of one kind; see ferry_lane_model().
 *
 * @param lane
 *   An open lane.
 * @param place
 *   Where the bytes are to end up.
 * @param heat
 *   Where they come from.
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
 *   Where the bytes are to end up.
 * @param heat
 *   Where they come from.
 * @param model
 *   The new model.
 * @return
 *   As ferry_lane_set_model(); -EINVAL also for a kind there is not.
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
 * Let a lane demote what it copies to FERRY_PLACE_CACHE: the lines are pushed
 * to the cache that all cores share (CLDEMOTE), where another core finds them
 * sooner, or not, and its own copy is gone. Off in a new lane;
 * ferry_calibrate() switches it on where it measured that the reader gains.
 *
 * @param lane
 *   An open lane. By its own thread only.
 * @param on
 *   Whether to demote, jobs of 1 KiB and more.
 * @return
 *   0; -EINVAL if the lane's driver does not; -ENOTSUP if this CPU cannot: the
 *   instruction then is executed all the same, and does nothing.
 */
int ferry_lane_set_demote(struct ferry_lane *lane, bool on);

/**
 * Say how a lane copies on this machine, such as "avx2+rep+avx2-nt": the
 * kernels for short jobs, longer ones, and around the cache.
 *
 * @param lane
 *   An open lane.
 * @param[out] text
 *   Where to, always with an end.
 * @param size
 *   Bytes of text; 64 are enough.
 * @return
 *   Length as snprintf() has it; -EINVAL if the lane's driver has nothing to
 *   say.
 */
int ferry_lane_describe(const struct ferry_lane *lane, char *text, size_t size);

/**
 * Find the devices of a driver, one after the other. A device may have another
 * user: that is found by ferry_device_open().
 *
 * @param driver
 *   The driver.
 * @param after
 *   Number of the device before; -1: the first one is wanted.
 * @param names
 *   Names of devices, with commas between them and patterns as of the shell;
 *   NULL: all devices that copy memory.
 * @param[out] name
 *   Its name; may be NULL.
 * @param size
 *   Bytes of name.
 * @return
 *   Its number, from 0 up; -ENODEV: there is none, or no more.
 */
int ferry_device_next(const struct ferry_copy_driver *driver, int after,
		const char *names, char *name, size_t size);

/**
 * Start a device that has no user, and open a lane on it. It is stopped when
 * the lane is closed, and may then be opened again. Hub process only.
 *
 * @param[out] lane
 *   The lane, to be given to ferry_lane_close().
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
	/** Device, configured and started by the application. */
	int16_t dev_id;
	/**
	 * Virtual channel, set up for RTE_DMA_DIR_MEM_TO_MEM. The lane is its
	 * only user.
	 */
	uint16_t vchan;
	/**
	 * Longest transfer the device takes in bytes. 0: what the kernel says,
	 * if the device is a DSA work queue (max_transfer_size in sysfs), else
	 * FERRY_DMADEV_MAX_TRANSFER. dmadev itself cannot tell.
	 */
	uint32_t max_transfer;
	/** Descriptors the virtual channel was set up with; 0: ask the
	 * device. */
	uint16_t nb_desc;
	/**
	 * How long a closing lane gives its device for the next completion, and
	 * then the kernel for stopping it, in milliseconds each; 0: 1000. For
	 * each byte in the device a nanosecond is added to the first. Opening
	 * waits as long for what an earlier user left in the device, and then
	 * fails with -EBUSY.
	 */
	uint32_t close_wait_ms;
	/**
	 * The closing lane stops the device also if that does not hang: it was
	 * started for the lane, and may then be set up again.
	 */
	bool stop;
};

/** Longest transfer asked of a dmadev whose limit nobody stated: 1 MiB. */
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
