/* SPDX-License-Identifier: BSD-3-Clause */

/* Hubs, endpoints and the opening and closing of channels, in one process. */

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cmocka.h>

#include <rte_log.h>

#include "hub_fixture.h"
#include "engine_private.h"
#include "hub_private.h"

/* Names that are too long by one, and the longest. */
static const char longest[] = "abcdefghijklmnopqrstuvwxyz0123456789.ABCDEFGHIJ";
static const char too_long[] =
	"abcdefghijklmnopqrstuvwxyz0123456789.ABCDEFGHIJK";
static const char *const odd[] = {
	"", " ", "a b", "a/b", "../a", "a\n", "\xc3\xa4", "a*", "%s", "a\\",
};

static void
names_are_checked(void **state)
{
	unsigned int i;

	(void)state;
	assert_int_equal(sizeof(longest), FERRY_NAME_MAX);
	assert_int_equal(ferry_name_check(longest), 0);
	assert_int_equal(ferry_name_check(too_long), -ENAMETOOLONG);
	assert_int_equal(ferry_name_check(NULL), -EINVAL);
	assert_int_equal(ferry_name_check("a"), 0);
	assert_int_equal(ferry_name_check("Az09._:-"), 0);
	for (i = 0; i < RTE_DIM(odd); i++)
		assert_int_equal(ferry_name_check(odd[i]), -EINVAL);
}

static void
a_hub_is_made_with_what_it_was_asked_for(void **state)
{
	struct ferry_hub_info info;
	struct ferry_hub *hub;

	(void)state;
	ferry_test_need_eal();
	hub = hub_make(longest, 3 * MIB, 0, 0);
	assert_string_equal(ferry_hub_name(hub), longest);
	ferry_hub_info(hub, &info);
	assert_int_equal(info.memory, 4 * MIB); /* rounded up to 2 MiB */
	assert_int_equal(info.deaths, 0);
	hub_check_empty(hub);
	assert_int_equal(ferry_hub_destroy(hub), 0);
	assert_int_equal(ferry_hub_destroy(NULL), 0);
	/* Again and again, without losing memory: 40 times 48 of 128 MiB. */
	for (int i = 0; i < 40; i++) {
		hub = hub_make(HUB, 48 * MIB, 0, 0);
		assert_int_equal(ferry_hub_destroy(hub), 0);
	}
}

static void
a_hub_with_bad_values_is_not_made(void **state)
{
	struct ferry_hub_config config = { .memory = MIB, .socket = -1 };
	struct ferry_hub *hub = NULL, *other;
	unsigned int i;

	(void)state;
	ferry_test_need_eal();
	for (i = 0; i < RTE_DIM(odd); i++) {
		config.name = odd[i];
		assert_int_equal(ferry_hub_create(&hub, &config), -EINVAL);
	}
	config.name = too_long;
	assert_int_equal(ferry_hub_create(&hub, &config), -ENAMETOOLONG);
	config.name = HUB;
	assert_int_equal(ferry_hub_create(NULL, &config), -EINVAL);

	/* The memory that a hub has by default is more than EAL has here. */
	assert_int_equal(ferry_hub_create(&hub, NULL), -ENOMEM);
	config.memory = 4096 * MIB; /* beyond the limit */
	assert_int_equal(ferry_hub_create(&hub, &config), -ENOMEM);
	config.memory = UINT64_MAX;
	assert_int_equal(ferry_hub_create(&hub, &config), -EINVAL);
	config.memory = INT64_MAX;
	assert_int_equal(ferry_hub_create(&hub, &config), -ENOMEM);
	config.memory = MIB;
	config.socket = 31; /* no such node */
	assert_true(ferry_hub_create(&hub, &config) < 0);
	config.socket = -1;
	config.max_endpoints = FERRY_HUB_ENDPOINTS_MAX + 1;
	assert_int_equal(ferry_hub_create(&hub, &config), -EINVAL);
	config.max_endpoints = 0;
	config.max_channels = FERRY_HUB_CHANNELS_MAX + 1;
	assert_int_equal(ferry_hub_create(&hub, &config), -EINVAL);
	config.max_channels = FERRY_HUB_CHANNELS_MAX;
	config.max_endpoints = FERRY_HUB_ENDPOINTS_MAX;
	assert_int_equal(ferry_hub_create(&hub, &config), 0);
	assert_int_equal(ferry_hub_destroy(hub), 0);
	hub = NULL;
	config.max_channels = 0;
	config.max_endpoints = 0;
	assert_null(hub);

	/* One of a name, and the failed ones left nothing in the way. */
	assert_int_equal(ferry_hub_create(&hub, &config), 0);
	other = NULL;
	assert_int_equal(ferry_hub_create(&other, &config), -EEXIST);
	assert_null(other);
	assert_int_equal(ferry_hub_destroy(hub), 0);
}

