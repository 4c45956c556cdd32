/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Reads and writes calibration files. A file has lines of words. The name of a
 * lane stands last, because it may have spaces.
 *
 *     ferry-calib 1
 *     machine NAME
 *     kernels NAME
 *     demote on|off
 *     cost PLACE HEAT T0_NS BYTES_PER_NS LANE
 *     job ALONE_NS IN_A_BATCH_NS LANE
 *     even HEAT SYNC ASYNC BATCH LANE
 *     end
 *
 * Lines that begin with # say nothing. Numbers are decimal with a point, in
 * whatever locale: so they are read and written here, not by the C library.
 */

#include <cpuid.h>
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <rte_common.h>

#include "calib_file.h"
#include "calib_fit.h"

#define VERSION "ferry-calib 1"
/* Longest file. The lines of the lanes take a quarter of that at most. */
#define FILE_MAX ((size_t)64 << 10)
/* Upper bound of the parts of a number before and after the point. */
#define NUMBER_MAX UINT64_C(1000000000000000)
#define DIGITS 6

const char *const calib_places[FERRY_PLACES] = { "auto", "cache", "memory" };
const char *const calib_heats[FERRY_HEATS] = { "hot", "cold" };

void
calib_why(struct ferry_calib *calib, const char *format, ...)
{
	va_list ap;

	if (calib->why[0] != '\0')
		return;
	va_start(ap, format);
	vsnprintf(calib->why, sizeof(calib->why), format, ap);
	va_end(ap);
}

struct ferry_calib_lane *
calib_find(struct ferry_calib *calib, const char *name)
{
	unsigned int i;

	for (i = 0; i < calib->nb_lanes; i++)
		if (strcmp(calib->lanes[i].name, name) == 0)
			return &calib->lanes[i];
	return NULL;
}

void
calib_clear(struct ferry_calib *calib)
{
	memset(calib, 0, sizeof(*calib));
	strcpy(calib->machine, "-");
	strcpy(calib->kernels, "-");
}

void
calib_machine(char *text, size_t size)
{
	unsigned int regs[13] = { 0 }, max, signature = 0, ebx, ecx, edx, i;
	char *brand = (char *)regs, *from, *to;

	max = __get_cpuid_max(0x80000000, NULL);
	for (i = 0; i < 3 && max >= 0x80000004; i++)
		__get_cpuid(0x80000002 + i, &regs[4 * i], &regs[4 * i + 1],
			&regs[4 * i + 2], &regs[4 * i + 3]);
	__get_cpuid(1, &signature, &ebx, &ecx, &edx);
	/* Keep printable characters only, and single spaces. */
	for (from = to = brand; *from != '\0'; from++) {
		if (*from < ' ' || *from > '~')
			continue;
		if (*from == ' ' && (to == brand || to[-1] == ' '))
			continue;
		*to++ = *from;
	}
	while (to > brand && to[-1] == ' ')
		to--;
	*to = '\0';
	snprintf(text, size, "%s (%x)", brand[0] != '\0' ? brand : "x86-64",
		signature);
}

/* Take the next word of a line. NULL if there is none or it is empty. */
static char *
word(char **line)
{
	char *start = *line, *end = strchr(start, ' ');

	if (end == NULL) {
		*line = start + strlen(start);
	} else {
		*end = '\0';
		*line = end + 1;
	}
	return *start != '\0' ? start : NULL;
}

static bool
parse_whole(const char **text, uint64_t *value)
{
	const char *p = *text;
	uint64_t v = 0;

	if (*p < '0' || *p > '9')
		return false;
	for (; *p >= '0' && *p <= '9'; p++) {
		v = 10 * v + (uint64_t)(*p - '0');
		if (v > NUMBER_MAX)
			return false;
	}
	*text = p;
	*value = v;
	return true;
}

static bool
parse_number(const char *text, double *value)
{
	uint64_t whole, part = 0, scale = 1;
	const char *start;

	if (text == NULL || !parse_whole(&text, &whole))
		return false;
	if (*text == '.') {
		start = ++text;
		if (!parse_whole(&text, &part))
			return false;
		/* Count no more digits than part can have. */
		for (; start < text && scale <= NUMBER_MAX; start++)
			scale *= 10;
		if (start < text)
			return false;
	}
	*value = (double)whole + (double)part / (double)scale;
	return *text == '\0';
}

