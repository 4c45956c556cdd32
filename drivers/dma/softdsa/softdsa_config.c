/* SPDX-License-Identifier: BSD-3-Clause */

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "softdsa_config.h"
#include "softdsa_spec.h"

/* State of one softdsa_config_parse(). */
struct parse {
	struct softdsa_config config;
	/* Faults that follow in the text are for the work queues from "from" to
	 * "to", "to" not included. */
	unsigned int from, to;
	char *error;
};

#define AT(field) offsetof(struct softdsa_config, field)

/* Keys whose value is a number. */
static const struct number {
	const char *key;
	size_t at;
	uint64_t min, max;
	/* The key may be set while the device exists. */
	bool running;
} numbers[] = {
	{ "wqs", AT(wqs), 1, SOFTDSA_MAX_WQS, false },
	{ "size", AT(size), 1, SOFTDSA_MAX_SIZE, false },
	{ "max_batch", AT(max_batch), SOFTDSA_BATCH_MIN, SOFTDSA_MAX_BATCH,
		false },
	{ "max_transfer", AT(max_transfer), 64, UINT64_C(1) << 31, false },
	{ "threads", AT(threads), 1, SOFTDSA_MAX_THREADS, false },
	{ "share", AT(share), 0, 1, false },
	{ "desc_ns", AT(timing.desc_ns), 0, 1000000000, true },
};

/* Keys of the form N, N+, N:argument and N+:argument. */
static const struct wrong {
	const char *key;
	enum softdsa_fault_kind kind;
	/* Largest argument; 0: there is none. */
	uint64_t max;
	const char *form;
} wrongs[] = {
	{ "fail", SOFTDSA_FAULT_FAIL, 0xff,
		"N[+][:STATUS], STATUS 2 to 0xff" },
	{ "fault", SOFTDSA_FAULT_PAGE, UINT64_C(1) << 31, "N[+][:BYTES]" },
	{ "hang", SOFTDSA_FAULT_HANG, 86400000, "N[+][:MILLISECONDS]" },
	{ "corrupt", SOFTDSA_FAULT_CORRUPT, 0, "N[+]" },
};

#define KEYS "wqs, size, max_batch, max_transfer, threads, share, cpus, " \
	"node, t0_ns, gbps, desc_ns, preset, wq, fail, fault, hang, corrupt, " \
	"reorder, full, faults"

void
softdsa_config_default(struct softdsa_config *config)
{
	*config = (struct softdsa_config) {
		.wqs = 1,
		/* The limits of Sapphire Rapids: 128 places for all queues of a
		 * device, batches of 1024, transfers of 2 GiB. */
		.size = 128,
		.max_batch = 1024,
		.max_transfer = UINT64_C(1) << 31,
		.threads = 1,
	};
}

static int
bad(struct parse *p, const char *key, const char *value, const char *wanted)
{
	snprintf(p->error, SOFTDSA_ERROR_LEN, "%.20s=%.40s: must be %s", key,
		value, wanted);
	return -1;
}

/* Read a number without sign, decimal or with 0x. *end: the text behind it. */
static bool
number(const char *text, uint64_t *value, const char **end)
{
	char *stop;

	if (!isdigit((unsigned char)text[0]))
		return false;
	errno = 0;
	*value = strtoull(text, &stop, 0);
	*end = stop;
	return errno == 0;
}

static bool
whole_number(const char *text, uint64_t min, uint64_t max, uint64_t *value)
{
	const char *end;

	return number(text, value, &end) && *end == '\0' && *value >= min &&
		*value <= max;
}

static int
set_number(struct parse *p, const struct number *n, const char *value)
{
	char wanted[64];
	uint64_t v;

	if (!whole_number(value, n->min, n->max, &v)) {
		snprintf(wanted, sizeof(wanted), "%" PRIu64 " to %" PRIu64,
			n->min, n->max);
		return bad(p, n->key, value, wanted);
	}
	memcpy((char *)&p->config + n->at, &v, sizeof(v));
	return 0;
}

