/* SPDX-License-Identifier: BSD-3-Clause */

/* Calibration files: a written file can be read, and any other is refused. */

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <locale.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include <rte_common.h>
#include <rte_memory.h>

#include "ferry_calib.h"
#include "ferry_test.h"
#include "sim_lane.h"

static char dir[64], path[96];
static void *mem;
static struct ferry_calib calib, other;
static struct ferry_calib_options options;

static int
setup(void **state)
{
	(void)state;
	strcpy(dir, "/tmp/ferry-calib-XXXXXX");
	if (mkdtemp(dir) == NULL ||
			posix_memalign(&mem, 4096, FERRY_CALIB_MEM_MIN) != 0)
		return -1;
	snprintf(path, sizeof(path), "%s/file", dir);
	options = (struct ferry_calib_options) {
		.budget_ns = UINT64_C(1000000000),
		.mem = mem,
		.mem_len = FERRY_CALIB_MEM_MIN,
		.clock = sim_clock,
		.demote = FERRY_CALIB_DEMOTE_NEVER,
	};
	return 0;
}

static int
teardown(void **state)
{
	char command[96];

	(void)state;
	free(mem);
	snprintf(command, sizeof(command), "rm -r %s", dir);
	return system(command);
}

/* The file system fails, if it is told to, by errno. */
static int fsync_error, rename_error;
static unsigned int fsyncs;

int
fsync(int fd)
{
	(void)fd;
	fsyncs++;
	errno = fsync_error;
	return fsync_error != 0 ? -1 : 0;
}

int
rename(const char *from, const char *to)
{
	if (rename_error != 0) {
		errno = rename_error;
		return -1;
	}
	return renameat(AT_FDCWD, from, AT_FDCWD, to);
}

/* Files in the folder. */
static unsigned int
files(void)
{
	unsigned int n = 0;
	DIR *d = opendir(dir);

	assert_non_null(d);
	while (readdir(d) != NULL)
		n++;
	closedir(d);
	return n - 2;
}

static void
put(const void *text, size_t len)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	assert_int_equal(fwrite(text, 1, len, f), len);
	assert_int_equal(fclose(f), 0);
}

static size_t
get(char *text, size_t size)
{
	FILE *f = fopen(path, "r");
	size_t n;

	assert_non_null(f);
	n = fread(text, 1, size - 1, f);
	text[n] = '\0';
	fclose(f);
	return n;
}

static int
load(const char *text)
{
	put(text, strlen(text));
	return ferry_calib_load(path, &other);
}

/* Measure a core and a device, with the file of the options. */
static int
measure(struct sim *core, struct sim *device)
{
	struct ferry_lane *lanes[2];
	int ret;

	*core = sim_good("core", true, 20, 10);
	*device = sim_good("a device", false, 1000, 30);
	lanes[0] = sim_open(core);
	lanes[1] = sim_open(device);
	ret = ferry_calibrate(lanes, 2, &options, &calib);
	ferry_lane_close(lanes[0]);
	ferry_lane_close(lanes[1]);
	return ret;
}

