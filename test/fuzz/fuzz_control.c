/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * The control paths of a hub. An input is a list of requests of threads of the
 * hub's process, of packets of other processes, of deaths, of telemetry's
 * questions, and of writes into memory that endpoints can write. The endpoints,
 * epochs, channels and memory that they name exist, existed or never did. When
 * all endpoints have ended, the hub is as it was made, and each descriptor that
 * came with a packet is closed.
 */

#include <errno.h>
#include <sched.h>
#include <stdlib.h>

#include <rte_eal.h>

#include "ferry_errno.h"
#include "fuzz.h"
#include "hub_ctl.h"
#include "wire.h"

#define MOST 64
#define ENDPOINTS 4
#define CHANNELS 4
/* Pieces and channels that were given out, some of which are back. */
#define KNOWN 16

static struct ferry_hub *hub;
/* The registry as it was made. */
static struct ferry_registry *pristine;
static size_t registry_size;
static struct rte_tel_data *answer;

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

/* What is right with a packet is taken: else the inputs would end before they
 * have begun. */
static void
check_attach(void)
{
	static const uint8_t right[] = { 8, 0 };
	struct fuzz_in in = { right, sizeof(right) };
	struct hub_request req = {
		.op = HUB_OP_ATTACH, .version = FERRY_CHANNEL_VERSION,
		.layout = ferry_channel_layout_hash(),
		.incarnation = hub->incarnation, .name = "a",
	};
	struct hub_reply rep;

	fuzz_check(wire_packet(hub, &req, &in, &rep));
	fuzz_check(rep.result == 0 && wire_open() == 1);
	hub_reap(hub, rep.endpoint, rep.epoch);
	fuzz_check(wire_open() == 0);
	memcpy(hub->registry, pristine, registry_size);
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
	/* Without shared files it has no socket: packets are the input's. */
	hub->socket.self = WIRE_SELF;
	registry_size = sizeof(*pristine) + ENDPOINTS *
		sizeof(pristine->bells[0]);
	pristine = malloc(registry_size);
	answer = rte_tel_data_alloc();
	fuzz_check(pristine != NULL && answer != NULL);
	memcpy(pristine, hub->registry, registry_size);
	check_attach();
}

static bool
documented(int result)
{
	switch (result) {
	case 0:
	case FERRY_E_VERSION:
	case FERRY_E_HUB_GONE:
	case FERRY_E_NO_ROOM:
	case -EACCES:
	case -ETIMEDOUT:
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

/* What an endpoint can write to at any time: its channels and the registry. */
static void
scribble(struct fuzz_in *in)
{
	const struct hub_channel *c = &hub->channels[fuzz_below(in, CHANNELS +
			1)];
	const uint32_t width = 1u << fuzz_below(in, 4);
	uint8_t *at = (uint8_t *)hub->registry;
	uint64_t size = registry_size, off;

	if (c < &hub->channels[CHANNELS]) {
		if (!c->used)
			return;
		at = (uint8_t *)c->shared;
		size = c->size;
	}
	off = fuzz_u64(in) % (size - width + 1);
	fuzz_bytes(in, at + off, width);
}

static void
question(struct fuzz_in *in)
{
	const uint32_t which = fuzz_u8(in);
	char params[300];
	uint32_t n = fuzz_u8(in);

	/* Mostly the hub that there is. */
	if (which & 128) {
		strcpy(params, "fuzz,");
		fuzz_bytes(in, params + 5, n);
		params[5 + n] = '\0';
	} else {
		fuzz_bytes(in, params, n);
		params[n] = '\0';
	}
	wire_ask(which & 127, which == 64 ? NULL : params, answer);
}

static void
other(struct fuzz_in *in)
{
	const uint32_t ep = fuzz_u8(in) % KNOWN;
	struct ferry_hub_channel list[CHANNELS];

	switch (fuzz_below(in, 3)) {
	case 0:
		hub_reap(hub, eps[ep].endpoint, eps[ep].epoch);
		break;
	case 1:
		fuzz_check(ferry_hub_channels(hub, list, CHANNELS) <= CHANNELS);
		break;
	default:
		question(in);
		break;
	}
}

static void
request(struct fuzz_in *in)
{
	static const char *const names[] = { "a", "b", "c.d", "e", "", "x y" };
	struct hub_request req;
	struct hub_reply rep;
	const uint8_t how = fuzz_u8(in);
	uint32_t ep;

	if ((how & 0x9e) == 28) {
		scribble(in);
		return;
	}
	if ((how & 0x9e) == 30) {
		other(in);
		return;
	}
	ep = fuzz_u8(in) % KNOWN;
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
	/* Some come from another process. */
	if (fuzz_u8(in) % 4 != 3)
		hub_serve(hub, &req, &local, &rep);
	else if (!wire_packet(hub, &req, in, &rep))
		return;
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
	struct ferry_hub_info info;
	uint32_t i;

	for (i = 0; i < ENDPOINTS; i++) {
		if (!hub->endpoints[i].used)
			continue;
		if (i % 2 == 0)
			fuzz_check(hub_detach(hub, i,
				hub->endpoints[i].epoch) == 0);
		else
			hub_reap(hub, i, hub->endpoints[i].epoch);
	}
	hub_sweep(hub);
	fuzz_check(wire_open() == 0);
	memcpy(hub->registry, pristine, registry_size);
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
