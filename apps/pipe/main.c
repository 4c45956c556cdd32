/* SPDX-License-Identifier: BSD-3-Clause */

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "app_args.h"
#include "app_eal.h"
#include "ferry_engine.h"
#include "pipe.h"

volatile sig_atomic_t pipe_stop;

static const char usage[] =
	"ferry-pipe hub [EAL options] -- [--memory MIB] [--channels N] ...\n"
	"ferry-pipe send NAME < FILE      (the channel NAME; any byte stream)\n"
	"ferry-pipe recv NAME > FILE\n"
	"\n"
	"Runs one hub and moves byte streams through it, between any number\n"
	"of pairs of processes. The hub is started first and ended by Ctrl-C.\n"
	"With EAL options: ferry-pipe send [EAL options] -- NAME [options].\n"
	"\n"
	"  --hub NAME        name of the hub (ferry)\n"
	"  --memory MIB      hub: hugepage memory in all (256)\n"
	"  --channels N      hub: most channels at once (1024)\n"
	"  --engines N       hub: threads that copy what users post (0)\n"
	"  --dma NAME,...    hub: DMA devices for the engines, '*' for all\n"
	"  --calibration FILE hub: keep what is measured of engines' lanes\n"
	"  --slot-size BYTES send, recv: largest message (128k)\n"
	"  --slots N         send, recv: messages under way (16)\n"
	"  --wait POLICY     send, recv: spin, power, yield, nap, sleep (the\n"
	"                    default)\n"
	"  --copy            send: in blocks that are copied to memory of the\n"
	"                    receiver, instead of in slots that it reads\n"
	"  --block BYTES     send: the same, in blocks of so many bytes (4M)\n"
	"  --quiet           nothing on stderr but errors\n"
	"  --help\n"
	"\n"
	"EAL options of interest: --file-prefix (hub and users must agree;\n"
	"ferry) and --lcores (engines run on the worker lcores; by default\n"
	"all threads float over all CPUs).\n";

enum {
	OPT_HUB = 256, OPT_MEMORY, OPT_CHANNELS, OPT_ENGINES, OPT_DMA,
	OPT_CALIBRATION, OPT_SLOT_SIZE, OPT_SLOTS, OPT_WAIT, OPT_COPY,
	OPT_BLOCK, OPT_QUIET, OPT_HELP,
};

static const struct option long_options[] = {
	{ "hub", required_argument, NULL, OPT_HUB },
	{ "memory", required_argument, NULL, OPT_MEMORY },
	{ "channels", required_argument, NULL, OPT_CHANNELS },
	{ "engines", required_argument, NULL, OPT_ENGINES },
	{ "dma", required_argument, NULL, OPT_DMA },
	{ "calibration", required_argument, NULL, OPT_CALIBRATION },
	{ "slot-size", required_argument, NULL, OPT_SLOT_SIZE },
	{ "slots", required_argument, NULL, OPT_SLOTS },
	{ "wait", required_argument, NULL, OPT_WAIT },
	{ "copy", no_argument, NULL, OPT_COPY },
	{ "block", required_argument, NULL, OPT_BLOCK },
	{ "quiet", no_argument, NULL, OPT_QUIET },
	{ "help", no_argument, NULL, OPT_HELP },
	{ 0 }
};

