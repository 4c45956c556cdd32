/* SPDX-License-Identifier: BSD-3-Clause */

/* The lengths of ferry-perf's bulk messages, and where in a ring they lie. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "bulk.h"

#define KIB 1024u
#define MIB (1024u * 1024)

static const enum bulk_sizes all_sizes[] = {
	BULK_EVEN, BULK_TABULAR, BULK_MIXED,
};

static void
lengths_are_those_of_the_workload(void **state)
{
	struct side_job job = { .len = 8 * MIB, .sizes = BULK_TABULAR };
	uint32_t small = 0, middle = 0, large = 0, least = UINT32_MAX, most = 0;
	uint64_t i;
	uint32_t len;

	(void)state;
	for (i = 0; i < bulk_period(&job); i++) {
		len = bulk_len(&job, i);
		least = RTE_MIN(least, len);
		most = RTE_MAX(most, len);
		assert_int_equal(len % 8, 0);
		assert_int_equal(bulk_len(&job, i + bulk_period(&job)), len);
	}
	assert_in_range(least, MIB, 2 * MIB);
	assert_in_range(most, 7 * MIB, 8 * MIB);

	job = (struct side_job){ .len = 64 * MIB, .sizes = BULK_MIXED };
	for (i = 0; i < bulk_period(&job); i++) {
		len = bulk_len(&job, i);
		assert_int_equal(len % 8, 0);
		if (len == 64 * MIB)
			large++;
		else if (len >= MIB && len <= 4 * MIB)
			middle++;
		else if (len >= 8 * KIB && len <= 64 * KIB)
			small++;
	}
	assert_int_equal(large, 2);
	assert_in_range(middle, bulk_period(&job) / 16,
		bulk_period(&job) / 4);
	assert_int_equal(small + middle + large, bulk_period(&job));
}

/* Send as the leader does: nothing is written where something is to be read. */
static void
send_some(const struct side_job *job, uint64_t size)
{
	struct belt b = { .size = size };
	/* Where messages begin, by their number. */
	uint64_t starts[8192], seq, from, oldest;

	b.ahead = RTE_MIN(size / 2, size - bulk_ring_min(job));
	for (seq = 0; seq < 512; seq++) {
		oldest = seq > job->depth ? seq - job->depth : 0;
		while (belt_is_due(&b, seq)) {
			const uint64_t len = bulk_len(job, b.write_seq);

			from = belt_put(&b, &b.write_at, len);
			assert_int_equal(from % BELT_ALIGN, 0);
			assert_true(from + len <= size);
			assert_true(b.write_seq < RTE_DIM(starts));
			starts[b.write_seq++] = b.write_at -
				RTE_ALIGN_CEIL(len, BELT_ALIGN);
			/* It is written over what was a ring before. */
			assert_true(b.write_at <= starts[oldest] + size);
		}
		assert_true(b.write_seq > seq);
		assert_int_equal(belt_put(&b, &b.at, bulk_len(job, seq)),
			starts[seq] % size);
		assert_int_equal(b.at, starts[seq] +
			RTE_ALIGN_CEIL(bulk_len(job, seq), BELT_ALIGN));
	}
}

static void
nothing_is_written_over_what_is_under_way(void **state)
{
	uint32_t s, depth;

	(void)state;
	for (s = 0; s < RTE_DIM(all_sizes); s++) {
		for (depth = 0; depth <= BULK_DEPTH_MAX; depth++) {
			struct side_job job = {
				.len = MIB + 12 * KIB,
				.sizes = all_sizes[s],
				.depth = depth,
			};
			const uint64_t least = bulk_ring_min(&job);

			send_some(&job, least);
			if (all_sizes[s] == BULK_EVEN) {
				/* A multiple, as rings are. */
				send_some(&job, 3 * least);
				continue;
			}
			send_some(&job, least + BELT_ALIGN);
			send_some(&job, least + 777 * BELT_ALIGN);
			send_some(&job, 8 * least);
		}
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lengths_are_those_of_the_workload),
		cmocka_unit_test(nothing_is_written_over_what_is_under_way),
	};

	return cmocka_run_group_tests_name("perf_bulk_shape", tests, NULL,
			NULL);
}