static void
test_what_is_saved_is_loaded(void **state)
{
	struct ferry_calib_lane *lane;
	struct sim core, device;
	unsigned int i, j;

	(void)state;
	assert_int_equal(measure(&core, &device), 0);
	lane = &calib.lanes[1];
	lane->cost[FERRY_PLACE_AUTO][FERRY_HEAT_HOT].t0_ns = 1e12;
	lane->cost[FERRY_PLACE_AUTO][FERRY_HEAT_HOT].bytes_per_ns = 1e-6;
	lane->cost[FERRY_PLACE_CACHE][FERRY_HEAT_HOT].t0_ns = 0;
	lane->cost[FERRY_PLACE_CACHE][FERRY_HEAT_HOT].bytes_per_ns = 1e6;
	lane->even[FERRY_HEAT_COLD] = (struct ferry_calib_even) {
		1234, FERRY_CALIB_NEVER, 0,
	};
	lane->even_source[FERRY_HEAT_COLD] = FERRY_CALIB_GIVEN;
	calib.demote = true;
	calib.demote_source = FERRY_CALIB_GIVEN;
	assert_int_equal(ferry_calib_save(&calib, path), 0);
	assert_int_equal(files(), 1);
	assert_int_equal(ferry_calib_load(path, &other), 0);
	assert_string_equal(other.machine, calib.machine);
	assert_string_equal(other.kernels, calib.kernels);
	assert_string_equal(other.why, "");
	assert_true(other.demote);
	assert_int_equal(other.nb_lanes, 2);
	for (i = 0; i < 2; i++) {
		const struct ferry_calib_lane *a = &calib.lanes[i];
		const struct ferry_calib_lane *b = &other.lanes[i];

		assert_string_equal(a->name, b->name);
		for (j = 0; j < FERRY_PLACES * FERRY_HEATS; j++) {
			const struct ferry_lane_model *x = &a->cost[0][0] + j;
			const struct ferry_lane_model *y = &b->cost[0][0] + j;

			assert_true(fabs(x->t0_ns - y->t0_ns) <= 1e-6);
			assert_true(fabs(x->bytes_per_ns - y->bytes_per_ns) <=
				1e-6);
			assert_int_equal((&b->source[0][0])[j],
				FERRY_CALIB_LOADED);
		}
		assert_true(fabs(a->job_ns - b->job_ns) <= 1e-6);
		assert_true(fabs(a->batch_ns - b->batch_ns) <= 1e-6);
	}
	/* Only what was fixed is so again. */
	assert_int_equal(other.lanes[1].even_source[FERRY_HEAT_HOT],
		FERRY_CALIB_SEED);
	assert_int_equal(other.lanes[1].even_source[FERRY_HEAT_COLD],
		FERRY_CALIB_LOADED);
	assert_memory_equal(&other.lanes[1].even[FERRY_HEAT_COLD],
		&lane->even[FERRY_HEAT_COLD], sizeof(lane->even[0]));
}

static void
test_what_is_loaded_is_not_measured(void **state)
{
	struct sim core, device;
	struct ferry_calib_even even;

	(void)state;
	/* No file is as good as none. */
	options.load = path;
	options.save = path;
	assert_int_equal(measure(&core, &device), 0);
	assert_true(core.jobs > 0 && device.jobs > 0);
	even = calib.lanes[1].even[FERRY_HEAT_COLD];

	assert_int_equal(measure(&core, &device), 0);
	assert_int_equal(core.jobs + device.jobs, 0);
	assert_int_equal(calib.lanes[1].source[0][0], FERRY_CALIB_LOADED);
	/* From the same numbers, but for their last digits. */
	assert_true(fabs((double)calib.lanes[1].even[FERRY_HEAT_COLD].sync -
		(double)even.sync) <= 2);
	assert_int_equal(files(), 1);
}

static void
test_a_lane_the_file_does_not_have_is_measured(void **state)
{
	struct sim core, device;
	char text[16384], *line;

	(void)state;
	options.save = path;
	assert_int_equal(measure(&core, &device), 0);
	options.save = NULL;
	options.load = path;
	get(text, sizeof(text));
	/* The device now has another name there. */
	while ((line = strstr(text, " a device\n")) != NULL)
		memcpy(line, " b device\n", strlen(" b device\n"));
	put(text, strlen(text));
	assert_int_equal(measure(&core, &device), 0);
	assert_int_equal(core.jobs, 0);
	assert_true(device.jobs > 0);
	assert_int_equal(calib.lanes[1].source[0][0], FERRY_CALIB_MEASURED);
}