static void
hubs_of_one_process_are_apart(void **state)
{
	struct ferry_endpoint *ep[3];
	struct ferry_hub *hub[3];
	struct ferry_tx *tx[3];
	char name[8];
	int i;

	(void)state;
	ferry_test_need_eal();
	for (i = 0; i < 3; i++) {
		snprintf(name, sizeof(name), "hub%d", i);
		hub[i] = hub_make(name, 8 * MIB, 1, 1);
		ep[i] = hub_join(name, "e");
		assert_int_equal(ferry_tx_open(&tx[i], ep[i], "c", NULL), 0);
	}
	for (i = 0; i < 3; i++)
		assert_int_equal(ferry_hub_channels(hub[i], NULL, 0), 1);
	/* The middle one goes, the others do not notice. */
	ferry_detach(ep[1]);
	assert_int_equal(ferry_hub_destroy(hub[1]), 0);
	assert_int_equal(ferry_attach(&ep[1], "hub1", "e"), -ENOENT);
	assert_int_equal(ferry_tx_wait(tx[0], 0), 0);
	assert_int_equal(ferry_tx_wait(tx[2], 0), 0);
	for (i = 0; i < 3; i += 2) {
		ferry_detach(ep[i]);
		hub_check_empty(hub[i]);
		assert_int_equal(ferry_hub_destroy(hub[i]), 0);
	}
}

static void
a_hub_in_use_is_busy_takes_nothing_new_and_can_be_destroyed_later(void **state)
{
	struct ferry_endpoint *ep, *late;
	struct ferry_hub *hub;
	struct ferry_tx *tx;
	struct ferry_rx *rx;
	uint64_t start;

	(void)state;
	ferry_test_need_eal();
	hub = hub_make(HUB, 8 * MIB, 0, 0);
	ep = hub_join(HUB, "e");
	assert_int_equal(ferry_tx_open(&tx, ep, "c", NULL), 0);
	start = ferry_test_now_ns();
	assert_int_equal(ferry_hub_destroy(hub), -EBUSY);
	assert_in_range(ferry_test_now_ns() - start, 1500000000,
		FERRY_TEST_HANG_NS);
	assert_int_equal(ferry_tx_wait(tx, 0), FERRY_E_HUB_GONE);
	assert_int_equal(ferry_tx_peer(tx), FERRY_END_HUB_GONE);
	assert_int_equal(ferry_rx_open(&rx, ep, "c", NULL), FERRY_E_HUB_GONE);
	assert_int_equal(ferry_rx_open(&rx, ep, "d", NULL), FERRY_E_HUB_GONE);
	assert_int_equal(ferry_attach(&late, HUB, "l"), FERRY_E_HUB_GONE);
	ferry_tx_close(tx);
	ferry_detach(ep);
	hub_check_empty(hub);
	assert_int_equal(ferry_hub_destroy(hub), 0);
}

