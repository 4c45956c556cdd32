/* SPDX-License-Identifier: BSD-3-Clause */

/* The parts of the soft DSA that only calculate. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "softdsa_check.h"
#include "softdsa_config.h"
#include "softdsa_fault.h"
#include "softdsa_model.h"
#include "softdsa_queue.h"

static char error[SOFTDSA_ERROR_LEN];

static struct softdsa_config
parsed(const char *text)
{
	struct softdsa_config c;

	softdsa_config_default(&c);
	if (softdsa_config_parse(&c, text, false, error) != 0)
		fail_msg("%s: %s", text, error);
	return c;
}

static void
test_keys_set_what_they_name(void **state)
{
	struct softdsa_config c;

	(void)state;
	c = parsed("");
	assert_int_equal(c.wqs, 1);
	assert_int_equal(c.size, 128);
	assert_int_equal(c.max_batch, 1024);
	assert_int_equal(c.max_transfer, UINT64_C(1) << 31);
	assert_int_equal(c.threads, 1);
	assert_int_equal(c.node, 0);
	c = parsed("wqs=4,size=0x20,max_batch=128,max_transfer=65536,"
		"threads=2,cpus=0-2+7,node=1");
	assert_int_equal(c.wqs, 4);
	assert_int_equal(c.size, 32);
	assert_int_equal(c.max_batch, 128);
	assert_int_equal(c.max_transfer, 65536);
	assert_int_equal(c.n_cpus, 4);
	assert_int_equal(c.cpus[2], 2);
	assert_int_equal(c.cpus[3], 7);
	assert_int_equal(c.node, 2);
	assert_int_equal(parsed("node=1,node=none").node, 0);
	assert_int_equal(parsed("t0_ns=5,preset=none").timing.t0_ns, 0);
	c = parsed("preset=spr,desc_ns=10");
	assert_int_equal(c.timing.t0_ns, 700);
	assert_int_equal(c.timing.t0_max_ns, 1700);
	assert_int_equal(c.timing.mbps, 31000);
	assert_int_equal(c.timing.desc_ns, 10);
	c = parsed("gbps=1.5,t0_ns=100:200");
	assert_int_equal(c.timing.mbps, 1500);
	assert_int_equal(c.timing.t0_max_ns, 200);
	assert_int_equal(parsed("gbps=2,gbps=0").timing.mbps, 0);
	c = parsed("fail=3+:0x1f,wq=1,hang=2:50,wq=all,reorder=4");
	assert_int_equal(c.wrong[0].fault[SOFTDSA_FAULT_FAIL].n, 3);
	assert_true(c.wrong[7].fault[SOFTDSA_FAULT_FAIL].every);
	assert_int_equal(c.wrong[1].fault[SOFTDSA_FAULT_FAIL].arg, 0x1f);
	assert_int_equal(c.wrong[0].fault[SOFTDSA_FAULT_HANG].n, 0);
	assert_int_equal(c.wrong[1].fault[SOFTDSA_FAULT_HANG].arg, 50);
	assert_int_equal(c.wrong[3].reorder, 4);
	c = parsed("fail=1,reorder=4,full=3,wq=1,faults=off");
	assert_int_equal(c.wrong[0].full, 3);
	assert_int_equal(c.wrong[0].reorder, 4);
	assert_int_equal(c.wrong[0].fault[SOFTDSA_FAULT_FAIL].n, 1);
	assert_int_equal(c.wrong[1].full, 0);
	assert_int_equal(c.wrong[1].reorder, 0);
	assert_int_equal(c.wrong[1].fault[SOFTDSA_FAULT_FAIL].n, 0);
}

static void
test_bad_texts_name_the_key_and_what_is_permitted(void **state)
{
	static const struct {
		const char *text, *key, *permitted;
	} bad[] = {
		{ "wqs=0", "wqs=0", "1 to 8" },
		{ "wqs=9", "wqs=9", "1 to 8" },
		{ "wqs=-1", "wqs=-1", "1 to 8" },
		{ "wqs=", "wqs=", "1 to 8" },
		{ "wqs=2x", "wqs=2x", "1 to 8" },
		{ "wqs=99999999999999999999999", "wqs", "1 to 8" },
		{ "size=1025", "size", "1 to 1024" },
		{ "max_batch=1", "max_batch", "2 to 4096" },
		{ "threads=3,wqs=2", "threads=3", "share=1" },
		{ "cpus=1-", "cpus", "0-3+8" },
		{ "cpus=0-100", "cpus", "at most 64" },
		{ "node=x", "node", "none" },
		{ "gbps=0.0001", "gbps", "0.001" },
		{ "gbps=nan", "gbps", "10000" },
		{ "t0_ns=5:3", "t0_ns", "ascending" },
		{ "preset=icx", "preset", "spr or none" },
		{ "fail=1:0x100", "fail", "STATUS" },
		{ "fail=1:1", "fail", "STATUS" },
		{ "corrupt=1:2", "corrupt", "N[+]" },
		{ "hang", "hang", "key=value" },
		{ "wq=8", "wq=8", "0 to 7" },
		{ "faults=on", "faults", "off" },
		{ "reorder=x", "reorder", "0 to" },
		{ "full=1025", "full", "0 to 1024" },
		{ "colour=red", "colour", "max_transfer" },
	};
	struct softdsa_config c, before;
	unsigned int i;

	(void)state;
	softdsa_config_default(&before);
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		c = before;
		error[0] = '\0';
		if (softdsa_config_parse(&c, bad[i].text, false, error) == 0)
			fail_msg("%s was taken", bad[i].text);
		if (strstr(error, bad[i].key) == NULL ||
				strstr(error, bad[i].permitted) == NULL)
			fail_msg("%s: %s", bad[i].text, error);
		assert_memory_equal(&c, &before, sizeof(c));
	}
}

static void
test_a_running_device_keeps_its_shape(void **state)
{
	static const char *const fixed[] = { "wqs=2", "size=4", "cpus=0",
		"threads=1", "node=none", "share=1" };
	struct softdsa_config c;
	unsigned int i;

	(void)state;
	softdsa_config_default(&c);
	for (i = 0; i < sizeof(fixed) / sizeof(fixed[0]); i++) {
		assert_int_equal(softdsa_config_parse(&c, fixed[i], true,
			error), -1);
		assert_non_null(strstr(error, "FERRY_SOFTDSA"));
	}
	assert_int_equal(softdsa_config_parse(&c, "fail=1,gbps=3", true,
		error), 0);
}

static void
test_a_fault_counts_from_when_it_was_set(void **state)
{
	struct softdsa_config c = parsed("fail=2");
	struct softdsa_faults f;

	(void)state;
	memset(&f, 0xff, sizeof(f));
	softdsa_faults_init(&f);
	assert_int_equal(softdsa_faults_next(&f).status, 0);
	softdsa_faults_set(&f, &c.wrong[0]);
	assert_int_equal(softdsa_faults_next(&f).status, 0);
	assert_int_not_equal(softdsa_faults_next(&f).status, 0);
	assert_int_equal(softdsa_faults_next(&f).status, 0);
	/* Another one does not start it again; itself does. */
	assert_int_equal(softdsa_config_parse(&c, "corrupt=1", true, error), 0);
	softdsa_faults_set(&f, &c.wrong[0]);
	assert_true(softdsa_faults_next(&f).corrupt);
	assert_int_equal(softdsa_faults_next(&f).status, 0);
	assert_int_equal(softdsa_config_parse(&c, "fail=2", true, error), 0);
	softdsa_faults_set(&f, &c.wrong[0]);
	assert_int_equal(softdsa_faults_next(&f).status, 0);
	assert_int_not_equal(softdsa_faults_next(&f).status, 0);
}

