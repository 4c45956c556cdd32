/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef FERRY_HUB_H
#define FERRY_HUB_H

/**
 * @file
 * The hub: the part of ferry in the DPDK primary process.
 *
 * A hub owns a piece of hugepage memory. Only the hub allots memory to channels
 * and endpoints from it. The hub knows which endpoints are attached. Endpoints
 * (ferry_endpoint.h) attach to it by name, from threads of its own process or
 * from DPDK secondaries. The hub learns through a pidfd that an attached
 * process has died. Then it ends that process's channels and takes back their
 * memory.
 *
 * A process may have several hubs. All functions are control calls: no message
 * passes through them.
 *
 * Thread-safety: all functions may be called from any thread, except that no
 * thread may use a hub that is being destroyed.
 */

#include <stdint.h>

#include "ferry_channel_layout.h"

#ifdef __cplusplus
extern "C" {
#endif

struct ferry_hub;

/** Name of the hub if none is given. */
#define FERRY_HUB_NAME "ferry"
/** Hub memory if no amount is given: 256 MiB. */
#define FERRY_HUB_MEMORY (UINT64_C(256) << 20)
/** Endpoints at the same time if no number is given. */
#define FERRY_HUB_ENDPOINTS 256
/** Channels at the same time if no number is given. */
#define FERRY_HUB_CHANNELS 1024
/** Most endpoints that may be asked for. */
#define FERRY_HUB_ENDPOINTS_MAX (UINT32_C(1) << 16)
/** Most engines of a hub. */
#define FERRY_ENGINES_MAX 16
/** Most channels that may be asked for. */
#define FERRY_HUB_CHANNELS_MAX (UINT32_C(1) << 20)

/** What a hub is made with. 0 and NULL mean the defaults, except for socket. */
struct ferry_hub_config {
	/**
	 * Letters, digits and ". _ : -", fewer than FERRY_NAME_MAX. Unique
	 * among the hubs of one EAL file prefix.
	 */
	const char *name;
	/** Bytes for channels and endpoints, rounded up to 2 MiB; less than
	 * 2^63. */
	uint64_t memory;
	/** NUMA node of the memory, or SOCKET_ID_ANY (-1); 0 is node 0. */
	int socket;
	/** Most endpoints attached at once. */
	uint32_t max_endpoints;
	/** Most channels at once. */
	uint32_t max_channels;
};

/** One end of a listed channel. */
struct ferry_hub_end {
	/** Its state, as the hub knows it. */
	enum ferry_end_state state;
	/**
	 * Process of its endpoint, as the hub's kernel and pid namespace show
	 * it; 0 if the end is absent, or the namespace does not show the
	 * process.
	 */
	int32_t pid;
};

/** A listed channel. */
struct ferry_hub_channel {
	/**
	 * The name it was opened by. Several channels may have the same: see
	 * the guide.
	 */
	char name[FERRY_NAME_MAX];
	/** Unique for the hub's life. */
	uint64_t id;
	/** Bytes of hub memory that the channel takes. */
	uint64_t memory;
	/** What the channel was made with, defaults filled in. */
	struct ferry_channel_config config;
	/** The producer's end. */
	struct ferry_hub_end tx;
	/** The consumer's end. */
	struct ferry_hub_end rx;
	/** A snapshot, exact when neither end is sending or receiving. */
	struct ferry_channel_census slots;
};

/** Numbers of a hub. */
struct ferry_hub_info {
	/** Bytes for channels and endpoints, free or not. */
	uint64_t memory;
	/** Bytes that are free. */
	uint64_t memory_free;
	/** Bytes of the largest free piece. A channel needs one piece. */
	uint64_t memory_largest;
	/** Bytes that endpoints hold: ferry_alloc(), bulk messages. */
	uint64_t memory_endpoints;
	/**
	 * Bytes that endpoints gave up while another party might still copy
	 * there.
	 */
	uint64_t memory_limbo;
	/** Endpoints attached now. */
	uint32_t endpoints;
	/** Channels now. */
	uint32_t channels;
	/** Endpoints whose process died so far. */
	uint64_t deaths;
};

/**
 * Make a hub. DPDK primary processes only, after rte_eal_init().
 *
 * @param[out] hub
 *   The hub, to be given to ferry_hub_destroy().
 * @param config
 *   NULL for all defaults.
 * @return
 *   0; -EINVAL for bad values or an impossible name; -EPERM in a secondary;
 *   -EEXIST if the process has a hub of that name, or another process listens
 *   at the hub's socket; -ENOMEM if EAL has not got the memory (start it with a
 *   larger -m); -EMFILE if the limit of open files is too low for that many
 *   hugepages; FERRY_E_LCORE or FERRY_E_FORKED as ferry_eal_adopt() says;
 *   another negative errno.
 */
int ferry_hub_create(struct ferry_hub **hub,
		const struct ferry_hub_config *config);

/**
 * Unmake a hub: end all channels (FERRY_E_HUB_GONE at both ends), wait up to
 * two seconds for other processes to detach, and give the memory back. NULL is
 * accepted. Before the call, the calling process must detach its endpoints and
 * destroy all engines.
 *
 * @param hub
 *   The hub.
 * @return
 *   0; -EBUSY if an endpoint is still attached. Then the hub still exists,
 *   takes no new endpoints or channels, and the call may be repeated. -EBUSY,
 *   and nothing is changed, if the hub has engines. FERRY_E_FORKED, and nothing
 *   is changed, in a process that was forked from the hub's.
 */
int ferry_hub_destroy(struct ferry_hub *hub);

/**
 * The hub's name.
 *
 * @param hub
 *   A hub.
 * @return
 *   Its name; valid as long as the hub.
 */
const char *ferry_hub_name(const struct ferry_hub *hub);

/**
 * The hub's numbers.
 *
 * @param hub
 *   A hub.
 * @param[out] info
 *   Its numbers.
 */
void ferry_hub_info(struct ferry_hub *hub, struct ferry_hub_info *info);

/**
 * List channels, in the order of their making.
 *
 * @param hub
 *   A hub.
 * @param[out] list
 *   Room for n.
 * @param n
 *   The most to list.
 * @return
 *   How many channels there are, which may be more than n.
 */
uint32_t ferry_hub_channels(struct ferry_hub *hub,
		struct ferry_hub_channel *list, uint32_t n);

/**
 * Whether a hub, an endpoint or a channel can have a name.
 *
 * @param name
 *   The name.
 * @return
 *   0; -EINVAL for NULL, nothing, or odd characters; -ENAMETOOLONG.
 */
int ferry_name_check(const char *name);

#ifdef __cplusplus
}
#endif

#endif /* FERRY_HUB_H */
