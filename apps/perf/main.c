/* SPDX-License-Identifier: BSD-3-Clause */

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include <rte_cycles.h>
#include <rte_lcore.h>

#include "app_args.h"
#include "app_eal.h"
#include "follower.h"
#include "scenario.h"

#define HUB_NAME "perf"
#define MIB (UINT64_C(1) << 20)
/* The smallest cold pool that may be asked for; all of it in a smoke run. */
#define POOL_MIN (16 * MIB)
/* Time to measure lanes in, in a smoke run. */
#define SMOKE_CALIB_NS 20000000

static const char usage[] =
	"ferry-perf [options]\n"
	"ferry-perf [EAL options] -- [options]\n"
	"\n"
	"Measures ferry's latency, message rate and throughput between two\n"
	"cores, each beside the bound of this machine. Needs two CPUs and\n"
	"hugepages.\n"
	"\n"
	"  --quick           the essential scenarios, in two to three minutes\n"
	"  --only GLOB,...   these scenarios; see --list\n"
	"  --list            list the scenarios and end\n"
	"  --lanes SET,...   what engines copy with: cpu, skeleton, softdsa,\n"
	"                    hybrid; by default all that there are\n"
	"  --csv FILE        write CSV to FILE, too; '-': to stdout, no table\n"
	"  --processes       the receiver is a process, not a thread\n"
	"  --pool MIB        size of the cold pool (1024; --quick 512), and\n"
	"                    of each of the two rings of bulk messages\n"
	"  --runs N          pairs of slices, bound and ferry (7)\n"
	"  --time MS         length of a slice (30)\n"
	"  --check           check all content in timed slices, too\n"
	"  --smoke           everything for a moment: no useful numbers\n"
	"  --help\n"
	"\n"
	"EAL options of interest: --lcores (by default a CPU each for sender,\n"
	"receiver, engine and soft devices, as far as there are so many) and\n"
	"--file-prefix. The soft DSA takes its options from FERRY_SOFTDSA.\n";

enum {
	OPT_CSV = 256, OPT_ONLY, OPT_RUNS, OPT_TIME, OPT_POOL, OPT_LIST,
	OPT_QUICK, OPT_SMOKE, OPT_CHECK, OPT_PROCESSES, OPT_FOLLOW,
	OPT_LANES, OPT_HELP,
};

static const struct option long_options[] = {
	{ "csv", required_argument, NULL, OPT_CSV },
	{ "only", required_argument, NULL, OPT_ONLY },
	{ "runs", required_argument, NULL, OPT_RUNS },
	{ "time", required_argument, NULL, OPT_TIME },
	{ "pool", required_argument, NULL, OPT_POOL },
	{ "lanes", required_argument, NULL, OPT_LANES },
	{ "list", no_argument, NULL, OPT_LIST },
	{ "quick", no_argument, NULL, OPT_QUICK },
	{ "smoke", no_argument, NULL, OPT_SMOKE },
	{ "check", no_argument, NULL, OPT_CHECK },
	{ "processes", no_argument, NULL, OPT_PROCESSES },
	/* For the receiver's process: the hub's name. */
	{ "follow", required_argument, NULL, OPT_FOLLOW },
	{ "help", no_argument, NULL, OPT_HELP },
	{ 0 }
};

