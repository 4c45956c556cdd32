/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Requests of endpoints: an input is a list of them, with endpoints, epochs,
 * channels and memory that exist, existed or never did. When all endpoints have
 * been detached, the hub is as it was made.
 */

#include <errno.h>
#include <sched.h>
#include <stdlib.h>

#include <rte_eal.h>

#include "ferry_errno.h"
#include "fuzz.h"
#include "hub_ctl.h"

#define MOST 64
#define ENDPOINTS 4
#define CHANNELS 4
/* Pieces and channels that were given out, some of which are back. */
#define KNOWN 16

static struct ferry_hub *hub;

static struct {
	uint32_t endpoint, epoch;
} eps[KNOWN];
static uint64_t ids[KNOWN], pieces[KNOWN];

/* Memory of this process alone; EAL shall not pin it to a CPU. */
static void
eal_start(void)
{
	static char *args[] = { "fuzz", "--no-huge", "--no-shconf", "--no-pci",
		"--no-telemetry", "-m", "64", "--lcores", "0",
		"--log-level=*:emergency", NULL };
	cpu_set_t cpus;

	fuzz_check(sched_getaffinity(0, sizeof(cpus), &cpus) == 0);
	fuzz_check(rte_eal_init(RTE_DIM(args) - 1, args) >= 0);
	fuzz_check(sched_setaffinity(0, sizeof(cpus), &cpus) == 0);
}

static void
make(void)
{
	const struct ferry_hub_config config = {
		.name = "fuzz", .socket = -1, .memory = UINT64_C(2) << 20,
		.max_endpoints = ENDPOINTS, .max_channels = CHANNELS,
	};

	eal_start();
	fuzz_check(ferry_hub_create(&hub, &config) == 0);
}

static bool
documented(int result)
{
	switch (result) {
	case 0:
	case FERRY_E_VERSION:
	case FERRY_E_HUB_GONE:
	case FERRY_E_NO_ROOM:
	case -EINVAL:
	case -ENAMETOOLONG:
	case -EMFILE:
	case -ENFILE:
	case -EEXIST:
	case -EMSGSIZE:
	case -ENOENT:
	case -ENOMEM:
	case -ENOTSUP:
	case -EPERM:
	case -EBUSY:
	case -EUSERS:
	case FERRY_E_NO_PIDFD:
		return true;
	default:
		return false;
	}
}

/* A thread of the hub's process. */
static const struct hub_asker local = { .pidfd = -1 };

static void
request(struct fuzz_in *in)
{
	static const char *const names[] = { "a", "b", "c.d", "e", "", "x y" };
	struct hub_request req;
	struct hub_reply rep;
	const uint8_t how = fuzz_u8(in);
	const uint32_t ep = fuzz_u8(in) % KNOWN;
	struct hub_asker asker = local;

	memset(&req, 0, sizeof(req));
	/* All bytes from the input, or a request that makes sense. */
	if (how & 1)
		fuzz_bytes(in, &req, sizeof(req));
	req.op = how >> 1 & 15;
	if (how & 128)
		req.op = (uint32_t)fuzz_u64(in);
	/* Memory that is not of DPDK belongs to endpoints of this process,
	 * which are trusted: what they register is mapped. */
	if (req.op == HUB_OP_REGISTER || req.op == HUB_OP_UNREGISTER)
		req.size = 0;
	if (!(how & 1)) {
		req.version = FERRY_CHANNEL_VERSION;
		req.layout = ferry_channel_layout_hash();
		req.incarnation = hub->incarnation;
		req.endpoint = eps[ep].endpoint;
		req.epoch = eps[ep].epoch;
		req.role = fuzz_u8(in) % 2;
		req.alone = fuzz_u8(in) & 1;
		req.id = ids[fuzz_u8(in) % KNOWN];
		req.addr = pieces[fuzz_u8(in) % KNOWN];
		if (req.size == 0 && req.op == HUB_OP_ALLOC)
			req.size = fuzz_u16(in) * UINT64_C(64);
		req.config.slot_size = fuzz_u16(in);
		req.config.n_slots = fuzz_u8(in);
		strcpy(req.name, names[fuzz_u8(in) % RTE_DIM(names)]);
	} else if (how & 64) {
		req.incarnation = hub->incarnation;
	}
	/* Some requests come from a process that the hub does not know. */
	asker.remote = fuzz_u8(in) % 8 == 7;
	hub_serve(hub, &req, &asker, &rep);
	fuzz_check(documented(rep.result));
	if (rep.result != 0)
		return;
	if (req.op == HUB_OP_ATTACH) {
		fuzz_check(rep.endpoint < ENDPOINTS);
		eps[ep].endpoint = rep.endpoint;
		eps[ep].epoch = rep.epoch;
	} else if (req.op == HUB_OP_OPEN) {
		fuzz_check(rep.number < CHANNELS);
		ids[ep] = rep.id;
	} else if (req.op == HUB_OP_ALLOC) {
		fuzz_check(rep.addr >= (uintptr_t)hub->memory &&
			rep.addr + rep.size <= (uintptr_t)hub->memory +
			hub->arena.size);
		/* The endpoint writes all of it. */
		memset((void *)(uintptr_t)rep.addr, 0xa5, rep.size);
		pieces[ep] = rep.addr;
	}
}

static void
check_empty(void)
{
	struct hub_request req;
	struct ferry_hub_info info;
	struct hub_reply rep;
	uint32_t i;

	for (i = 0; i < ENDPOINTS; i++) {
		if (!hub->endpoints[i].used)
			continue;
		memset(&req, 0, sizeof(req));
		req.op = HUB_OP_DETACH;
		req.incarnation = hub->incarnation;
		req.endpoint = i;
		req.epoch = hub->endpoints[i].epoch;
		hub_serve(hub, &req, &local, &rep);
		fuzz_check(rep.result == 0);
	}
	hub_sweep(hub);
	ferry_hub_info(hub, &info);
	fuzz_check(info.endpoints == 0 && info.channels == 0);
	fuzz_check(info.memory_free == info.memory);
	fuzz_check(info.memory_largest == info.memory);
	fuzz_check(info.memory_endpoints == 0 && info.memory_limbo == 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_in in = { data, size };
	int i;

	if (hub == NULL)
		make();
	memset(eps, 0, sizeof(eps));
	memset(ids, 0, sizeof(ids));
	memset(pieces, 0, sizeof(pieces));
	for (i = 0; i < MOST && in.left > 0; i++)
		request(&in);
	check_empty();
	return 0;
}