static void
attaching_needs_good_names_and_an_existing_hub(void **state)
{
	struct ferry_endpoint *ep = NULL;
	struct ferry_hub *hub;
	unsigned int i;

	(void)state;
	ferry_test_need_eal();
	hub = hub_make(HUB, MIB, 0, 0);
	for (i = 0; i < RTE_DIM(odd); i++) {
		assert_int_equal(ferry_attach(&ep, HUB, odd[i]), -EINVAL);
		assert_int_equal(ferry_attach(&ep, odd[i], "e"), -EINVAL);
	}
	assert_int_equal(ferry_attach(&ep, HUB, too_long), -ENAMETOOLONG);
	assert_int_equal(ferry_attach(&ep, too_long, "e"), -ENAMETOOLONG);
	assert_int_equal(ferry_attach(&ep, HUB, NULL), -EINVAL);
	assert_int_equal(ferry_attach(NULL, HUB, "e"), -EINVAL);
	assert_int_equal(ferry_attach(&ep, "other", "e"), -ENOENT);
	assert_int_equal(ferry_attach(&ep, NULL, "e"), -ENOENT);
	assert_null(ep);
	ferry_detach(NULL);
	hub_check_empty(hub);
	assert_int_equal(ferry_hub_destroy(hub), 0);

	hub = hub_make(NULL, MIB, 0, 0);
	assert_string_equal(ferry_hub_name(hub), FERRY_HUB_NAME);
	ep = hub_join(NULL, longest);
	ferry_detach(ep);
	assert_int_equal(ferry_hub_destroy(hub), 0);
}

static void
endpoints_are_limited_and_their_places_come_back(void **state)
{
	struct ferry_endpoint *ep[3], *more;
	struct ferry_hub_info info;
	struct ferry_hub *hub;
	int i;

	(void)state;
	ferry_test_need_eal();
	hub = hub_make(HUB, MIB, 3, 0);
	for (i = 0; i < 3; i++)
		ep[i] = hub_join(HUB, "same");
	assert_int_equal(ferry_attach(&more, HUB, "e"), -EUSERS);
	ferry_hub_info(hub, &info);
	assert_int_equal(info.endpoints, 3);
	for (i = 0; i < 100; i++) {
		ferry_detach(ep[i % 3]);
		ep[i % 3] = hub_join(HUB, "again");
		assert_int_equal(ferry_attach(&more, HUB, "e"), -EUSERS);
	}
	for (i = 0; i < 3; i++)
		ferry_detach(ep[i]);
	hub_check_empty(hub);
	assert_int_equal(ferry_hub_destroy(hub), 0);
}

static void
opening_needs_a_good_name_and_a_good_config(void **state)
{
	static const struct ferry_channel_config bad[] = {
		{ .slot_size = FERRY_SLOT_SIZE_MAX + 1 },
		{ .n_slots = FERRY_SLOTS_MAX + 1 },
		{ .slot_size = UINT32_MAX, .n_slots = UINT32_MAX },
	};
	struct ferry_endpoint *ep;
	struct ferry_rx *rx = NULL;
	struct ferry_tx *tx = NULL;
	struct ferry_hub *hub;
	unsigned int i;

	(void)state;
	ferry_test_need_eal();
	hub = hub_make(HUB, 8 * MIB, 0, 0);
	ep = hub_join(HUB, "e");
	for (i = 0; i < RTE_DIM(odd); i++) {
		assert_int_equal(ferry_tx_open(&tx, ep, odd[i], NULL), -EINVAL);
		assert_int_equal(ferry_rx_open(&rx, ep, odd[i], NULL), -EINVAL);
	}
	assert_int_equal(ferry_tx_open(&tx, ep, too_long, NULL),
		-ENAMETOOLONG);
	assert_int_equal(ferry_rx_open(&rx, ep, NULL, NULL), -EINVAL);
	assert_int_equal(ferry_tx_open(&tx, NULL, "c", NULL), -EINVAL);
	assert_int_equal(ferry_tx_open(NULL, ep, "c", NULL), -EINVAL);
	assert_int_equal(ferry_rx_open(NULL, ep, "c", NULL), -EINVAL);
	for (i = 0; i < RTE_DIM(bad); i++)
		assert_int_equal(ferry_tx_open(&tx, ep, "c", &bad[i]), -EINVAL);
	assert_null(tx);
	assert_null(rx);
	ferry_tx_close(NULL);
	ferry_rx_close(NULL);
	assert_int_equal(ferry_hub_channels(hub, NULL, 0), 0);
	assert_int_equal(ferry_tx_open(&tx, ep, longest, NULL), 0);
	assert_string_equal(ferry_tx_channel(tx)->name, longest);
	ferry_detach(ep);
	hub_check_empty(hub);
	assert_int_equal(ferry_hub_destroy(hub), 0);
}

