/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * images: a batch of images as bulk messages.
 *
 * A bulk message is copied once, from the sender's buffer to the receiver's.
 * Both of them work at the copy. The receiver lends its buffers in advance, so
 * that a copy can begin before the receiver has seen the message. The receiver
 * reads the front of an image while the rest still arrives.
 *
 * Build and run:
 *
 *     cc -o images main.c $(pkg-config --cflags --libs libferry)
 *     ./images recv &
 *     ./images send
 */

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include <rte_errno.h>

#include <ferry_bulk.h>
#include <ferry_eal.h>
#include <ferry_endpoint.h>
#include <ferry_memory.h>

/* A grey image: a megapixel, each of one byte. */
#define WIDTH UINT64_C(1024)
#define HEIGHT UINT64_C(1024)
#define IMAGE_SIZE (WIDTH * HEIGHT)
/* Rows of an image that the receiver reads at a time. */
#define ROWS UINT64_C(64)
#define N_IMAGES 24
/* Images under way at once, at each end. */
#define N_BUFFERS 4
/* A wait ends after 100 ms, to see whether the user has pressed Ctrl-C. */
#define TICK_NS UINT64_C(100000000)

static const struct ferry_hub_config hub_config = {
	.memory = UINT64_C(32) << 20,
	.socket = -1, /* any NUMA node */
};
static volatile sig_atomic_t stop;

static void
on_signal(int sig)
{
	(void)sig;
	stop = 1;
}

/* Paint image number n: a diagonal ramp. Each image begins at another grey. */
static void
paint(uint8_t *pixel, unsigned int n)
{
	uint64_t x, y;

	for (y = 0; y < HEIGHT; y++)
		for (x = 0; x < WIDTH; x++)
			pixel[y * WIDTH + x] = (uint8_t)((x + y) / 32 + 5 * n);
}

/* Wait until a message has arrived. A thread that waits also helps to copy. */
static int
finish(struct ferry_bulk_out **out)
{
	int ret;

	if (*out == NULL)
		return 0;
	do {
		ret = ferry_bulk_wait(*out, TICK_NS);
	} while (ret == -ETIMEDOUT && !stop);
	/* Cancels the message if the user has pressed Ctrl-C. */
	ferry_bulk_close(*out);
	*out = NULL;
	return ret;
}

/* Paint images and send them, N_BUFFERS at a time. */
static int
send_images(struct ferry_endpoint *ep)
{
	struct ferry_bulk_out *out[N_BUFFERS] = { NULL };
	struct ferry_bulk_options options = { 0 };
	struct ferry_tx *tx;
	struct iovec image;
	uint8_t *mem;
	unsigned int n;
	int ret = ferry_tx_open(&tx, ep, "images", NULL);

	if (ret != 0)
		return ret;
	/* Any memory will do. But the sender, the receiver and an engine can
	 * all copy into and out of memory of ferry_alloc(). */
	mem = ferry_alloc(ep, N_BUFFERS * IMAGE_SIZE);
	if (mem == NULL)
		return -rte_errno;
	for (n = 0; n < N_IMAGES && !stop; n++) {
		/* The buffer is free again when its last image has arrived. */
		ret = finish(&out[n % N_BUFFERS]);
		if (ret != 0)
			return ret;
		image.iov_base = mem + n % N_BUFFERS * IMAGE_SIZE;
		image.iov_len = IMAGE_SIZE;
		paint(image.iov_base, n);
		options.tag = n;
		while ((ret = ferry_bulk_send(tx, &image, 1, &options,
				&out[n % N_BUFFERS])) == 0 && !stop) {
			ret = ferry_bulk_tx_wait(tx, TICK_NS);
			if (ret != 0 && ret != -ETIMEDOUT)
				return ret;
		}
		if (ret < 0)
			return ret;
	}
	for (ret = 0, n = 0; n < N_BUFFERS && ret == 0; n++)
		ret = finish(&out[n]);
	if (ret == 0)
		printf("sent %d images\n", N_IMAGES);
	return ret;
}

/* Read one image while it arrives, and print its mean. */
static int
read_image(struct ferry_bulk_in *in)
{
	const uint8_t *pixel = ferry_bulk_data(in);
	const uint64_t len = ferry_bulk_len(in);
	uint64_t i = 0, part, sum = 0;
	int ret;

	for (part = ROWS * WIDTH; i < len; part += ROWS * WIDTH) {
		do {
			ret = ferry_bulk_await(in, part, TICK_NS);
		} while (ret == -ETIMEDOUT && !stop);
		if (ret != 0)
			return ret; /* the part that was read is of no use */
		for (; i < part && i < len; i++)
			sum += pixel[i];
	}
	printf("image %2" PRIu32 ": mean %.2f\n", ferry_bulk_tag(in),
		(double)sum / (double)len);
	return 0;
}