/* Our own options: 0, 1 for --help, or negative after a message. */
static int
parse_options(struct pipe_options *o, int argc, char **argv, bool hub)
{
	uint64_t n = 0;
	int opt, ret = 0;

	optind = 0;
	opterr = 0;
	while (ret == 0 && (opt = getopt_long(argc, argv, "+:", long_options,
			NULL)) != -1) {
		switch (opt) {
		case OPT_HUB:
			o->hub = optarg;
			break;
		case OPT_MEMORY:
			ret = app_args_number("memory", optarg, 2, 1 << 24, &n);
			o->memory = n << 20;
			break;
		case OPT_CHANNELS:
			ret = app_args_number("channels", optarg, 1, 1 << 16,
					&n);
			o->max_channels = n;
			break;
		case OPT_ENGINES:
			ret = app_args_number("engines", optarg, 0,
					FERRY_ENGINES_MAX, &n);
			o->engines = n;
			break;
		case OPT_CALIBRATION:
			o->calibration = optarg;
			break;
		case OPT_DMA:
			o->dma = optarg;
			break;
		case OPT_SLOT_SIZE:
			ret = app_args_size("slot-size", optarg, 64,
					FERRY_SLOT_SIZE_MAX, &n);
			o->config.slot_size = n;
			break;
		case OPT_SLOTS:
			ret = app_args_number("slots", optarg, FERRY_SLOTS_MIN,
					FERRY_SLOTS_MAX, &n);
			o->config.n_slots = n;
			break;
		case OPT_WAIT:
			if (ferry_wait_policy_parse(optarg, &o->wait) != 0) {
				app_error("--wait must be spin, power, yield, "
					"sleep or nap, not '%s'", optarg);
				ret = -EINVAL;
			}
			break;
		case OPT_COPY:
			o->copy = true;
			break;
		case OPT_BLOCK:
			ret = app_args_size("block", optarg, PIPE_BLOCK_MIN,
					PIPE_BLOCK_MAX, &o->block);
			o->copy = true;
			break;
		case OPT_QUIET:
			o->quiet = true;
			break;
		case OPT_HELP:
			fputs(usage, stdout);
			return 1;
		default:
			return app_args_bad_option(opt, argv, hub ?
				": see ferry-pipe --help" :
				" (EAL options stand before --): see "
				"ferry-pipe --help");
		}
	}
	return ret;
}

/* Name, then options, then name again if it was not there: any order. */
static int
parse_args(struct pipe_options *o, int argc, char **argv, bool hub)
{
	int ret;

	for (;;) {
		ret = parse_options(o, argc, argv, hub);
		if (ret != 0 || optind >= argc)
			break;
		if (hub || o->channel != NULL) {
			app_error("'%s' is one argument too many: see "
				"ferry-pipe --help", argv[optind]);
			return -EINVAL;
		}
		o->channel = argv[optind];
		/* getopt wants a program name in front. */
		argc -= optind;
		argv += optind;
	}
	if (ret == 0 && !hub && o->channel == NULL) {
		app_error("which channel? ferry-pipe send NAME, ferry-pipe "
			"recv NAME");
		return -EINVAL;
	}
	if (ret == 0 && !hub && ferry_name_check(o->channel) != 0) {
		app_error("channel name '%s' is not possible: use up to %d "
			"letters, digits and . _ : -", o->channel,
			FERRY_NAME_MAX - 1);
		return -EINVAL;
	}
	/* Devices are of no use without an engine that drives them. */
	if (o->dma != NULL && o->engines == 0)
		o->engines = 1;
	if (ret == 0 && ferry_name_check(o->hub) != 0) {
		app_error("hub name '%s' is not possible: use up to %d "
			"letters, digits and . _ : -", o->hub,
			FERRY_NAME_MAX - 1);
		return -EINVAL;
	}
	return ret;
}

int
pipe_attach(struct ferry_endpoint **ep, const struct pipe_options *o)
{
	int ret = ferry_attach(ep, o->hub, "ferry-pipe");

	if (ret == -ENOENT)
		app_error("the DPDK primary there has no hub '%s': start "
			"'ferry-pipe hub', or name the right one with --hub",
			o->hub);
	else if (ret == FERRY_E_HUB_GONE)
		app_error("the hub is gone: start hub '%s' again", o->hub);
	else if (ret == -ETIMEDOUT)
		app_error("hub '%s' does not answer: its process is stopped or "
			"gets no CPU", o->hub);
	else if (ret == -EACCES)
		app_error("hub '%s' is another user's: run as that user, or as "
			"root", o->hub);
	else if (ret == FERRY_E_VERSION)
		app_error("hub '%s' is of another build of ferry: use the same"
			" one on both sides", o->hub);
	else if (ret == -EUSERS)
		app_error("the hub has all its endpoints in use: start it with "
			"more --channels");
	else if (ret == -EMFILE)
		app_error("no file descriptor is left, here or in the hub: "
			"raise the limit (ulimit -n, LimitNOFILE=)");
	else if (ret != 0)
		app_error("cannot attach to hub '%s': %s", o->hub,
			ferry_strerror(ret));
	return ret;
}