static void
test_time_is_t0_and_a_share_of_the_bandwidth(void **state)
{
	static const char *const one[] = { "t0_ns=1", "t0_ns=0:1",
		"gbps=0.001", "desc_ns=1" };
	struct softdsa_config c = parsed("t0_ns=700:1700");
	struct softdsa_model m = { 0 };
	unsigned int i;

	(void)state;
	assert_false(softdsa_model_on(&m));
	softdsa_model_set(&m, &c.timing);
	assert_true(softdsa_model_on(&m));
	/* Each of it counts by itself. */
	for (i = 0; i < sizeof(one) / sizeof(one[0]); i++) {
		c = parsed(one[i]);
		softdsa_model_set(&m, &c.timing);
		assert_true(softdsa_model_on(&m));
	}
	c = parsed("t0_ns=700:1700,gbps=1,desc_ns=5");
	softdsa_model_set(&m, &c.timing);
	assert_int_equal(softdsa_model_end(&m, 1000, 64), 1000 + 700 + 64 + 5);
	/* The bandwidth is busy with the first until 1069. */
	assert_int_equal(softdsa_model_end(&m, 1000, 64), 1069 + 700 + 69);
	assert_int_equal(softdsa_model_end(&m, 100000, 1 << 20),
		100000 + 1700 + (1 << 20) + 5);
	m.free_ns = 0;
	/* No less for what is shorter. */
	assert_int_equal(softdsa_model_end(&m, 0, 8), 700 + 8 + 5);
	m.free_ns = 0;
	assert_int_equal(softdsa_model_end(&m, 0, 0), 700 + 5);
	m.free_ns = 0;
	/* Half of the way between, in powers of two. */
	assert_int_equal(softdsa_model_end(&m, 0, 8192), 1200 + 8192 + 5);
}