/* Our own options: 0, 1 for --help, or negative after a message. */
static int
parse_options(struct perf_options *o, int argc, char **argv)
{
	uint64_t runs = 0, slice = 0, pool = 0;
	int opt, ret = 0;

	optind = 0;
	opterr = 0;
	while (ret == 0 && (opt = getopt_long(argc, argv, "+:", long_options,
			NULL)) != -1) {
		switch (opt) {
		case OPT_CSV:
			o->csv = optarg;
			break;
		case OPT_ONLY:
			o->only = optarg;
			break;
		case OPT_RUNS:
			ret = app_args_number("runs", optarg, 1, 101, &runs);
			break;
		case OPT_TIME:
			ret = app_args_number("time", optarg, 1, 10000, &slice);
			break;
		case OPT_POOL:
			ret = app_args_number("pool", optarg, POOL_MIN / MIB,
					1 << 20, &pool);
			break;
		case OPT_LIST:
			o->list = true;
			break;
		case OPT_QUICK:
			o->quick = true;
			break;
		case OPT_SMOKE:
			o->smoke = true;
			break;
		case OPT_CHECK:
			o->check = true;
			break;
		case OPT_PROCESSES:
			o->processes = true;
			break;
		case OPT_LANES:
			o->sets = lanes_parse(optarg);
			if (o->sets == 0) {
				app_error("--lanes '%s': not a list of cpu, "
					"skeleton, softdsa and hybrid", optarg);
				ret = -EINVAL;
			}
			break;
		case OPT_FOLLOW:
			o->follow = optarg;
			break;
		case OPT_HELP:
			fputs(usage, stdout);
			return 1;
		default:
			return app_args_bad_option(opt, argv, ": see "
				"ferry-perf --help (EAL options stand before "
				"--)");
		}
	}
	if (ret == 0 && optind < argc) {
		app_error("'%s' is one argument too many: see ferry-perf "
			"--help", argv[optind]);
		ret = -EINVAL;
	}
	if (o->sets == 0)
		o->sets = lanes_parse("cpu,skeleton,softdsa,hybrid");
	o->bare = o->sets;
	o->runs = runs != 0 ? runs : o->smoke ? 2 : 7;
	o->slice_ms = slice != 0 ? slice : o->smoke ? 1 : 30;
	/* Buffers are used in turn by masking: powers of two. */
	o->pool = pool != 0 ? rte_align64prevpow2(pool * MIB) :
		o->smoke ? POOL_MIN : o->quick ? 512 * MIB : 1024 * MIB;
	o->ring = o->pool;
	o->most = UINT64_MAX;
	return ret;
}

/* Make a hub with room for the largest scenario, shrinking the pool to fit. */
static int
hub_make(struct perf *p, struct ferry_hub **hub)
{
	struct ferry_hub_config config = {
		.name = HUB_NAME,
		.socket = SOCKET_ID_ANY,
		.max_endpoints = 8,
		.max_channels = 8,
	};
	const uint64_t wanted = p->o.pool, ring = p->o.ring;
	int ret;

	for (;;) {
		config.memory = scenario_memory(&p->o);
		ret = ferry_hub_create(hub, &config);
		if (ret != -ENOMEM || !scenario_shrink(&p->o))
			break;
	}
	p->o.reserve = scenario_reserve(&p->o);
	if (ret == -ENOMEM)
		app_error("not enough free hugepages: %" PRIu64 " MiB are "
			"needed. As root: echo 512 > /proc/sys/vm/nr_hugepages",
			config.memory / MIB);
	else if (ret != 0)
		app_error("cannot create the hub: %s", ferry_strerror(ret));
	else if (p->o.pool < wanted)
		app_error("few free hugepages: the cold pool is cut to %" PRIu64
			" MiB", p->o.pool / MIB);
	else if (p->o.ring < ring)
		app_error("few free hugepages: the two rings of bulk messages "
			"are cut to %" PRIu64 " MiB each", p->o.ring / MIB);
	return ret;
}

static void
progress(struct perf *p, const char *name)
{
	if (isatty(STDERR_FILENO) && name != NULL)
		fprintf(stderr, "\r[%u/%u] %-*s\r", ++p->at, p->total,
			p->name_width, name);
	else if (isatty(STDERR_FILENO))
		fprintf(stderr, "\r%-*s\r", p->name_width + 16, "");
}

/* No scenario is left, and why. */
static int
say_nothing_to_do(const struct perf *p)
{
	const char *why = lanes_why(&p->lanes);
	const char *only = p->o.only != NULL ? p->o.only : "";
	char left_out[1024];

	if (scenario_left_out(&p->o, left_out, sizeof(left_out)))
		app_error("%s", left_out);
	else if (why != NULL)
		app_error("cannot measure '%s': %s", only, why);
	else
		app_error("no scenario matches '%s': see ferry-perf --list",
			only);
	return -EINVAL;
}

static int
run_all(struct perf *p)
{
	const struct scenario *sc;
	uint32_t at = 0;
	int ret = 0;

	while (scenario_next(&p->o, &at) != NULL)
		p->total++;
	if (p->total == 0)
		return say_nothing_to_do(p);
	p->name_width = scenario_width(&p->o);
	report_begin(p);
	at = 0;
	while (ret == 0 && (sc = scenario_next(&p->o, &at)) != NULL) {
		progress(p, sc->name);
		ret = scenario_run(p, sc);
		if (ret != 0 && perf_stop)
			app_error("interrupted");
		else if (ret != 0)
			app_error("%s: %s", sc->name, ferry_strerror(ret));
	}
	progress(p, NULL);
	if (ret == 0 && p->is_open)
		ret = side_close(&p->side);
	if (ret == 0)
		report_end(p);
	return ret;
}