void
pipe_open_error(const struct pipe_options *o, int ret)
{
	if (ret == -EEXIST)
		app_error("channel '%s' has one already at this end: choose "
			"another name", o->channel);
	else if (ret == -EMSGSIZE)
		app_error("channel '%s' exists with another --slot-size or "
			"--slots: use the same at both ends", o->channel);
	else if (ret == FERRY_E_NO_ROOM)
		app_error("channel '%s' needs %" PRIu64 " KiB, more than the "
			"hub has left: fewer --slots here, or more --memory "
			"there", o->channel,
			ferry_channel_memory(&o->config) >> 10);
	else if (ret == -ENFILE)
		app_error("the hub has all its channels in use: start it with "
			"more --channels");
	else
		app_error("cannot open channel '%s': %s", o->channel,
			ferry_strerror(ret));
}

/*
 * Let no file of ours become a standard one: those that are closed get
 * /dev/null, opened such that what they are for still fails.
 */
static void
fill_standard_files(void)
{
	int fd;

	for (fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
		if (fcntl(fd, F_GETFD) < 0)
			/* The lowest number that is free is this one. */
			(void)!open("/dev/null", fd == STDIN_FILENO ?
				O_WRONLY : O_RDONLY);
}

/* Whether the bytes can come in, or go out. */
static bool
stream_is_open(const char *command)
{
	const bool in = strcmp(command, "send") == 0;
	const int mode = fcntl(in ? STDIN_FILENO : STDOUT_FILENO, F_GETFL) &
		O_ACCMODE;

	if (mode != (in ? O_WRONLY : O_RDONLY))
		return true;
	app_error("standard %s is closed, or not open for %s",
		in ? "input" : "output", in ? "reading" : "writing");
	return false;
}

static int
run(const char *command, const struct pipe_options *o)
{
	if (strcmp(command, "hub") == 0)
		return pipe_hub(o);
	if (strcmp(command, "send") == 0)
		return pipe_send(o);
	return pipe_recv(o);
}

int
main(int argc, char **argv)
{
	struct pipe_options o = {
		.hub = FERRY_HUB_NAME,
		.config = { PIPE_SLOT_SIZE, PIPE_SLOTS },
		.memory = FERRY_HUB_MEMORY,
		.max_channels = FERRY_HUB_CHANNELS,
		.wait = FERRY_WAIT_SLEEP,
		.block = PIPE_BLOCK,
	};
	struct ferry_eal_args eal;
	enum ferry_eal_role role;
	const char *command;
	struct app_args args;
	bool hub;
	int ret;

	fill_standard_files();
	if (argc < 2 || strcmp(argv[1], "--help") == 0 ||
			strcmp(argv[1], "-h") == 0) {
		fputs(usage, argc < 2 ? stderr : stdout);
		return argc < 2 ? 2 : 0;
	}
	command = argv[1];
	hub = strcmp(command, "hub") == 0;
	if (!hub && strcmp(command, "send") != 0 &&
			strcmp(command, "recv") != 0) {
		app_error("unknown command '%s': hub, send or recv", command);
		return 2;
	}
	/* ferry-pipe COMMAND: from here on argv[0] is the program again. */
	argv[1] = argv[0];
	argv++;
	argc--;

	/* Without "--", a hub's options are all EAL's, a user's all ours. */
	app_args_split(&args, argc, argv, hub);
	ret = parse_args(&o, args.argc, args.argv, hub);
	if (ret != 0)
		return ret > 0 ? 0 : 2;
	if (!hub && !stream_is_open(command))
		return 2;

	app_catch_signals(&pipe_stop);
	role = hub ? FERRY_EAL_HUB : FERRY_EAL_SECONDARY;
	if (app_eal_start(&eal, role, args.eal_argc, args.eal_argv) != 0)
		return 1;
	ret = run(command, &o);
	ferry_eal_cleanup(&eal, role);
	return ret;
}