static void
test_another_machine_is_refused(void **state)
{
	struct sim core, device;

	(void)state;
	options.save = path;
	assert_int_equal(measure(&core, &device), 0);
	options.save = NULL;
	options.load = path;
	assert_int_equal(ferry_calib_load(path, &other), 0);
	strcpy(other.machine, "Difference Engine");
	assert_int_equal(ferry_calib_save(&other, path), 0);
	assert_int_equal(measure(&core, &device), -ESTALE);
	assert_int_equal(core.jobs, 0);
	assert_non_null(strstr(calib.why, "Difference Engine"));
	options.force = true;
	assert_int_equal(measure(&core, &device), 0);
	assert_int_equal(core.jobs, 0);
	assert_int_equal(calib.lanes[0].source[0][0], FERRY_CALIB_LOADED);
	assert_string_not_equal(calib.machine, "Difference Engine");
}

static void
test_other_kernels_are_refused(void **state)
{
	struct ferry_lane *lane = NULL;

	(void)state;
	assert_int_equal(ferry_lane_open(&lane, ferry_copy_cpu(), NULL,
		SOCKET_ID_ANY), 0);
	options.clock = NULL;
	options.save = path;
	assert_int_equal(ferry_calibrate(&lane, 1, &options, &calib), 0);
	assert_int_equal(ferry_calib_load(path, &other), 0);
	strcpy(other.kernels, "abacus+rep+abacus-nt");
	assert_int_equal(ferry_calib_save(&other, path), 0);
	options.save = NULL;
	options.load = path;
	assert_int_equal(ferry_calibrate(&lane, 1, &options, &calib), -ESTALE);
	assert_non_null(strstr(calib.why, "abacus"));
	options.force = true;
	assert_int_equal(ferry_calibrate(&lane, 1, &options, &calib), 0);
	ferry_lane_close(lane);
}

#define HEAD "ferry-calib 1\n"

static void
test_a_file_by_hand(void **state)
{
	(void)state;
	assert_int_equal(load(HEAD
		"# a comment\n"
		"cost cache hot 3 17.5 cpu\n"
		"even cold never 0 77 dmadev:wq0.0/0\n"
		"end\n"), 0);
	assert_int_equal(other.nb_lanes, 2);
	assert_string_equal(other.machine, "-");
	assert_true(other.lanes[0].cost[FERRY_PLACE_CACHE]
		[FERRY_HEAT_HOT].bytes_per_ns == 17.5);
	assert_int_equal(other.lanes[0].source[FERRY_PLACE_CACHE]
		[FERRY_HEAT_COLD], FERRY_CALIB_SEED);
	assert_int_equal(other.lanes[1].even[FERRY_HEAT_COLD].sync,
		FERRY_CALIB_NEVER);
	assert_int_equal(load(HEAD "end\n"), 0);
	assert_int_equal(other.nb_lanes, 0);
}