static void
ends_open_and_close_in_any_order_and_leave_nothing(void **state)
{
	struct ferry_endpoint *a, *b;
	struct ferry_hub *hub;
	struct ferry_rx *rx;
	struct ferry_tx *tx;
	unsigned int order;

	(void)state;
	ferry_test_need_eal();
	hub = hub_make(HUB, 8 * MIB, 0, 0);
	a = hub_join(HUB, "a");
	b = hub_join(HUB, "b");
	for (order = 0; order < 8; order++) {
		/* The last round: both ends of one endpoint. */
		struct ferry_endpoint *peer = order & 4 ? a : b;

		if (order & 1) {
			assert_int_equal(ferry_rx_open(&rx, peer, "c", NULL),
					0);
			assert_int_equal(ferry_rx_peer(rx), FERRY_END_ABSENT);
			assert_int_equal(ferry_tx_open(&tx, a, "c", NULL), 0);
		} else {
			assert_int_equal(ferry_tx_open(&tx, a, "c", NULL), 0);
			assert_int_equal(ferry_tx_peer(tx), FERRY_END_ABSENT);
			assert_int_equal(ferry_rx_open(&rx, peer, "c", NULL),
					0);
		}
		assert_int_equal(ferry_tx_peer(tx), FERRY_END_OPEN);
		assert_int_equal(ferry_rx_peer(rx), FERRY_END_OPEN);
		assert_ptr_equal(ferry_tx_channel(tx), ferry_rx_channel(rx));
		assert_int_equal(ferry_hub_channels(hub, NULL, 0), 1);
		if (order & 2) {
			ferry_tx_close(tx);
			assert_int_equal(ferry_rx_wait(rx, 0), FERRY_E_CLOSED);
			assert_int_equal(ferry_hub_channels(hub, NULL, 0), 1);
			ferry_rx_close(rx);
		} else {
			ferry_rx_close(rx);
			assert_int_equal(ferry_tx_wait(tx, 0), FERRY_E_CLOSED);
			ferry_tx_close(tx);
		}
		assert_int_equal(ferry_hub_channels(hub, NULL, 0), 0);
	}
	ferry_detach(a);
	ferry_detach(b);
	hub_check_empty(hub);
	assert_int_equal(ferry_hub_destroy(hub), 0);
}

static void
an_end_can_be_had_once(void **state)
{
	struct ferry_endpoint *a, *b;
	struct ferry_tx *tx, *no_tx;
	struct ferry_rx *rx, *no_rx;
	struct ferry_hub *hub;

	(void)state;
	ferry_test_need_eal();
	hub = hub_make(HUB, 16 * MIB, 0, 0);
	a = hub_join(HUB, "a");
	b = hub_join(HUB, "b");
	assert_int_equal(ferry_tx_open(&tx, a, "c", NULL), 0);
	assert_int_equal(ferry_tx_open(&no_tx, b, "c", NULL), -EEXIST);
	assert_int_equal(ferry_tx_open(&no_tx, a, "c", NULL), -EEXIST);
	assert_int_equal(ferry_rx_open(&rx, b, "c", NULL), 0);
	assert_int_equal(ferry_rx_open(&no_rx, a, "c", NULL), -EEXIST);
	assert_int_equal(ferry_tx_open(&no_tx, b, "c", NULL), -EEXIST);
	/* Given back, it can be had again, of another channel. */
	ferry_tx_close(tx);
	assert_int_equal(ferry_tx_open(&tx, b, "c", NULL), 0);
	assert_ptr_not_equal(ferry_tx_channel(tx), ferry_rx_channel(rx));
	ferry_detach(a);
	ferry_detach(b);
	hub_check_empty(hub);
	assert_int_equal(ferry_hub_destroy(hub), 0);
}

