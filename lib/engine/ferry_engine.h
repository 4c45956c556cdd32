/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef FERRY_ENGINE_H
#define FERRY_ENGINE_H

/**
 * @file
 * Engines: poll loops of the hub that copy what producers post.
 *
 * An engine has lanes: the core it runs on, and DMA channels. It serves any
 * number of channels: it takes their jobs, lets its lanes copy, and publishes
 * the messages when they are complete, in order. Its cost grows with the
 * channels that are active.
 *
 *     struct ferry_engine *engine;
 *
 *     ferry_engine_create(&engine, hub, NULL);
 *     ferry_engine_add_devices(engine, ferry_copy_dmadev(), NULL);
 *     ferry_engine_launch(engine, lcore);
 *
 * The application chooses the thread that runs the engine; one of:
 *
 *     ferry_engine_launch()     an lcore of EAL, until ferry_engine_destroy()
 *     ferry_engine_run()        the calling thread, until ferry_engine_stop()
 *     ferry_engine_service()    a service core of EAL, as an rte_service
 *     ferry_engine_poll()       the application's own loop, one turn a call
 *
 * Channels come to an engine by themselves. When its producer's end is opened,
 * a channel gets the engine with the fewest channels. Channels count twice for
 * an engine on another NUMA node than the hub's memory. A hub's first engine
 * gets all channels that have none. ferry_hub_move() moves a channel. Neither a
 * move nor the end of an engine loses or reorders messages.
 *
 * How an engine waits follows the modes of the channels that have used it.
 * While one of them is in latency mode, the engine spins. Otherwise, while one
 * of them is in throughput mode, it spins and yields. Otherwise it sleeps until
 * a producer rings. It spins without end only if it runs on an lcore whose CPU
 * no other lcore of the process has. On other CPUs it spins for 100 us after
 * the last job, because another thread may need the CPU.
 *
 * Thread-safety: ferry_engine_run() and ferry_engine_poll() by one thread at a
 * time; all other functions by any thread, unless the engine is being
 * destroyed.
 */

#include <stdbool.h>
#include <stdint.h>

#include "ferry_calib.h"
#include "ferry_copier_info.h"
#include "ferry_copy.h"
#include "ferry_hub.h"

