/* SPDX-License-Identifier: BSD-3-Clause */

/* The answers that dpdk-telemetry.py gets. The test asks over the same socket,
 * from the hub's own process. */

#include <inttypes.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include <rte_eal.h>
#include <rte_errno.h>

#include "ferry_copier.h"
#include "ferry_engine.h"
#include "hub_fixture.h"

/* More than DPDK's telemetry can say at once, by number and by bytes. */
#define CHANNELS 1500
#define MAX_OUTPUT (16 * 1024)

/* As ferry_test_eal_start() does, but with telemetry, which cannot be switched
 * on again by a later option. */
static int
eal_start(void **state)
{
	static char prefix[64];
	static char text[][24] = {
		"ferry-test", "--in-memory", "--no-pci", "--log-level=warning",
		"--socket-limit=256",
	};
	static char lcores[24];
	cpu_set_t cpus;
	char *argv[8];
	unsigned int i;
	int cpu;

	(void)state;
	if (ferry_test_eal_skip_reason() != NULL)
		return 0;
	for (i = 0; i < sizeof(text) / sizeof(text[0]); i++)
		argv[i] = text[i];
	/* Telemetry's socket lies in a directory of the prefix. */
	snprintf(prefix, sizeof(prefix), "--file-prefix=ferrytel%d",
		(int)getpid());
	argv[i++] = prefix;
	sched_getaffinity(0, sizeof(cpus), &cpus);
	for (cpu = 0; !CPU_ISSET(cpu, &cpus); cpu++)
		;
	snprintf(lcores, sizeof(lcores), "--lcores=0@%d", cpu);
	argv[i++] = lcores;
	argv[i] = NULL;
	return rte_eal_init((int)i, argv) < 0 ? -rte_errno : 0;
}

static int
eal_end(void **state)
{
	char dir[200], path[256];

	(void)state;
	if (ferry_test_eal_skip_reason() != NULL)
		return 0;
	snprintf(dir, sizeof(dir), "%s", rte_eal_get_runtime_dir());
	snprintf(path, sizeof(path), "%s/dpdk_telemetry.v2", dir);
	rte_eal_cleanup();
	unlink(path);
	rmdir(dir);
	return 0;
}