/* With EAL running: hub, follower, all scenarios. */
static int
lead(struct perf *p, const struct ferry_eal_args *eal)
{
	struct follower *follower = NULL;
	struct ferry_hub *hub = NULL;
	int ret, left;

	p->tsc_ghz = (double)rte_get_tsc_hz() / 1e9;
	ret = hub_make(p, &hub);
	if (ret != 0)
		return ret;
	ret = lanes_begin(&p->lanes, hub, p->o.smoke ? SMOKE_CALIB_NS :
			FERRY_CALIB_BUDGET_NS);
	if (ret != 0) {
		app_error("cannot make an engine: %s", ferry_strerror(ret));
		ferry_hub_destroy(hub);
		return ret;
	}
	p->o.sets &= p->lanes.sets;
	p->o.bare &= p->lanes.bare;
	ret = follower_start(&follower, HUB_NAME, eal, p->o.processes);
	if (ret == 0) {
		ret = side_start(&p->side, HUB_NAME, true);
		if (ret == 0)
			ret = run_all(p);
		/* The follower must have ended before side_end() frees the area
		 * of the bounds, because it uses that memory of the hub. */
		side_quit(&p->side);
		left = follower_end(follower);
		side_end(&p->side);
		if (ret == 0)
			ret = left;
	}
	lanes_end(&p->lanes);
	left = ferry_hub_destroy(hub);
	return ret != 0 ? ret : left;
}

static int
open_outputs(struct perf *p)
{
	p->table = stdout;
	if (p->o.csv == NULL)
		return 0;
	if (strcmp(p->o.csv, "-") == 0) {
		p->csv = stdout;
		p->table = NULL;
		return 0;
	}
	p->csv = fopen(p->o.csv, "w");
	if (p->csv == NULL) {
		app_error("cannot write %s: %s", p->o.csv, strerror(errno));
		return -errno;
	}
	return 0;
}

/* A full disk must not pass for success. */
static int
close_output(FILE *f)
{
	int failed = ferror(f);

	if (fflush(f) != 0 || (f != stdout && fclose(f) != 0) || failed) {
		app_error("cannot write the results: %s", strerror(errno));
		return -EIO;
	}
	return 0;
}

/*
 * Find which lane sets the scenarios need, and which of these can be had. The
 * program makes no devices for the others.
 */
static void
want_lanes(struct perf *p, int *argc, char **args, char *text, size_t len)
{
	const struct scenario *sc;
	uint32_t at = 0, sets = 0;

	while ((sc = scenario_next(&p->o, &at)) != NULL)
		if (sc->set != LANES_NONE)
			sets |= 1u << sc->set;
	lanes_prepare(&p->lanes, sets, &p->places, argc, args, text, len);
	p->o.sets = p->lanes.sets;
	p->o.bare = p->lanes.bare & p->lanes.sets;
}

static int
lead_process(struct perf *p, int argc, char **argv)
{
	struct ferry_eal_args eal;
	char *args[FERRY_EAL_ARGS_MAX];
	char text[128], lanes_text[1024 + PATH_MAX];
	uint32_t at = 0;
	int ret;

	ret = follower_eal_args(&p->places, &argc, args, argv, text,
			sizeof(text));
	if (ret != 0)
		return ret;
	want_lanes(p, &argc, args, lanes_text, sizeof(lanes_text));
	if (p->o.list) {
		scenario_list(&p->o, stdout);
		return 0;
	}
	if (scenario_next(&p->o, &at) == NULL)
		return say_nothing_to_do(p);
	ret = open_outputs(p);
	if (ret != 0)
		return ret;
	machine_look(&p->machine);
	app_catch_signals(&perf_stop);
	ret = app_eal_start(&eal, FERRY_EAL_HUB, argc, args);
	if (ret == 0) {
		ret = lead(p, &eal);
		ferry_eal_cleanup(&eal, FERRY_EAL_HUB);
	}
	if (p->csv != NULL && close_output(p->csv) != 0 && ret == 0)
		ret = -EIO;
	if (p->table != NULL && close_output(p->table) != 0 && ret == 0)
		ret = -EIO;
	return ret;
}

int
main(int argc, char **argv)
{
	struct perf p = { 0 };
	struct app_args args;
	int ret;

	app_args_split(&args, argc, argv, false);
	ret = parse_options(&p.o, args.argc, args.argv);
	if (ret != 0)
		return ret > 0 ? 0 : 2;
	if (p.o.follow != NULL)
		ret = follower_main(p.o.follow, args.eal_argc, args.eal_argv);
	else
		ret = lead_process(&p, args.eal_argc, args.eal_argv);
	return ret == 0 ? 0 : 1;
}