static bool
parse_bytes(const char *text, uint64_t *value)
{
	if (text == NULL)
		return false;
	if (strcmp(text, "never") == 0) {
		*value = FERRY_CALIB_NEVER;
		return true;
	}
	return parse_whole(&text, value) && *text == '\0';
}

static bool
parse_name(const char *text, const char *const *names, unsigned int n,
		unsigned int *which)
{
	unsigned int i;

	for (i = 0; i < n && text != NULL; i++) {
		if (strcmp(text, names[i]) == 0) {
			*which = i;
			return true;
		}
	}
	return false;
}

/* The lane whose name is the rest of a line. It is made if it is new. */
static struct ferry_calib_lane *
parse_lane(struct ferry_calib *calib, const char *name)
{
	struct ferry_calib_lane *lane = calib_find(calib, name);

	if (lane != NULL)
		return lane;
	if (name[0] == '\0' || strlen(name) >= sizeof(lane->name) ||
			calib->nb_lanes == FERRY_CALIB_LANES)
		return NULL;
	lane = &calib->lanes[calib->nb_lanes++];
	strcpy(lane->name, name);
	return lane;
}

static bool
parse_cost(struct ferry_calib *calib, char *line)
{
	struct ferry_calib_lane *lane;
	struct ferry_lane_model model;
	unsigned int place, heat;

	if (!parse_name(word(&line), calib_places, FERRY_PLACES, &place) ||
			!parse_name(word(&line), calib_heats, FERRY_HEATS,
				&heat) ||
			!parse_number(word(&line), &model.t0_ns) ||
			!parse_number(word(&line), &model.bytes_per_ns) ||
			!calib_model_ok(&model))
		return false;
	lane = parse_lane(calib, line);
	if (lane == NULL || lane->source[place][heat] != FERRY_CALIB_SEED)
		return false;
	lane->cost[place][heat] = model;
	lane->source[place][heat] = FERRY_CALIB_LOADED;
	return true;
}

static bool
parse_job(struct ferry_calib *calib, char *line)
{
	struct ferry_calib_lane *lane;
	double one, many;

	if (!parse_number(word(&line), &one) ||
			!parse_number(word(&line), &many) ||
			one > CALIB_T0_MAX || many > CALIB_T0_MAX)
		return false;
	lane = parse_lane(calib, line);
	if (lane == NULL || lane->job_source != FERRY_CALIB_SEED)
		return false;
	lane->job_ns = one;
	lane->batch_ns = many;
	lane->job_source = FERRY_CALIB_LOADED;
	return true;
}

static bool
parse_even(struct ferry_calib *calib, char *line)
{
	struct ferry_calib_lane *lane;
	struct ferry_calib_even even;
	unsigned int heat;

	if (!parse_name(word(&line), calib_heats, FERRY_HEATS, &heat) ||
			!parse_bytes(word(&line), &even.sync) ||
			!parse_bytes(word(&line), &even.async) ||
			!parse_bytes(word(&line), &even.batch))
		return false;
	lane = parse_lane(calib, line);
	if (lane == NULL || lane->even_source[heat] != FERRY_CALIB_SEED)
		return false;
	lane->even[heat] = even;
	lane->even_source[heat] = FERRY_CALIB_LOADED;
	return true;
}

/* Take a text that may stand in the file only once. */
static bool
parse_text(char *field, size_t size, const char *text)
{
	if (strcmp(field, "-") != 0 || text[0] == '\0' || strlen(text) >= size)
		return false;
	strcpy(field, text);
	return true;
}

static bool
parse_line(struct ferry_calib *calib, char *line)
{
	const char *key = word(&line);

	if (key == NULL)
		return false;
	if (strcmp(key, "cost") == 0)
		return parse_cost(calib, line);
	if (strcmp(key, "job") == 0)
		return parse_job(calib, line);
	if (strcmp(key, "even") == 0)
		return parse_even(calib, line);
	if (strcmp(key, "machine") == 0)
		return parse_text(calib->machine, sizeof(calib->machine), line);
	if (strcmp(key, "kernels") == 0)
		return parse_text(calib->kernels, sizeof(calib->kernels), line);
	if (strcmp(key, "demote") != 0 ||
			calib->demote_source != FERRY_CALIB_SEED)
		return false;
	calib->demote = strcmp(line, "on") == 0;
	calib->demote_source = FERRY_CALIB_LOADED;
	return calib->demote || strcmp(line, "off") == 0;
}