static void
both_sides_must_want_the_same_sizes_or_none(void **state)
{
	const struct ferry_channel_config made = { 5000, 7 };
	static const struct ferry_channel_config fits[] = {
		{ 5000, 7 }, { 0, 7 }, { 5000, 0 }, { 0, 0 },
	};
	static const struct ferry_channel_config wrong[] = {
		{ 5001, 7 }, { 5000, 8 }, { 0, 6 }, { 4999, 0 },
		{ FERRY_SLOT_SIZE_DEFAULT, FERRY_N_SLOTS_DEFAULT },
	};
	struct ferry_endpoint *ep;
	struct ferry_hub *hub;
	struct ferry_rx *rx;
	struct ferry_tx *tx;
	unsigned int i;

	(void)state;
	ferry_test_need_eal();
	hub = hub_make(HUB, 8 * MIB, 0, 0);
	ep = hub_join(HUB, "e");
	assert_int_equal(ferry_tx_open(&tx, ep, "c", &made), 0);
	for (i = 0; i < RTE_DIM(wrong); i++)
		assert_int_equal(ferry_rx_open(&rx, ep, "c", &wrong[i]),
			-EMSGSIZE);
	assert_int_equal(ferry_tx_peer(tx), FERRY_END_ABSENT);
	for (i = 0; i < RTE_DIM(fits); i++) {
		assert_int_equal(ferry_rx_open(&rx, ep, "c", &fits[i]), 0);
		assert_int_equal(ferry_rx_channel(rx)->slot_size, 5000);
		assert_int_equal(ferry_rx_channel(rx)->n_slots, 7);
		ferry_rx_close(rx);
		ferry_tx_close(tx);
		assert_int_equal(ferry_tx_open(&tx, ep, "c", &made), 0);
	}
	ferry_detach(ep);
	hub_check_empty(hub);
	assert_int_equal(ferry_hub_destroy(hub), 0);
}

static void
channels_are_limited_and_their_places_come_back(void **state)
{
	const struct ferry_channel_config small = { 64, 1 };
	struct ferry_endpoint *ep;
	struct ferry_tx *tx[5];
	struct ferry_hub *hub;
	char name[8];
	int i;

	(void)state;
	ferry_test_need_eal();
	hub = hub_make(HUB, 8 * MIB, 0, 4);
	ep = hub_join(HUB, "e");
	for (i = 0; i < 4; i++) {
		snprintf(name, sizeof(name), "c%d", i);
		assert_int_equal(ferry_tx_open(&tx[i], ep, name, &small), 0);
	}
	assert_int_equal(ferry_tx_open(&tx[4], ep, "c4", &small), -ENFILE);
	ferry_tx_close(tx[2]);
	assert_int_equal(ferry_tx_open(&tx[2], ep, "c4", &small), 0);
	assert_int_equal(ferry_tx_open(&tx[4], ep, "c2", &small), -ENFILE);
	ferry_detach(ep);
	hub_check_empty(hub);
	assert_int_equal(ferry_hub_destroy(hub), 0);
}