/* CPUs are separated by "+", as in "0-3+8", because commas separate keys. */
static int
set_cpus(struct parse *p, const char *value)
{
	const char *wanted = "CPUs such as 2 or 0-3+8, at most 64";
	const char *text = value;
	uint64_t first, last;

	p->config.n_cpus = 0;
	do {
		if (!number(text, &first, &text))
			return bad(p, "cpus", value, wanted);
		last = first;
		if (*text == '-' && !number(text + 1, &last, &text))
			return bad(p, "cpus", value, wanted);
		for (; first <= last; first++) {
			if (p->config.n_cpus == SOFTDSA_MAX_CPUS ||
					first > UINT16_MAX)
				return bad(p, "cpus", value, wanted);
			p->config.cpus[p->config.n_cpus++] = (uint16_t)first;
		}
	} while (*text++ == '+');
	return text[-1] == '\0' && p->config.n_cpus > 0 ? 0 :
		bad(p, "cpus", value, wanted);
}

static int
set_node(struct parse *p, const char *value)
{
	if (strcmp(value, "none") == 0) {
		p->config.node = 0;
		return 0;
	}
	if (!whole_number(value, 0, 1023, &p->config.node))
		return bad(p, "node", value, "none or 0 to 1023");
	p->config.node++;
	return 0;
}

static int
set_t0(struct parse *p, const char *value)
{
	struct softdsa_timing *t = &p->config.timing;
	const char *end;

	if (!number(value, &t->t0_ns, &end))
		return bad(p, "t0_ns", value, "NS or NS-AT-64B:NS-AT-1MIB");
	t->t0_max_ns = t->t0_ns;
	if (*end == ':' && !number(end + 1, &t->t0_max_ns, &end))
		end = ":";
	if (*end != '\0' || t->t0_max_ns < t->t0_ns ||
			t->t0_max_ns > UINT64_C(10000000000))
		return bad(p, "t0_ns", value,
			"NS or NS-AT-64B:NS-AT-1MIB, up to 10^10, ascending");
	return 0;
}

static int
set_gbps(struct parse *p, const char *value)
{
	char *end;
	double v = strtod(value, &end);

	if (!isdigit((unsigned char)value[0]) || *end != '\0' ||
			!(v == 0 || (v >= 0.001 && v <= 10000)))
		return bad(p, "gbps", value,
			"10^9 bytes a second, 0.001 to 10000, or 0: no limit");
	p->config.timing.mbps = (uint64_t)(v * 1000 + 0.5);
	return 0;
}

/* The presets are published measurements of the DSA of Sapphire Rapids with
 * cold data. */
static int
set_preset(struct parse *p, const char *value)
{
	if (strcmp(value, "none") == 0)
		p->config.timing = (struct softdsa_timing) { 0 };
	else if (strcmp(value, "spr") == 0)
		p->config.timing = (struct softdsa_timing) {
			.t0_ns = 700,
			.t0_max_ns = 1700,
			.mbps = 31000,
		};
	else
		return bad(p, "preset", value, "spr or none");
	return 0;
}

static int
set_wq(struct parse *p, const char *value)
{
	uint64_t wq;

	p->from = 0;
	p->to = SOFTDSA_MAX_WQS;
	if (strcmp(value, "all") == 0)
		return 0;
	if (!whole_number(value, 0, SOFTDSA_MAX_WQS - 1, &wq))
		return bad(p, "wq", value, "all or 0 to 7");
	p->from = (unsigned int)wq;
	p->to = (unsigned int)wq + 1;
	return 0;
}

static int
set_fault(struct parse *p, const struct wrong *w, const char *value)
{
	struct softdsa_fault fault = { 0 };
	const char *end;
	unsigned int i;

	if (!number(value, &fault.n, &end))
		return bad(p, w->key, value, w->form);
	if (*end == '+') {
		fault.every = true;
		end++;
	}
	if (*end == ':' && w->max > 0) {
		fault.has_arg = true;
		if (!number(end + 1, &fault.arg, &end) || fault.arg > w->max)
			return bad(p, w->key, value, w->form);
	}
	if (*end != '\0' || (w->kind == SOFTDSA_FAULT_FAIL && fault.has_arg &&
			fault.arg < 2))
		return bad(p, w->key, value, w->form);
	for (i = p->from; i < p->to; i++) {
		struct softdsa_fault *f = &p->config.wrong[i].fault[w->kind];

		fault.set = f->set + 1;
		*f = fault;
	}
	return 0;
}