static struct softdsa_desc
good(unsigned int op)
{
	return (struct softdsa_desc) {
		.flags_op = op << SOFTDSA_OP_SHIFT | SOFTDSA_F_RECORD |
			SOFTDSA_F_RECORD_VALID,
		.src = 64, .dst = 4096, .size = 2,
	};
}

static void
test_descriptors_are_checked_as_specified(void **state)
{
	const struct softdsa_limits limits = { 16, 1000 };
	struct softdsa_desc d;
	uint32_t bad;
	unsigned int op;

	(void)state;
#define CHECK(in_batch) softdsa_check(&d, in_batch, &limits, &bad)
	for (op = 0; op < 256; op++) {
		const bool known = op <= SOFTDSA_FILL;

		d = good(op);
		assert_int_equal(CHECK(false), known ? SOFTDSA_OK :
			SOFTDSA_BAD_OP);
		assert_int_equal(CHECK(true), known && op != SOFTDSA_BATCH &&
			op != SOFTDSA_DRAIN ? SOFTDSA_OK : SOFTDSA_BAD_OP);
	}
	d = good(SOFTDSA_MOVE);
	d.size = 0;
	assert_int_equal(CHECK(false), SOFTDSA_BAD_SIZE);
	d.size = 1000;
	assert_int_equal(CHECK(false), SOFTDSA_OK);
	d.size = 1001;
	assert_int_equal(CHECK(true), SOFTDSA_BAD_SIZE);
	d = good(SOFTDSA_MOVE);
	d.reserved[12] = 1;
	assert_int_equal(CHECK(false), SOFTDSA_NOT_ZERO);
	d = good(SOFTDSA_MOVE);
	d.flags_op |= SOFTDSA_F_INTERRUPT | 0x8000;
	assert_int_equal(CHECK(false), SOFTDSA_BAD_FLAGS);
	assert_int_equal(bad, SOFTDSA_F_INTERRUPT | 0x8000);
	d = good(SOFTDSA_NOOP);
	d.flags_op |= SOFTDSA_F_CACHE;
	assert_int_equal(CHECK(false), SOFTDSA_BAD_FLAGS);
	d = good(SOFTDSA_NOOP);
	d.flags_op &= ~SOFTDSA_F_RECORD_VALID;
	assert_int_equal(CHECK(false), SOFTDSA_BAD_FLAGS);
	d = good(SOFTDSA_BATCH);
	d.size = 1;
	assert_int_equal(CHECK(false), SOFTDSA_BAD_COUNT);
	d.size = 17;
	assert_int_equal(CHECK(false), SOFTDSA_BAD_COUNT);
	d = good(SOFTDSA_BATCH);
	d.src = 32;
	assert_int_equal(CHECK(false), SOFTDSA_BAD_LIST);
#undef CHECK
}

static void
test_a_queue_keeps_order_around_its_end(void **state)
{
	static struct softdsa_queue q;
	struct softdsa_desc d = { 0 };
	unsigned int round;
	uint64_t in = 0, out = 0;

	(void)state;
	for (round = 0; round < 5; round++) {
		while (d.src = in, softdsa_queue_put(&q, &d))
			in++;
		assert_int_equal(in - out, SOFTDSA_QUEUE_PLACES);
		while (in - out > 300) {
			assert_true(softdsa_queue_ready(&q));
			assert_true(softdsa_queue_take(&q, &d));
			assert_int_equal(d.src, out++);
		}
	}
	while (softdsa_queue_take(&q, &d))
		assert_int_equal(d.src, out++);
	assert_int_equal(in, out);
	assert_false(softdsa_queue_ready(&q));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_keys_set_what_they_name),
		cmocka_unit_test(
			test_bad_texts_name_the_key_and_what_is_permitted),
		cmocka_unit_test(test_a_running_device_keeps_its_shape),
		cmocka_unit_test(test_a_fault_counts_from_when_it_was_set),
		cmocka_unit_test(test_time_is_t0_and_a_share_of_the_bandwidth),
		cmocka_unit_test(test_descriptors_are_checked_as_specified),
		cmocka_unit_test(test_a_queue_keeps_order_around_its_end),
	};

	return cmocka_run_group_tests_name("softdsa_config", tests, NULL, NULL);
}