/* Lend buffers, and read the images that arrive until the sender has ended. */
static int
receive_images(struct ferry_endpoint *ep)
{
	struct ferry_bulk_stats stats;
	struct ferry_bulk_in *in;
	struct ferry_msg msg;
	struct ferry_rx *rx;
	uint8_t *mem;
	int i, ret = ferry_rx_open(&rx, ep, "images", NULL);

	if (ret != 0)
		return ret;
	mem = ferry_alloc(ep, N_BUFFERS * IMAGE_SIZE);
	if (mem == NULL)
		return -rte_errno;
	for (i = 0; i < N_BUFFERS && ret == 0; i++)
		ret = ferry_bulk_lend(rx, mem + i * IMAGE_SIZE, IMAGE_SIZE);
	printf("ready for ./images send\n");
	while (!stop && (ret == 0 || ret == -ETIMEDOUT)) {
		ret = ferry_rx_recv(rx, &msg, 1);
		if (ret == 0)
			ret = ferry_rx_wait(rx, TICK_NS);
		if (ret != 1)
			continue;
		if (!ferry_msg_is_bulk(&msg))
			return -EBADMSG;
		/* NULL: the image goes into a buffer that was lent. */
		ret = ferry_bulk_accept(rx, &msg, NULL, 0, &in);
		if (ret != 0)
			return ret;
		ret = read_image(in);
		mem = ferry_bulk_data(in);
		if (ret == 0)
			ret = ferry_bulk_release(in, UINT64_MAX);
		if (ret == 0)
			ret = ferry_bulk_lend(rx, mem, IMAGE_SIZE);
	}
	ferry_bulk_rx_stats(rx, &stats);
	printf("received %" PRIu64 " images, %" PRIu64 " MiB; the receiver "
		"copied %.1f MiB of it\n", stats.msgs, stats.bytes >> 20,
		(double)stats.copied / (1 << 20));
	return ret;
}

/* Say in one line what is wrong, and what the user can do about it. */
static void
complain(int ret)
{
	if (stop)
		fprintf(stderr, "images: stopped before all had arrived: start "
			"both again\n");
	else if (ret == -ENOMEM)
		fprintf(stderr, "images: no memory: reserve hugepages: echo "
			"64 > /proc/sys/vm/nr_hugepages\n");
	else
		fprintf(stderr, "images: %s: end both, and start ./images recv "
			"first\n", ferry_strerror(ret));
}

int
main(int argc, char **argv)
{
	const int send = argc > 1 && strcmp(argv[1], "send") == 0;
	const enum ferry_eal_role role = send ? FERRY_EAL_SECONDARY :
		FERRY_EAL_HUB;
	struct ferry_endpoint *ep = NULL;
	struct ferry_hub *hub = NULL;
	struct ferry_eal_args eal;
	int ret = 0;

	if (!send && (argc < 2 || strcmp(argv[1], "recv") != 0)) {
		fprintf(stderr, "images: say what this process shall do: "
			"images recv|send [EAL options]\n");
		return 1;
	}
	/* argv[1] stands where EAL ignores the name of the program. */
	if (ferry_eal_args(&eal, role, argc - 1, argv + 1) != 0 ||
			ferry_eal_init(&eal, role) != 0) {
		fprintf(stderr, "images: %s\n", eal.error);
		return 1;
	}
	signal(SIGINT, on_signal);
	signal(SIGTERM, on_signal);
	setvbuf(stdout, NULL, _IOLBF, 0);
	if (!send)
		ret = ferry_hub_create(&hub, &hub_config);
	if (ret == 0)
		ret = ferry_attach(&ep, NULL, argv[1]);
	if (ret == 0)
		ret = send ? send_images(ep) : receive_images(ep);
	/* The sender has closed its end after its last image. */
	if (!send && ret == FERRY_E_CLOSED)
		ret = 0;
	if (ret != 0 || stop)
		complain(ret);
	ferry_detach(ep);
	ferry_hub_destroy(hub);
	ferry_eal_cleanup(&eal, role);
	return ret != 0 || stop;
}