#ifdef __cplusplus
extern "C" {
#endif

struct ferry_engine;

/** What an engine is made with. */
struct ferry_engine_config {
	/** A name for people; NULL: "engine0" and so on. */
	const char *name;
	/**
	 * NUMA node of its lanes' memory, and of its thread unless
	 * ferry_engine_launch() runs it; or SOCKET_ID_ANY (-1).
	 */
	int socket;
	/**
	 * ferry_copy_dmadev_config.close_wait_ms of ferry_engine_add_devices().
	 * The engine does nothing else while it waits for a device that hangs.
	 */
	uint32_t close_wait_ms;
	/**
	 * Without devices, the engine's core helps with all bulk messages of
	 * its channels: it is a worker, for a core that no other work needs.
	 * Not set: the core helps only with messages whose sender asks for it
	 * (FERRY_BULK_ENGINE).
	 */
	bool worker;
};

/** Numbers of an engine. */
struct ferry_engine_info {
	/** Its name. */
	char name[FERRY_NAME_MAX];
	/**
	 * Channels that the engine serves, and those it looks at in every turn.
	 */
	uint32_t channels;
	/** See channels. */
	uint32_t active;
	/** Lanes, the engine's own core included. */
	uint32_t lanes;
	/** Messages published. */
	uint64_t msgs;
	/** Bytes of payload in them. */
	uint64_t bytes;
	/** Bytes of bulk messages that the engine copied. */
	uint64_t bulk_bytes;
	/** Turns, and those in which the engine found something to do. */
	uint64_t turns;
	/** See turns. */
	uint64_t busy;
	/** How often the engine went to sleep. */
	uint64_t sleeps;
	/** Jobs that were impossible, or whose payloads were out of reach. */
	uint64_t bad;
	/**
	 * Channels given up, because a device that cannot be stopped may write
	 * there.
	 */
	uint64_t unsafe;
};

/** One of an engine's lanes. */
struct ferry_engine_lane {
	/** What the lane can do. */
	struct ferry_lane_info info;
	/** What the lane did. */
	struct ferry_lane_stats stats;
	/** Time that jobs from memory should take; zeros for a dropped lane. */
	struct ferry_lane_model model;
	/** Whether the lane gets jobs. */
	enum ferry_health_state health;
};

/**
 * Make an engine. No thread runs it yet.
 *
 * @param[out] engine
 *   The engine, to be given to ferry_engine_destroy() before its hub is
 *   destroyed.
 * @param hub
 *   The hub it belongs to.
 * @param config
 *   NULL: all defaults.
 * @return
 *   0; -EINVAL; -ENOSPC if the hub has FERRY_ENGINES_MAX engines;
 *   FERRY_E_FORKED in a process that was forked from the hub's; -ENOMEM.
 */
int ferry_engine_create(struct ferry_engine **engine, struct ferry_hub *hub,
		const struct ferry_engine_config *config);

/**
 * Unmake an engine: end the runner that ferry_engine_launch() or
 * ferry_engine_service() started, carry out what the engine has taken, give its
 * channels to the hub's other engines, and close its lanes. A thread in
 * ferry_engine_run() or ferry_engine_poll() must have left it. NULL is
 * accepted.
 *
 * @param engine
 *   The engine.
 */
void ferry_engine_destroy(struct ferry_engine *engine);

/**
 * Let an engine copy with one more lane. May be called while it runs.
 *
 * @param engine
 *   The engine, which takes ownership if the call succeeds.
 * @param lane
 *   An open lane without jobs.
 * @return
 *   As ferry_copier_add().
 */
int ferry_engine_add_lane(struct ferry_engine *engine, struct ferry_lane *lane);

/**
 * Let an engine copy with a driver's devices. The call starts the devices that
 * have no user, and adds each of them as a lane. A device is stopped with its
 * lane, and may be added again.
 *
 * @param engine
 *   The engine.
 * @param driver
 *   The driver: ferry_copy_dmadev().
 * @param names
 *   As for ferry_device_next().
 * @return
 *   How many devices were added; -ENODEV if there is none of that name; another
 *   negative errno if no device could be started.
 */
int ferry_engine_add_devices(struct ferry_engine *engine,
		const struct ferry_copy_driver *driver, const char *names);

/**
 * Measure an engine's lanes, and let the engine choose among them by the
 * result. Call this once all lanes are added, before there is traffic. It takes
 * about ferry_calib_options.budget_ns, in which the engine serves no channel.
 * Lanes that hang are closed. The call measures in ferry_calib_options.mem if
 * that is given; otherwise in memory of the hub, if there are 4 to 64 MiB in
 * one piece; otherwise in EAL's.
 *
 * Without this call, an engine begins with the drivers' guesses. With or
 * without it, the engine learns from every copy.
 *
 * @param engine
 *   The engine.
 * @param options
 *   How to measure: files to load and save, values that are given; NULL: all
 *   defaults.
 * @param[out] calib
 *   What is known of the lanes, for ferry_calib_print(); may be NULL.
 * @return
 *   0; -EBUSY if jobs are in flight; or as ferry_calibrate().
 */
int ferry_engine_calibrate(struct ferry_engine *engine,
		const struct ferry_calib_options *options,
		struct ferry_calib *calib);

/**
 * One turn of an engine: its work is bounded, and it never waits.
 *
 * A thread that polls an engine itself must not wait for that engine. It posts
 * with ferry_tx_post(), and looks with ferry_tx_pending(). ferry_tx_finish(),
 * and ferry_tx_send() in a mode that uses the engine, would wait for ever.
 *
 * @param engine
 *   The engine.
 * @return
 *   0 if there was nothing to do.
 */
unsigned int ferry_engine_poll(struct ferry_engine *engine);

/**
 * Wait as the modes of the engine's channels say, after a turn that found
 * nothing. At most 100 ms.
 *
 * @param engine
 *   The engine.
 */
void ferry_engine_idle(struct ferry_engine *engine);

/**
 * Run an engine until ferry_engine_stop(). The function has the type that
 * rte_eal_remote_launch() takes.
 *
 * @param engine
 *   The engine.
 * @return
 *   0.
 */
int ferry_engine_run(void *engine);

/**
 * Make ferry_engine_run() return, now or in its next call.
 *
 * @param engine
 *   The engine.
 */
void ferry_engine_stop(struct ferry_engine *engine);

/**
 * Run an engine on a worker lcore.
 *
 * @param engine
 *   The engine.
 * @param lcore
 *   The lcore, which must be waiting.
 * @return
 *   0; -EINVAL if there is no such worker lcore; -EBUSY if the lcore runs
 *   something, or the engine has a runner.
 */
int ferry_engine_launch(struct ferry_engine *engine, unsigned int lcore);

/**
 * Register an engine as a service of EAL, "ferry-" and its name, and enable it.
 * The application maps it to service cores.
 *
 * @param engine
 *   The engine.
 * @param[out] id
 *   The service's id.
 * @return
 *   0; -EBUSY if the engine runs; or the error of rte_service.
 */
int ferry_engine_service(struct ferry_engine *engine, uint32_t *id);

/**
 * Numbers of an engine.
 *
 * @param engine
 *   The engine.
 * @param[out] info
 *   Its numbers.
 */
void ferry_engine_info(struct ferry_engine *engine,
		struct ferry_engine_info *info);

/**
 * What one of an engine's lanes is, and did. While the engine waits for a hung
 * device to stop, this call waits, too.
 *
 * @param engine
 *   The engine.
 * @param i
 *   Which lane, from 0 up; 0 is the core that runs the engine. A dropped lane
 *   keeps its number.
 * @param[out] lane
 *   The lane at this moment.
 * @return
 *   0; -ENOENT if there is no lane i.
 */
int ferry_engine_lane(struct ferry_engine *engine, unsigned int i,
		struct ferry_engine_lane *lane);

/**
 * An engine's copier, to read its numbers and its tune. While the engine runs,
 * values may be stale. The caller must not look at its lanes then, because the
 * engine frees a lane that hangs: see ferry_engine_lane().
 *
 * @param engine
 *   The engine.
 * @return
 *   Its copier; valid until the engine is destroyed.
 */
const struct ferry_copier *
ferry_engine_copier(const struct ferry_engine *engine);

/**
 * Change what is adjustable in an engine's copier: the scheduler's numbers, and
 * how long the engine waits for a silent device. May be called while the engine
 * runs. Jobs under way go on as they were planned, and a device that is already
 * late keeps the time it was given.
 *
 * @param engine
 *   The engine.
 * @param tune
 *   The values for the next turns; ferry_copier_tune() gives the present ones.
 * @return
 *   0; -EINVAL for NULL, or for a hang_factor or hang_grace_ns that is negative
 *   or not a number.
 */
int ferry_engine_tune(struct ferry_engine *engine,
		const struct ferry_copier_tune *tune);

/**
 * Move a channel to an engine.
 *
 * @param hub
 *   The hub of both.
 * @param id
 *   The channel: ferry_hub_channel.id.
 * @param engine
 *   The engine; NULL: none, so that the producer copies for itself.
 * @return
 *   0; -ENOENT if there is no such channel, or no endpoint has opened its
 *   producer's end; -EBUSY if the producer copies with lanes of its own, or was
 *   stopped while it filled a gap between two engines; -ENOMEM; -EIO or
 *   FERRY_E_CORRUPT if the channel's jobs were given up, see ferry_tx_finish().
 *   After the last three no engine serves the channel.
 */
int ferry_hub_move(struct ferry_hub *hub, uint64_t id,
		struct ferry_engine *engine);

#ifdef __cplusplus
}
#endif

#endif /* FERRY_ENGINE_H */