static int
set_wrong_number(struct parse *p, const char *key, const char *value,
		size_t at, uint32_t max)
{
	char wanted[32];
	uint32_t v32;
	unsigned int i;
	uint64_t v;

	snprintf(wanted, sizeof(wanted), "0 to %" PRIu32, max);
	if (!whole_number(value, 0, max, &v))
		return bad(p, key, value, wanted);
	v32 = (uint32_t)v;
	for (i = p->from; i < p->to; i++)
		memcpy((char *)&p->config.wrong[i] + at, &v32, sizeof(v32));
	return 0;
}

static int
set_faults_off(struct parse *p, const char *value)
{
	unsigned int i, k;

	if (strcmp(value, "off") != 0)
		return bad(p, "faults", value, "off");
	for (i = p->from; i < p->to; i++) {
		struct softdsa_wrong *w = &p->config.wrong[i];

		for (k = 0; k < SOFTDSA_FAULT_KINDS; k++)
			w->fault[k] = (struct softdsa_fault) {
				.set = w->fault[k].set + 1,
			};
		w->reorder = 0;
		w->full = 0;
	}
	return 0;
}

static int
set(struct parse *p, const char *key, const char *value, bool running)
{
	bool fixed = false;
	unsigned int i;

	for (i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		if (strcmp(key, numbers[i].key) != 0)
			continue;
		if (numbers[i].running || !running)
			return set_number(p, &numbers[i], value);
		fixed = true;
	}
	for (i = 0; i < sizeof(wrongs) / sizeof(wrongs[0]); i++)
		if (strcmp(key, wrongs[i].key) == 0)
			return set_fault(p, &wrongs[i], value);
	if (strcmp(key, "cpus") == 0 || strcmp(key, "node") == 0) {
		if (!running)
			return key[0] == 'c' ? set_cpus(p, value) :
				set_node(p, value);
		fixed = true;
	}
	if (fixed) {
		snprintf(p->error, SOFTDSA_ERROR_LEN, "%s: must be said when "
			"the device is made, in FERRY_SOFTDSA", key);
		return -1;
	}
	if (strcmp(key, "t0_ns") == 0)
		return set_t0(p, value);
	if (strcmp(key, "gbps") == 0)
		return set_gbps(p, value);
	if (strcmp(key, "preset") == 0)
		return set_preset(p, value);
	if (strcmp(key, "wq") == 0)
		return set_wq(p, value);
	if (strcmp(key, "reorder") == 0)
		return set_wrong_number(p, key, value,
			offsetof(struct softdsa_wrong, reorder),
			SOFTDSA_MAX_REORDER);
	if (strcmp(key, "full") == 0)
		return set_wrong_number(p, key, value,
			offsetof(struct softdsa_wrong, full),
			SOFTDSA_MAX_SIZE);
	if (strcmp(key, "faults") == 0)
		return set_faults_off(p, value);
	snprintf(p->error, SOFTDSA_ERROR_LEN, "%.20s: no such key, must be "
		"one of %s", key, KEYS);
	return -1;
}

int
softdsa_config_parse(struct softdsa_config *config, const char *text,
		bool running, char error[SOFTDSA_ERROR_LEN])
{
	struct parse p = {
		.config = *config,
		.to = SOFTDSA_MAX_WQS,
		.error = error,
	};
	char item[80];
	size_t len;
	char *value;

	for (;; text += len + 1) {
		len = strcspn(text, ",");
		if (len > 0) {
			if (snprintf(item, sizeof(item), "%.*s", (int)len,
					text) >= (int)sizeof(item)) {
				snprintf(error, SOFTDSA_ERROR_LEN,
					"%.20s...: too long", item);
				return -1;
			}
			value = strchr(item, '=');
			if (value == NULL) {
				snprintf(error, SOFTDSA_ERROR_LEN,
					"%.40s: must be key=value", item);
				return -1;
			}
			*value++ = '\0';
			if (set(&p, item, value, running) != 0)
				return -1;
		}
		if (text[len] == '\0')
			break;
	}
	if (p.config.threads > p.config.wqs && !p.config.share) {
		snprintf(error, SOFTDSA_ERROR_LEN, "threads=%" PRIu64 ": must "
			"be 1 to wqs, or share=1", p.config.threads);
		return -1;
	}
	*config = p.config;
	return 0;
}