static void
memory_needed_can_be_told_before_to_the_byte(void **state)
{
	struct ferry_channel_config config = { .slot_size = 1000 };
	struct ferry_hub_channel list[2];
	struct ferry_hub_info info;
	struct ferry_endpoint *ep;
	struct ferry_tx *tx, *more;
	struct ferry_hub *hub;
	uint64_t random = 3;
	bool fits;
	int i, ret, fitted = 0;

	(void)state;
	ferry_test_need_eal();
	hub = hub_make(HUB, 2 * MIB, 0, 0);
	ep = hub_join(HUB, "e");
	/* Its refusals are in its log, which is long then. */
	rte_log_set_level_pattern("ferry.hub", RTE_LOG_CRIT);
	/* The most slots that fit into all of it, and one more. */
	for (config.n_slots = 1; ferry_channel_memory(&config) <= 2 * MIB;
			config.n_slots++)
		;
	assert_int_equal(ferry_tx_open(&tx, ep, "c", &config),
		FERRY_E_NO_ROOM);
	config.n_slots--;
	assert_int_equal(ferry_tx_open(&tx, ep, "c", &config), 0);
	ferry_tx_close(tx);

	for (i = 0; i < 2000; i++) {
		config.slot_size = (uint32_t)ferry_test_random(&random) %
			30000 + 1;
		config.n_slots = (uint32_t)ferry_test_random(&random) % 80 + 1;
		assert_int_equal(ferry_tx_open(&tx, ep, "c", &config),
			ferry_channel_memory(&config) <= 2 * MIB ?
			0 : FERRY_E_NO_ROOM);
		if (ferry_channel_memory(&config) > 2 * MIB)
			continue;
		config.n_slots = (uint32_t)ferry_test_random(&random) % 80 + 1;
		ferry_hub_info(hub, &info);
		fits = ferry_channel_memory(&config) <= info.memory_largest;
		ret = ferry_tx_open(&more, ep, "d", &config);
		assert_int_equal(ret, fits ? 0 : FERRY_E_NO_ROOM);
		/* The list accounts for every byte that is not free. */
		ferry_hub_info(hub, &info);
		list[1].memory = 0;
		assert_int_equal(ferry_hub_channels(hub, list, 2), 1 + fits);
		assert_int_equal(list[0].memory + list[1].memory,
			info.memory - info.memory_free);
		if (fits)
			ferry_tx_close(more);
		fitted += fits;
		ferry_tx_close(tx);
	}
	assert_in_range(fitted, 100, 1900);
	rte_log_set_level_pattern("ferry.hub", RTE_LOG_NOTICE);
	ferry_detach(ep);
	hub_check_empty(hub);
	assert_int_equal(ferry_hub_destroy(hub), 0);
}

struct visitor {
	/* Detach before the thread ends. */
	bool leaves;
	struct ferry_endpoint *ep;
};

static void *
visit(void *arg)
{
	struct visitor *v = arg;

	v->ep = hub_join(HUB, v->leaves ? "leaves" : "stays");
	if (v->leaves)
		ferry_detach(v->ep);
	return NULL;
}

static void
a_thread_that_ends_and_is_still_attached_is_told(void **state)
{
	struct visitor v;
	struct ferry_hub *hub;
	size_t size = 0, i;
	char *text = NULL;
	pthread_t thread;
	FILE *stream;

	(void)state;
	ferry_test_need_eal();
	hub = hub_make(HUB, 4 * MIB, 0, 0);
	for (i = 0; i < 2; i++) {
		v.leaves = i == 1;
		stream = open_memstream(&text, &size);
		assert_non_null(stream);
		rte_openlog_stream(stream);
		assert_int_equal(pthread_create(&thread, NULL, visit, &v), 0);
		assert_int_equal(pthread_join(thread, NULL), 0);
		rte_openlog_stream(NULL);
		fclose(stream);
		if (v.leaves) {
			assert_string_equal(text, "");
		} else {
			assert_non_null(strstr(text, "a thread ends"));
			assert_non_null(strstr(text, "stays"));
			assert_non_null(strstr(text, "ferry_detach()"));
			/* Another one may go on with it. */
			ferry_detach(v.ep);
		}
		free(text);
		text = NULL;
		hub_check_empty(hub);
	}
	assert_int_equal(ferry_hub_destroy(hub), 0);
}

static void
every_result_has_its_own_words(void **state)
{
	static const int results[] = {
		FERRY_OK, FERRY_E_CLOSED, FERRY_E_PEER_GONE,
		FERRY_E_TOO_LONG, FERRY_E_VERSION, FERRY_E_HUB_GONE,
		FERRY_E_CORRUPT, FERRY_E_NO_ROOM, FERRY_E_LCORE, -EINVAL,
		-ENOENT, -ENOMEM,
		-EBUSY, -EEXIST, -EMSGSIZE, -ENFILE, -EMFILE, -ETIMEDOUT,
		-ENAMETOOLONG, -EPERM, -E2BIG, -EUSERS, -EACCES,
		FERRY_E_CANCELLED, FERRY_E_REFUSED, FERRY_E_FORKED,
		FERRY_E_NO_PIDFD,
	};
	unsigned int i, k;

	(void)state;
	for (i = 0; i < RTE_DIM(results); i++) {
		assert_true(strlen(ferry_strerror(results[i])) > 3);
		assert_string_not_equal(ferry_strerror(results[i]),
			"unknown result");
		for (k = 0; k < i; k++)
			assert_string_not_equal(ferry_strerror(results[i]),
				ferry_strerror(results[k]));
	}
	assert_string_equal(ferry_strerror(1), "unknown result");
	assert_string_equal(ferry_strerror(-4999), "unknown result");
	for (k = 0; FERRY_E_CLOSED - (int)k >= FERRY_E_LAST; k++)
		assert_string_not_equal(ferry_strerror(FERRY_E_CLOSED - (int)k),
			"unknown result");
	assert_string_equal(ferry_strerror(FERRY_E_LAST - 1),
		"unknown result");
	assert_string_equal(ferry_strerror(INT32_MIN), "unknown result");
}