static void
test_bad_files_are_refused(void **state)
{
	static const char *const bad[] = {
		"", "\n", "end\n", HEAD, HEAD "end", HEAD "end\nend\n",
		"ferry-calib 2\nend\n", "ferry-calib 1 \nend\n",
		"ferry-calib 1\r\nend\r\n",
		HEAD "\nend\n", HEAD "what\nend\n", HEAD "end\n# after\n",
		HEAD "demote\nend\n", HEAD "demote maybe\nend\n",
		HEAD "demote on\ndemote on\nend\n",
		HEAD "machine\nend\n", HEAD "machine \nend\n",
		HEAD "machine a\nmachine b\nend\n",
		HEAD "cost\nend\n", HEAD "cost auto\nend\n",
		HEAD "cost auto hot\nend\n", HEAD "cost auto hot 1\nend\n",
		HEAD "cost auto hot 1 1\nend\n",
		HEAD "cost auto hot 1 1 \nend\n",
		HEAD "cost auto warm 1 1 cpu\nend\n",
		HEAD "cost here hot 1 1 cpu\nend\n",
		HEAD "cost  auto hot 1 1 cpu\nend\n",
		HEAD "cost auto hot -1 1 cpu\nend\n",
		HEAD "cost auto hot +1 1 cpu\nend\n",
		HEAD "cost auto hot 1e3 1 cpu\nend\n",
		HEAD "cost auto hot 1 0 cpu\nend\n",
		HEAD "cost auto hot 1 1. cpu\nend\n",
		HEAD "cost auto hot 1 .1 cpu\nend\n",
		HEAD "cost auto hot 1,5 1 cpu\nend\n",
		HEAD "cost auto hot nan 1 cpu\nend\n",
		HEAD "cost auto hot 1 inf cpu\nend\n",
		HEAD "cost auto hot 1 1000001 cpu\nend\n",
		HEAD "cost auto hot 1000000000001 1 cpu\nend\n",
		HEAD "cost auto hot 99999999999999999999999 1 cpu\nend\n",
		HEAD "cost auto hot 1 0.00000000000000000000001 cpu\nend\n",
		HEAD "cost auto hot 1 1 cpu\ncost auto hot 1 1 cpu\nend\n",
		HEAD "cost auto hot 1 1 "
			"a-name-that-is-longer-than-any-lane-can-ever-have\n"
			"end\n",
		HEAD "job 1 cpu\nend\n", HEAD "job 1 x cpu\nend\n",
		HEAD "job 1 1 cpu\njob 1 1 cpu\nend\n",
		HEAD "job 1 9999999999999 cpu\nend\n",
		HEAD "even hot 1 2 cpu\nend\n",
		HEAD "even hot 1 2 3.5 cpu\nend\n",
		HEAD "even hot 1 2 Never cpu\nend\n",
		HEAD "even hot 1 2 3 a\neven hot 1 2 3 a\nend\n",
		HEAD "machine \x01\nend\n", HEAD "machine \xff\nend\n",
		HEAD "cost auto hot 1 1 tab\tname\nend\n",
	};
	unsigned int i;

	(void)state;
	for (i = 0; i < RTE_DIM(bad); i++) {
		if (load(bad[i]) != -EBADMSG)
			fail_msg("accepted: %s", bad[i]);
		assert_string_not_equal(other.why, "");
		assert_int_equal(other.nb_lanes, 0);
	}
}

/* A text has room for its end, too. */
static void
test_texts_of_any_length(void **state)
{
	static const struct {
		const char *key;
		char *field;
		size_t size;
	} texts[] = {
		{ "machine", other.machine, sizeof(other.machine) },
		{ "kernels", other.kernels, sizeof(other.kernels) },
	};
	char line[256], name[128];
	unsigned int i;
	size_t len;

	(void)state;
	for (i = 0; i < RTE_DIM(texts); i++) {
		for (len = 1; len < texts[i].size + 3; len++) {
			memset(name, 'x', len);
			name[len] = '\0';
			snprintf(line, sizeof(line), HEAD "%s %s\nend\n",
				texts[i].key, name);
			assert_int_equal(load(line), len < texts[i].size ? 0 :
				-EBADMSG);
			if (len < texts[i].size)
				assert_string_equal(texts[i].field, name);
		}
	}
}

static void
test_files_that_are_none(void **state)
{
	struct sim core, device;
	static char big[70000];
	static const char zeros[] = HEAD "machine a\0b\nend\n";
	unsigned int i;

	(void)state;
	/* Too many lanes. */
	i = (unsigned int)sprintf(big, HEAD);
	while (i < 2000)
		i += (unsigned int)sprintf(big + i, "job 1 1 lane%u\n", i);
	strcpy(big + i, "end\n");
	assert_int_equal(load(big), -EBADMSG);
	/* Too long, though all of it comments. */
	memset(big, '#', sizeof(big) - 1);
	memcpy(big, HEAD, strlen(HEAD));
	assert_int_equal(load(big), -EBADMSG);
	put(zeros, sizeof(zeros) - 1);
	assert_int_equal(ferry_calib_load(path, &other), -EBADMSG);
	assert_int_equal(ferry_calib_load(dir, &other), -EIO);
	assert_string_not_equal(other.why, "");
	unlink(path);
	/* Whatever was in it before. */
	memset(&other, 0x55, sizeof(other));
	assert_int_equal(ferry_calib_load(path, &other), -ENOENT);
	assert_int_equal(other.nb_lanes, 0);
	assert_string_equal(other.machine, "-");
	assert_non_null(strstr(other.why, path));
	assert_non_null(strstr(other.why, strerror(ENOENT)));
	/* A long name leaves room for the reason. */
	memset(big, '/', 3000);
	strcpy(big + 3000, dir);
	assert_int_equal(ferry_calib_load(big, &other), -EIO);
	assert_non_null(strstr(other.why, "cannot be read"));
	assert_int_equal(ferry_calib_load(NULL, &other), -EINVAL);
	assert_int_equal(ferry_calib_load(path, NULL), -EINVAL);
	/* And none of them stops a calibration without a word. */
	put("rubbish", 7);
	options.load = path;
	assert_int_equal(measure(&core, &device), -EBADMSG);
	assert_string_not_equal(calib.why, "");
	assert_int_equal(core.jobs, 0);
}