static int
parse(struct ferry_calib *calib, char *text, const char *path)
{
	unsigned int number = 0;
	bool ended = false;
	char *line, *next;

	for (line = text; *line != '\0'; line = next) {
		char *end = strchr(line, '\n');

		number++;
		if (end == NULL)
			break;
		*end = '\0';
		next = end + 1;
		if (number == 1) {
			if (strcmp(line, VERSION) != 0) {
				calib_why(calib, "%.100s does not begin with "
					"'%s'", path, VERSION);
				return -EBADMSG;
			}
			continue;
		}
		if (line[0] == '#' && !ended)
			continue;
		if (!ended && strcmp(line, "end") == 0) {
			ended = true;
			continue;
		}
		if (ended || !parse_line(calib, line)) {
			calib_why(calib, "%.100s: line %u makes no sense", path,
				number);
			return -EBADMSG;
		}
	}
	if (ended && *line == '\0')
		return 0;
	calib_why(calib, "%.100s does not end as it should", path);
	return -EBADMSG;
}

/* Check that the file has only characters that a line may have, so that the
 * other functions can work with strings. */
static int
check_text(struct ferry_calib *calib, const char *text, size_t len,
		const char *path)
{
	size_t i;

	if (len > FILE_MAX) {
		calib_why(calib, "%.100s is too long", path);
		return -EBADMSG;
	}
	for (i = 0; i < len; i++) {
		if (text[i] != '\n' && (text[i] < ' ' || text[i] > '~')) {
			calib_why(calib, "%.100s is not plain text", path);
			return -EBADMSG;
		}
	}
	return 0;
}

int
calib_parse(const char *text, size_t len, const char *path,
		struct ferry_calib *calib)
{
	char why[sizeof(calib->why)], *copy;
	int ret;

	calib_clear(calib);
	ret = check_text(calib, text, len, path);
	if (ret < 0)
		return ret;
	copy = malloc(len + 1);
	if (copy == NULL)
		return -ENOMEM;
	memcpy(copy, text, len);
	copy[len] = '\0';
	ret = parse(calib, copy, path);
	free(copy);
	if (ret < 0) {
		/* Of a bad file, keep only the reason why it is bad. */
		memcpy(why, calib->why, sizeof(why));
		calib_clear(calib);
		memcpy(calib->why, why, sizeof(why));
	}
	return ret;
}

int
ferry_calib_load(const char *path, struct ferry_calib *calib)
{
	int ret = 0;
	char *text;
	size_t n;
	FILE *f;

	if (path == NULL || calib == NULL)
		return -EINVAL;
	calib_clear(calib);
	f = fopen(path, "re");
	if (f == NULL) {
		ret = -errno;
		calib_why(calib, "%.100s: %s", path, strerror(errno));
		return ret;
	}
	text = malloc(FILE_MAX + 1);
	if (text == NULL) {
		fclose(f);
		return -ENOMEM;
	}
	n = fread(text, 1, FILE_MAX + 1, f);
	if (ferror(f)) {
		ret = -EIO;
		calib_why(calib, "%.100s cannot be read", path);
	}
	fclose(f);
	if (ret == 0)
		ret = calib_parse(text, n, path, calib);
	free(text);
	return ret;
}

/* Write a number. It is 0 or more, and within the bounds of a model. */
static void
write_number(FILE *f, double value)
{
	const double scale = 1e6;
	uint64_t fixed = (uint64_t)(value * scale + 0.5);

	fprintf(f, " %" PRIu64 ".%0*" PRIu64, fixed / (uint64_t)scale, DIGITS,
		fixed % (uint64_t)scale);
}

static void
write_bytes(FILE *f, uint64_t bytes)
{
	if (bytes == FERRY_CALIB_NEVER)
		fprintf(f, " never");
	else
		fprintf(f, " %" PRIu64, RTE_MIN(bytes, NUMBER_MAX));
}

/* Whether a line can hold a text. */
static bool
text_ok(const char *text, size_t size)
{
	size_t i;

	for (i = 0; i < size && text[i] != '\0'; i++)
		if (text[i] < ' ' || text[i] > '~')
			return false;
	return i > 0 && i < size;
}