/* Each page that EAL gets for it is a file. */
static void
a_hub_without_descriptors_for_its_memory_says_so(void **state)
{
	const struct ferry_hub_config config = {
		.name = HUB, .memory = 40 * MIB, .socket = -1,
	};
	struct ferry_hub *first, *hub;
	struct rlimit was, few;
	int ret;

	(void)state;
	ferry_test_need_eal();
	/* Most of the pages that EAL has from its start. */
	first = hub_make("first", 48 * MIB, 0, 0);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &was), 0);
	few = was;
	few.rlim_cur = ferry_test_entries(getpid(), "fd");
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
	ret = ferry_hub_create(&hub, &config);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &was), 0);
	assert_int_equal(ret, -EMFILE);
	assert_int_equal(ferry_hub_create(&hub, &config), 0);
	assert_int_equal(ferry_hub_destroy(hub), 0);
	assert_int_equal(ferry_hub_destroy(first), 0);
}

static void *
open_tx(void *arg)
{
	struct ferry_tx *tx;

	assert_int_equal(ferry_tx_open(&tx, arg, "c", NULL), 0);
	return NULL;
}

/* The first is a number that is always atomic; the second is under a lock that
 * is not to be had here, of which ThreadSanitizer is not told. */
static bool
is_wanted(const struct ferry_engine *e)
{
	return __atomic_load_n(&e->wanted, __ATOMIC_RELAXED) > 0;
}

static __attribute__((no_sanitize_thread)) uint32_t
channels_of(const struct ferry_engine *e)
{
	return e->server.n_channels;
}

static void
an_engine_gets_channels_between_its_turns(void **state)
{
	struct ferry_endpoint *ep;
	struct ferry_engine *e;
	struct ferry_hub *hub;
	pthread_t thread;

	(void)state;
	ferry_test_need_eal();
	hub = hub_make(HUB, 8 * MIB, 0, 0);
	assert_int_equal(ferry_engine_create(&e, hub, NULL), 0);
	ep = hub_join(HUB, "a");
	alarm(FERRY_TEST_HANG_NS / 1000000000);
	/* As in the middle of a turn. */
	pthread_mutex_lock(&e->lock);
	assert_int_equal(pthread_create(&thread, NULL, open_tx, ep), 0);
	while (!is_wanted(e))
		usleep(100);
	assert_int_equal(channels_of(e), 0);
	pthread_mutex_unlock(&e->lock);
	pthread_join(thread, NULL);
	alarm(0);
	assert_int_equal(channels_of(e), 1);
	ferry_detach(ep);
	ferry_engine_destroy(e);
	hub_check_empty(hub);
	assert_int_equal(ferry_hub_destroy(hub), 0);
}

/* A thread that asks a hub which is busy. */
static void *
attach_busy(void *arg)
{
	struct ferry_endpoint **ep = arg;

	assert_int_equal(ferry_attach(ep, "busy", "late"), 0);
	return NULL;
}

/* Whether a hub is being asked. The count is under a lock that is not to be
 * had here; ThreadSanitizer is not told of this look. */
static __attribute__((no_sanitize_thread)) bool
is_asked(const struct ferry_hub *hub)
{
	return hub->users > 0;
}