/* Whatever happens to a file, it is refused or says possible things. */
static void
test_mutated_files(void **state)
{
	enum { ROUNDS = 1500 };
	static char text[16384], mutant[16384];
	unsigned int round, i, good = 0;
	struct sim core, device;
	uint64_t rng = 11;
	size_t len;

	(void)state;
	options.save = path;
	assert_int_equal(measure(&core, &device), 0);
	len = get(text, sizeof(text));
	for (round = 0; round < ROUNDS; round++) {
		unsigned int changes = 1 + ferry_test_random(&rng) % 3;
		size_t n = len;

		memcpy(mutant, text, len);
		for (i = 0; i < changes; i++) {
			size_t at = ferry_test_random(&rng) % n;
			size_t from = ferry_test_random(&rng) % n;
			size_t most = n - RTE_MAX(at, from);
			size_t part = 1 + ferry_test_random(&rng) %
				RTE_MIN(most, (size_t)40);

			switch (ferry_test_random(&rng) % 4) {
			case 0: /* any byte */
				mutant[at] = (char)ferry_test_random(&rng);
				break;
			case 1: /* one that means something */
				mutant[at] = "\n #.-0123456789e"
					[ferry_test_random(&rng) % 16];
				break;
			case 2: /* a part at another place */
				memmove(mutant + at, mutant + from, part);
				break;
			default: /* the end is missing */
				n = RTE_MAX(at, (size_t)1);
			}
		}
		put(mutant, n);
		if (ferry_calib_load(path, &other) != 0) {
			assert_int_equal(other.nb_lanes, 0);
			continue;
		}
		/* Saving is for durable files, and slow. */
		if (good++ % 32 != 0)
			continue;
		/* What it says can be saved, so it is within all bounds. */
		assert_int_equal(ferry_calib_save(&other, path), 0);
		assert_int_equal(ferry_calib_load(path, &calib), 0);
	}
	/* Some hit comments or digits. */
	assert_in_range(good, 1, ROUNDS - 1);
}

