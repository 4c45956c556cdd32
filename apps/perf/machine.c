/* SPDX-License-Identifier: BSD-3-Clause */

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "machine.h"

/* The value of the first line that starts with key, without the newline. */
static int
find_line(const char *path, const char *key, char *out, size_t len)
{
	FILE *f = fopen(path, "r");
	char line[512], *value;
	int found = -1;

	while (f != NULL && found != 0 && fgets(line, sizeof(line), f)) {
		if (strncmp(line, key, strlen(key)) != 0)
			continue;
		value = line + strlen(key);
		value += strspn(value, " \t:");
		value[strcspn(value, "\n")] = '\0';
		snprintf(out, len, "%s", value);
		found = 0;
	}
	if (f != NULL)
		fclose(f);
	return found;
}

static unsigned long
meminfo(const char *key)
{
	char text[64];

	if (find_line("/proc/meminfo", key, text, sizeof(text)) != 0)
		return 0;
	return strtoul(text, NULL, 10);
}

/* One field of a cache of the first CPU. */
static int
cache_field(int index, const char *field, char *out, size_t len)
{
	char path[128];

	snprintf(path, sizeof(path),
		"/sys/devices/system/cpu/cpu0/cache/index%d/%s", index, field);
	return find_line(path, "", out, len);
}

static void
look_at_caches(struct machine *m)
{
	char level[8], size[24], type[16];
	uint64_t bytes;
	size_t used = 0;
	int i;

	for (i = 0; i < 8; i++) {
		if (cache_field(i, "level", level, sizeof(level)) != 0 ||
				cache_field(i, "size", size,
					sizeof(size)) != 0 ||
				cache_field(i, "type", type,
					sizeof(type)) != 0)
			break;
		if (strcmp(type, "Instruction") == 0)
			continue;
		bytes = strtoull(size, NULL, 10) << 10;
		if (bytes > m->last_cache)
			m->last_cache = bytes;
		used += snprintf(m->caches + used, sizeof(m->caches) - used,
			"%sL%s %s", used > 0 ? ", " : "", level, size);
		if (used >= sizeof(m->caches))
			break;
	}
	if (used == 0)
		strcpy(m->caches, "caches unknown");
}

/* Field 8 of the first line is what the hypervisor took. */
static void
cpu_ticks(uint64_t *all, uint64_t *stolen)
{
	char text[256], *at = text;
	uint64_t n;
	int i;

	*all = 0;
	*stolen = 0;
	if (find_line("/proc/stat", "cpu ", text, sizeof(text)) != 0)
		return;
	for (i = 0; i < 8; i++) {
		n = strtoull(at, &at, 10);
		*all += n;
		if (i == 7)
			*stolen = n;
	}
}

void
machine_look(struct machine *m)
{
	struct utsname uts;

	memset(m, 0, sizeof(*m));
	if (find_line("/proc/cpuinfo", "model name", m->cpu,
			sizeof(m->cpu)) != 0)
		strcpy(m->cpu, "CPU unknown");
	look_at_caches(m);
	if (uname(&uts) == 0)
		snprintf(m->kernel, sizeof(m->kernel), "%s %s", uts.sysname,
			uts.release);
	m->cpus = (unsigned int)sysconf(_SC_NPROCESSORS_ONLN);
	m->huge_total = meminfo("HugePages_Total:");
	m->huge_free = meminfo("HugePages_Free:");
	m->huge_kib = meminfo("Hugepagesize:");
	cpu_ticks(&m->ticks, &m->stolen);
}

double
machine_steal(const struct machine *m)
{
	uint64_t all, stolen;

	cpu_ticks(&all, &stolen);
	if (all <= m->ticks)
		return 0;
	return (double)(stolen - m->stolen) / (double)(all - m->ticks);
}