static bool
lane_ok(const struct ferry_calib_lane *lane)
{
	unsigned int i;

	if (!text_ok(lane->name, sizeof(lane->name)))
		return false;
	for (i = 0; i < FERRY_PLACES * FERRY_HEATS; i++)
		if ((&lane->source[0][0])[i] != FERRY_CALIB_SEED &&
				!calib_model_ok(&(&lane->cost[0][0])[i]))
			return false;
	return lane->job_source == FERRY_CALIB_SEED ||
		(lane->job_ns >= 0 && lane->job_ns <= CALIB_T0_MAX &&
		 lane->batch_ns >= 0 && lane->batch_ns <= CALIB_T0_MAX);
}

static void
write_lane(FILE *f, const struct ferry_calib_lane *lane)
{
	unsigned int place, heat;

	for (place = 0; place < FERRY_PLACES; place++) {
		for (heat = 0; heat < FERRY_HEATS; heat++) {
			if (lane->source[place][heat] == FERRY_CALIB_SEED)
				continue;
			fprintf(f, "cost %s %s", calib_places[place],
				calib_heats[heat]);
			write_number(f, lane->cost[place][heat].t0_ns);
			write_number(f, lane->cost[place][heat].bytes_per_ns);
			fprintf(f, " %s\n", lane->name);
		}
	}
	if (lane->job_source != FERRY_CALIB_SEED) {
		fprintf(f, "job");
		write_number(f, lane->job_ns);
		write_number(f, lane->batch_ns);
		fprintf(f, " %s\n", lane->name);
	}
	for (heat = 0; heat < FERRY_HEATS; heat++) {
		if (lane->even_source[heat] == FERRY_CALIB_SEED)
			continue;
		/* Measured break-evens are written as comments, because they
		 * are computed again from the other values. */
		fprintf(f, "%seven %s", lane->even_source[heat] ==
			FERRY_CALIB_MEASURED ? "# " : "", calib_heats[heat]);
		write_bytes(f, lane->even[heat].sync);
		write_bytes(f, lane->even[heat].async);
		write_bytes(f, lane->even[heat].batch);
		fprintf(f, " %s\n", lane->name);
	}
}

void
calib_write(FILE *f, const struct ferry_calib *calib)
{
	unsigned int i;

	fprintf(f, "%s\n", VERSION);
	fprintf(f, "machine %s\n", calib->machine);
	fprintf(f, "kernels %s\n", calib->kernels);
	if (calib->demote_source != FERRY_CALIB_SEED)
		fprintf(f, "demote %s\n", calib->demote ? "on" : "off");
	fprintf(f, "# cost: place, heat, t0 in ns, bytes per ns, lane\n"
		"# job: ns of the submitting core, alone and in a batch, lane\n"
		"# even: heat, bytes waited for, alone, in a batch, lane;\n"
		"#   computed from the rest unless it stands here without #\n");
	for (i = 0; i < calib->nb_lanes; i++)
		write_lane(f, &calib->lanes[i]);
	fprintf(f, "end\n");
}

int
ferry_calib_save(const struct ferry_calib *calib, const char *path)
{
	char *fresh = NULL;
	unsigned int i;
	FILE *f = NULL;
	int fd, ret = 0;

	if (calib == NULL || path == NULL ||
			calib->nb_lanes > FERRY_CALIB_LANES ||
			!text_ok(calib->machine, sizeof(calib->machine)) ||
			!text_ok(calib->kernels, sizeof(calib->kernels)))
		return -EINVAL;
	for (i = 0; i < calib->nb_lanes; i++)
		if (!lane_ok(&calib->lanes[i]))
			return -EINVAL;
	/* Make the new file in the directory of the old one, so that rename()
	 * can replace the old one. */
	if (asprintf(&fresh, "%s.XXXXXX", path) < 0)
		return -ENOMEM;
	fd = mkstemp(fresh);
	if (fd < 0) {
		ret = -errno;
		free(fresh);
		return ret;
	}
	if (fchmod(fd, 0644) == 0)
		f = fdopen(fd, "w");
	if (f == NULL) {
		ret = -errno;
		close(fd);
	} else {
		calib_write(f, calib);
		if (fflush(f) != 0 || fsync(fd) != 0)
			ret = -errno;
		if (fclose(f) != 0 && ret == 0)
			ret = -errno;
	}
	if (ret == 0 && rename(fresh, path) != 0)
		ret = -errno;
	if (ret < 0)
		unlink(fresh);
	free(fresh);
	return ret;
}