static void
test_a_failed_save_changes_nothing(void **state)
{
	static char before[16384], after[16384];
	struct sim core, device;
	char nowhere[128];

	(void)state;
	options.save = path;
	assert_int_equal(measure(&core, &device), 0);
	get(before, sizeof(before));
	/* Values that no file holds. */
	other = calib;
	other.lanes[1].cost[0][0].bytes_per_ns = NAN;
	assert_int_equal(ferry_calib_save(&other, path), -EINVAL);
	other = calib;
	other.lanes[1].job_ns = -1;
	assert_int_equal(ferry_calib_save(&other, path), -EINVAL);
	other = calib;
	strcpy(other.lanes[1].name, "two\nlines");
	assert_int_equal(ferry_calib_save(&other, path), -EINVAL);
	other = calib;
	memset(other.machine, 'x', sizeof(other.machine));
	assert_int_equal(ferry_calib_save(&other, path), -EINVAL);
	other = calib;
	other.nb_lanes = FERRY_CALIB_LANES + 1;
	assert_int_equal(ferry_calib_save(&other, path), -EINVAL);
	assert_int_equal(ferry_calib_save(NULL, path), -EINVAL);
	assert_int_equal(ferry_calib_save(&calib, NULL), -EINVAL);
	get(after, sizeof(after));
	assert_string_equal(before, after);

	/* Places where it cannot be; nothing is left behind. */
	snprintf(nowhere, sizeof(nowhere), "%s/no/file", dir);
	assert_int_equal(ferry_calib_save(&calib, nowhere), -ENOENT);
	snprintf(nowhere, sizeof(nowhere), "%s/folder", dir);
	assert_int_equal(mkdir(nowhere, 0700), 0);
	assert_true(ferry_calib_save(&calib, nowhere) < 0);
	assert_int_equal(files(), 2);
	/* The lanes are calibrated all the same. */
	options.save = nowhere;
	assert_true(measure(&core, &device) < 0);
	assert_int_equal(calib.lanes[0].state, FERRY_CALIB_OK);
	assert_non_null(strstr(calib.why, nowhere));
}

/* The old file stays if the new one may not be on the disk. */
static void
test_a_disk_that_fails_changes_nothing(void **state)
{
	static const int errors[] = { EIO, ENOSPC, EDQUOT };
	static char before[16384], after[16384];
	struct sim core, device;
	unsigned int i;

	(void)state;
	options.save = path;
	assert_int_equal(measure(&core, &device), 0);
	get(before, sizeof(before));
	other = calib;
	other.lanes[1].cost[0][0].t0_ns += 1;
	for (i = 0; i < RTE_DIM(errors); i++) {
		fsyncs = 0;
		fsync_error = errors[i];
		assert_int_equal(ferry_calib_save(&other, path), -errors[i]);
		fsync_error = 0;
		assert_int_equal(fsyncs, 1);
		assert_int_equal(files(), 1);
		rename_error = errors[i];
		assert_int_equal(ferry_calib_save(&other, path), -errors[i]);
		rename_error = 0;
		assert_int_equal(files(), 1);
		get(after, sizeof(after));
		assert_string_equal(before, after);
	}
	assert_int_equal(ferry_calib_save(&other, path), 0);
	get(after, sizeof(after));
	assert_string_not_equal(before, after);
}

/* The decimal point is one wherever the application comes from. */
static void
test_locale_does_not_matter(void **state)
{
	static const char *const names[] = {
		"de_DE.UTF-8", "fr_FR.UTF-8", "de_DE.utf8",
	};
	bool set = false;
	unsigned int i;

	(void)state;
	for (i = 0; i < RTE_DIM(names) && !set; i++)
		set = setlocale(LC_NUMERIC, names[i]) != NULL;
	if (!set) {
		print_message("skipped: no locale with a decimal comma\n");
		skip();
	}
	assert_int_equal(load(HEAD "cost auto hot 1.25 2.5 a\nend\n"), 0);
	assert_int_equal(ferry_calib_save(&other, path), 0);
	assert_int_equal(ferry_calib_load(path, &other), 0);
	assert_true(other.lanes[0].cost[0][0].t0_ns == 1.25);
	setlocale(LC_NUMERIC, "C");
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_what_is_saved_is_loaded),
		TEST(test_what_is_loaded_is_not_measured),
		TEST(test_a_lane_the_file_does_not_have_is_measured),
		TEST(test_another_machine_is_refused),
		TEST(test_other_kernels_are_refused),
		TEST(test_a_file_by_hand),
		TEST(test_bad_files_are_refused),
		TEST(test_texts_of_any_length),
		TEST(test_files_that_are_none),
		TEST(test_mutated_files),
		TEST(test_a_failed_save_changes_nothing),
		TEST(test_a_disk_that_fails_changes_nothing),
		TEST(test_locale_does_not_matter),
	};

	return cmocka_run_group_tests_name("calib_file", tests, NULL, NULL);
}