/* Connect as the script does. */
static int
dial(void)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	char hello[1024];

	snprintf(sa.sun_path, sizeof(sa.sun_path), "%s/dpdk_telemetry.v2",
		rte_eal_get_runtime_dir());
	assert_int_equal(connect(fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
	assert_true(recv(fd, hello, sizeof(hello), 0) > 0);
	return fd;
}

static void
ask(int fd, const char *command, char *answer, size_t size)
{
	ssize_t n;

	assert_true(send(fd, command, strlen(command), 0) > 0);
	n = recv(fd, answer, size - 1, 0);
	assert_true(n > 0);
	answer[n] = '\0';
}

/* Names as long as can be, so that an answer's bytes count, too. */
static void
channel_name(char name[FERRY_NAME_MAX], uint32_t i)
{
	memset(name, 'x', FERRY_NAME_MAX - 1);
	name[FERRY_NAME_MAX - 1] = '\0';
	name[snprintf(name, FERRY_NAME_MAX, "channel.%u.", i)] = 'x';
}

static void
all_channels_are_listed_page_by_page(void **state)
{
	const struct ferry_channel_config config = { 64, 16 };
	const struct ferry_hub_config hub_config = {
		.name = HUB, .memory = 128 * MIB, .socket = -1,
		.max_channels = CHANNELS,
	};
	static char answer[2 * MAX_OUTPUT], next[256];
	char name[FERRY_NAME_MAX], entry[256], *more;
	unsigned int pages = 0;
	struct ferry_endpoint *ep;
	struct ferry_hub *hub;
	struct ferry_tx *tx;
	uint32_t i;
	int fd;

	(void)state;
	ferry_test_need_eal();
	assert_int_equal(ferry_hub_create(&hub, &hub_config), 0);
	assert_int_equal(ferry_attach(&ep, HUB, "e"), 0);
	for (i = 1; i <= CHANNELS; i++) {
		channel_name(name, i);
		assert_int_equal(ferry_tx_open(&tx, ep, name, &config), 0);
	}
	fd = dial();
	strcpy(next, "/ferry/channels," HUB);
	for (i = 1; next[0] != '\0'; pages++) {
		ask(fd, next, answer, sizeof(answer));
		for (; i <= CHANNELS; i++) {
			channel_name(name, i);
			snprintf(entry, sizeof(entry), "\"%s %u\"", name, i);
			if (strstr(answer, entry) == NULL)
				break;
		}
		more = strstr(answer, "\"more: ");
		next[0] = '\0';
		if (more != NULL)
			assert_int_equal(sscanf(more, "\"more: %255[^\"]",
				next), 1);
		assert_true(pages < CHANNELS);
	}
	assert_int_equal(i, CHANNELS + 1);
	print_message("%u pages\n", pages);
	/* A page begins where it is told to. */
	ask(fd, "/ferry/channels," HUB ",1499", answer, sizeof(answer));
	channel_name(name, 1500);
	snprintf(entry, sizeof(entry), "{\"/ferry/channels\":[\"%s 1500\"]}",
		name);
	assert_string_equal(answer, entry);
	ask(fd, "/ferry/channels," HUB ",1500", answer, sizeof(answer));
	assert_string_equal(answer, "{\"/ferry/channels\":[]}");
	close(fd);
	ferry_detach(ep);
	assert_int_equal(ferry_hub_destroy(hub), 0);
}

static void
what_is_not_there_is_null(void **state)
{
	static const char * const commands[] = {
		"/ferry/channels", "/ferry/channels,", "/ferry/channels,other",
		"/ferry/channels,,1", "/ferry/channels," HUB ",",
		"/ferry/channels," HUB ",x", "/ferry/channels," HUB ",-1",
		"/ferry/channels," HUB ",1x", "/ferry/channel," HUB,
		"/ferry/channel," HUB ",7", "/ferry/channel," HUB ",0",
		"/ferry/channel,other,1", "/ferry/hub,other",
		"/ferry/channels,"
			"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
			"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa,1",
	};
	static char answer[MAX_OUTPUT], null[64];
	struct ferry_hub *hub;
	unsigned int i;
	int fd;

	(void)state;
	ferry_test_need_eal();
	hub = hub_make(HUB, 2 * MIB, 0, 0);
	fd = dial();
	for (i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		ask(fd, commands[i], answer, sizeof(answer));
		snprintf(null, sizeof(null), "{\"%.*s\":null}",
			(int)strcspn(commands[i], ","), commands[i]);
		assert_string_equal(answer, null);
	}
	close(fd);
	assert_int_equal(ferry_hub_destroy(hub), 0);
}

/* The answer has that number under that name. */
static void
expect(const char *answer, const char *name, uint64_t value)
{
	char text[96];
	const char *at;

	snprintf(text, sizeof(text), "\"%s\":%" PRIu64, name, value);
	at = strstr(answer, text);
	if (at == NULL || strchr(",}", at[strlen(text)]) == NULL)
		fail_msg("no %s in %s", text, answer);
}

static void
expect_text(const char *answer, const char *name, const char *value)
{
	char text[160];

	snprintf(text, sizeof(text), "\"%s\":\"%s\"", name, value);
	if (strstr(answer, text) == NULL)
		fail_msg("no %s in %s", text, answer);
}

static void
expect_engine(const char *answer, struct ferry_engine *e)
{
	struct ferry_copier_stats stats;
	struct ferry_engine_info info;

	ferry_engine_info(e, &info);
	ferry_copier_stats(ferry_engine_copier(e), &stats);
	expect_text(answer, "name", info.name);
	expect(answer, "channels", info.channels);
	expect(answer, "active", info.active);
	expect(answer, "lanes", info.lanes);
	expect(answer, "msgs", info.msgs);
	expect(answer, "bytes", info.bytes);
	expect(answer, "bulk_bytes", info.bulk_bytes);
	expect(answer, "turns", info.turns);
	expect(answer, "busy", info.busy);
	expect(answer, "sleeps", info.sleeps);
	expect(answer, "bad", info.bad);
	expect(answer, "unsafe", info.unsafe);
	expect(answer, "redone_bytes", stats.redone_bytes);
	expect(answer, "queued", stats.queued);
	expect(answer, "splits", stats.splits);
	expect(answer, "probes", stats.probes);
	expect(answer, "quarantines", stats.quarantines);
	expect(answer, "probations", stats.probations);
	expect(answer, "returns", stats.returns);
	expect(answer, "drops", stats.drops);
}

static void
expect_lane(const char *answer, struct ferry_engine *e, unsigned int i)
{
	struct ferry_engine_lane lane;

	assert_int_equal(ferry_engine_lane(e, i, &lane), 0);
	expect_text(answer, "name", lane.info.name);
	expect_text(answer, "health", ferry_health_name(lane.health));
	expect(answer, "jobs", lane.stats.jobs);
	expect(answer, "bytes", lane.stats.bytes);
	expect(answer, "errors", lane.stats.errors);
	expect(answer, "refused", lane.stats.refused);
	expect(answer, "misplaced", lane.stats.misplaced);
	expect(answer, "t0_ns", (uint64_t)lane.model.t0_ns);
	expect(answer, "bytes_per_ms",
		(uint64_t)(lane.model.bytes_per_ns * 1e6));
}

static void
expect_channel(const char *answer, const struct ferry_hub_channel *c)
{
	expect_text(answer, "name", c->name);
	expect(answer, "id", c->id);
	expect(answer, "memory", c->memory);
	expect(answer, "slot_size", c->config.slot_size);
	expect(answer, "n_slots", c->config.n_slots);
	expect_text(answer, "tx", "open");
	expect(answer, "tx_pid", (uint64_t)c->tx.pid);
	expect_text(answer, "rx", "absent");
	expect(answer, "rx_pid", 0);
	expect(answer, "slots_free", c->slots.free);
	expect(answer, "slots_tx_held", c->slots.tx_held);
	expect(answer, "slots_in_flight", c->slots.in_flight);
	expect(answer, "slots_jobs", c->slots.jobs);
	expect(answer, "slots_rx_held", c->slots.rx_held);
	expect(answer, "slots_lost", c->slots.lost);
}

static void
expect_hub(const char *answer, struct ferry_hub *hub)
{
	struct ferry_hub_info info;

	ferry_hub_info(hub, &info);
	expect_text(answer, "name", ferry_hub_name(hub));
	expect(answer, "memory", info.memory);
	expect(answer, "memory_free", info.memory_free);
	expect(answer, "memory_largest", info.memory_largest);
	expect(answer, "memory_endpoints", info.memory_endpoints);
	expect(answer, "memory_limbo", info.memory_limbo);
	expect(answer, "endpoints", info.endpoints);
	expect(answer, "channels", info.channels);
	expect(answer, "deaths", info.deaths);
}

static void
numbers_are_those_that_the_library_tells(void **state)
{
	static const struct ferry_channel_config config = { 32768, 8 };
	static uint8_t payload[30000];
	static char answer[MAX_OUTPUT];
	struct ferry_buf bufs[3];
	struct ferry_msg loans[2];
	struct ferry_hub_channel channel;
	struct ferry_endpoint *ep;
	struct ferry_engine *e;
	struct ferry_hub *hub;
	struct ferry_tx *tx;
	unsigned int i;
	int fd;

	(void)state;
	ferry_test_need_eal();
	hub = hub_make(HUB, 16 * MIB, 0, 0);
	assert_int_equal(ferry_engine_create(&e, hub, NULL), 0);
	ep = hub_join(HUB, "e");
	assert_int_equal(ferry_tx_open(&tx, ep, "c", &config), 0);
	assert_int_equal(ferry_tx_set_mode(tx, FERRY_MODE_EFFICIENCY), 0);
	for (i = 0; i < RTE_DIM(bufs); i++)
		bufs[i] = (struct ferry_buf) {
			.data = payload, .len = sizeof(payload),
		};
	assert_int_equal(ferry_tx_post(tx, bufs, RTE_DIM(bufs)),
		RTE_DIM(bufs));
	while (ferry_tx_pending(tx) > 0)
		ferry_engine_poll(e);
	assert_int_equal(ferry_tx_loan(tx, loans, RTE_DIM(loans)),
		RTE_DIM(loans));
	assert_int_equal(ferry_hub_channels(hub, &channel, 1), 1);
	assert_int_equal(channel.slots.in_flight, RTE_DIM(bufs));
	fd = dial();
	ask(fd, "/ferry/hubs", answer, sizeof(answer));
	assert_string_equal(answer, "{\"/ferry/hubs\":[\"" HUB "\"]}");
	ask(fd, "/ferry/hub," HUB, answer, sizeof(answer));
	expect_hub(answer, hub);
	ask(fd, "/ferry/channel," HUB ",1", answer, sizeof(answer));
	expect_channel(answer, &channel);
	ask(fd, "/ferry/engines," HUB, answer, sizeof(answer));
	assert_string_equal(answer,
		"{\"/ferry/engines\":[\"engine0\"]}");
	ask(fd, "/ferry/engine," HUB ",engine0", answer, sizeof(answer));
	expect_engine(answer, e);
	ask(fd, "/ferry/lane," HUB ",engine0,0", answer, sizeof(answer));
	expect_lane(answer, e, 0);
	ask(fd, "/ferry/engine," HUB ",engine1", answer, sizeof(answer));
	assert_string_equal(answer, "{\"/ferry/engine\":null}");
	ask(fd, "/ferry/engine," HUB, answer, sizeof(answer));
	assert_string_equal(answer, "{\"/ferry/engine\":null}");
	ask(fd, "/ferry/lane," HUB ",engine0,1", answer, sizeof(answer));
	assert_string_equal(answer, "{\"/ferry/lane\":null}");
	ask(fd, "/ferry/lane," HUB ",engine0", answer, sizeof(answer));
	assert_string_equal(answer, "{\"/ferry/lane\":null}");
	close(fd);
	ferry_detach(ep);
	ferry_engine_destroy(e);
	assert_int_equal(ferry_hub_destroy(hub), 0);
}

int
main(int argc, char *argv[])
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_channels_are_listed_page_by_page),
		cmocka_unit_test(what_is_not_there_is_null),
		cmocka_unit_test(numbers_are_those_that_the_library_tells),
	};

	if (argc > 1) /* one of them, by name */
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, eal_start, eal_end);
}
