/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * hello: one message from one process to another.
 *
 * One file, two roles: without an argument it is the hub and receives, with
 * "send" it is another process and sends. The README shows all of it but this
 * comment; a test keeps the two equal.
 *
 * Build and run:
 *
 *     cc -o hello main.c $(pkg-config --cflags --libs libferry)
 *     ./hello &
 *     ./hello send
 */

#include <stdio.h>
#include <string.h>
#include <ferry_eal.h>
#include <ferry_endpoint.h>

/* Wait for one message and print it where it lies. */
static int
receive(struct ferry_endpoint *ep)
{
	struct ferry_rx *rx;
	struct ferry_msg msg;
	int ret = ferry_rx_open(&rx, ep, "greetings", NULL);

	if (ret != 0)
		return ret;
	fprintf(stderr, "waiting for ./hello send\n");
	ret = ferry_rx_wait(rx, UINT64_MAX);
	if (ret == 0)
		ret = ferry_rx_recv(rx, &msg, 1);
	if (ret != 1)
		return ret;
	printf("%.*s\n", (int)msg.len, (const char *)msg.data);
	return ferry_rx_release(rx, &msg, 1);
}

/* Send one message and wait until the receiver has given it back. */
static int
send_one(struct ferry_endpoint *ep)
{
	const char text[] = "hello, world";
	const struct ferry_buf buf = { text, sizeof(text) - 1, 0,
		FERRY_PLACE_AUTO };
	struct ferry_tx *tx;
	int ret = ferry_tx_open(&tx, ep, "greetings", NULL);

	if (ret == 0)
		ret = ferry_tx_send(tx, &buf, 1);
	return ret == 1 ? ferry_tx_drain(tx, UINT64_MAX) : ret;
}

int
main(int argc, char **argv)
{
	const int send = argc > 1 && strcmp(argv[1], "send") == 0;
	const enum ferry_eal_role role = send ? FERRY_EAL_SECONDARY :
		FERRY_EAL_HUB;
	struct ferry_eal_args eal;
	struct ferry_hub *hub = NULL;
	struct ferry_endpoint *ep = NULL;
	int ret;

	/* What follows "hello" or "hello send" are EAL options. */
	if (ferry_eal_args(&eal, role, argc - send, argv + send) != 0 ||
			ferry_eal_init(&eal, role) != 0) {
		fprintf(stderr, "hello: %s\n", eal.error);
		return 1;
	}
	ret = send ? 0 : ferry_hub_create(&hub, NULL);
	if (ret == 0)
		ret = ferry_attach(&ep, NULL, "hello");
	if (ret == 0)
		ret = send ? send_one(ep) : receive(ep);
	if (ret != 0)
		fprintf(stderr, "hello: %s; it takes 256 MiB of free "
			"hugepages, and only one sender at a time\n",
			ferry_strerror(ret));
	ferry_detach(ep);
	ferry_hub_destroy(hub);
	ferry_eal_cleanup(&eal, role);
	return ret != 0;
}