/* What another hub of the process does is no business of a hub's clients. */
static void
a_busy_hub_keeps_no_other_hub_waiting(void **state)
{
	struct ferry_hub *busy, *hub, *next;
	struct ferry_endpoint *late = NULL, *ep;
	pthread_t thread;

	(void)state;
	ferry_test_need_eal();
	busy = hub_make("busy", 2 * MIB, 0, 0);
	hub = hub_make(HUB, 2 * MIB, 0, 0);
	alarm(FERRY_TEST_HANG_NS / 1000000000);
	/* As while it maps memory for a device, or waits for a copy. */
	pthread_mutex_lock(&busy->lock);
	assert_int_equal(pthread_create(&thread, NULL, attach_busy, &late), 0);
	while (!is_asked(busy))
		usleep(100);
	ep = hub_join(HUB, "quick");
	next = hub_make("next", 2 * MIB, 0, 0);
	assert_int_equal(ferry_hub_destroy(next), 0);
	ferry_detach(ep);
	pthread_mutex_unlock(&busy->lock);
	pthread_join(thread, NULL);
	alarm(0);
	ferry_detach(late);
	hub_check_empty(busy);
	assert_int_equal(ferry_hub_destroy(busy), 0);
	hub_check_empty(hub);
	assert_int_equal(ferry_hub_destroy(hub), 0);
}

/* A thread that finds a hub while that comes and goes. */
static void *
attach_often(void *arg)
{
	bool *stop = arg;
	struct ferry_endpoint *ep;
	int ret;

	while (!__atomic_load_n(stop, __ATOMIC_ACQUIRE)) {
		ret = ferry_attach(&ep, "fleeting", "a");
		if (ret == 0)
			ferry_detach(ep);
		else
			assert_true(ret == -ENOENT || ret == FERRY_E_HUB_GONE);
	}
	return NULL;
}

static void
a_hub_does_not_go_while_somebody_asks_it(void **state)
{
	pthread_t thread[2];
	struct ferry_hub *hub;
	bool stop = false;
	unsigned int i;

	(void)state;
	ferry_test_need_eal();
	for (i = 0; i < 2; i++)
		assert_int_equal(pthread_create(&thread[i], NULL, attach_often,
			&stop), 0);
	for (i = 0; i < 200; i++) {
		hub = hub_make("fleeting", 2 * MIB, 0, 0);
		sched_yield();
		assert_int_equal(ferry_hub_destroy(hub), 0);
	}
	__atomic_store_n(&stop, true, __ATOMIC_RELEASE);
	for (i = 0; i < 2; i++)
		pthread_join(thread[i], NULL);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_are_checked),
		cmocka_unit_test(a_hub_is_made_with_what_it_was_asked_for),
		cmocka_unit_test(a_hub_with_bad_values_is_not_made),
		cmocka_unit_test(hubs_of_one_process_are_apart),
		cmocka_unit_test(
	a_hub_in_use_is_busy_takes_nothing_new_and_can_be_destroyed_later),
		cmocka_unit_test(
			attaching_needs_good_names_and_an_existing_hub),
		cmocka_unit_test(
			endpoints_are_limited_and_their_places_come_back),
		cmocka_unit_test(opening_needs_a_good_name_and_a_good_config),
		cmocka_unit_test(
			ends_open_and_close_in_any_order_and_leave_nothing),
		cmocka_unit_test(an_end_can_be_had_once),
		cmocka_unit_test(both_sides_must_want_the_same_sizes_or_none),
		cmocka_unit_test(
			channels_are_limited_and_their_places_come_back),
		cmocka_unit_test(memory_needed_can_be_told_before_to_the_byte),
		cmocka_unit_test(
			a_thread_that_ends_and_is_still_attached_is_told),
		cmocka_unit_test(
			a_hub_without_descriptors_for_its_memory_says_so),
		cmocka_unit_test(an_engine_gets_channels_between_its_turns),
		cmocka_unit_test(a_busy_hub_keeps_no_other_hub_waiting),
		cmocka_unit_test(a_hub_does_not_go_while_somebody_asks_it),
		cmocka_unit_test(every_result_has_its_own_words),
	};

	return cmocka_run_group_tests(tests, hub_eal_start, NULL);
}
