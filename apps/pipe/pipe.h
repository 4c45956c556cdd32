/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PIPE_H
#define PIPE_H

/*
 * ferry-pipe: a byte stream through a channel.
 *
 * The sender sends one BEGIN, any number of DATA and one END. The receiver
 * gives END back only when it has written out every byte. Therefore a sender
 * that has drained the channel knows that all bytes have arrived.
 */

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

#include "ferry_endpoint.h"

/* The kinds of messages, in ferry_msg.tag. */
enum pipe_tag {
	/* Holds a struct pipe_begin. */
	PIPE_BEGIN = 0x50420001,
	/* Bytes of the stream, in a slot or as a bulk message. */
	PIPE_DATA,
	/* Holds a struct pipe_end. */
	PIPE_END,
};

#define PIPE_SIZE_UNKNOWN UINT64_MAX

struct pipe_begin {
	/* Bytes to come, or PIPE_SIZE_UNKNOWN. */
	uint64_t size;
};

struct pipe_end {
	uint64_t bytes;
	uint64_t msgs;
	/* Bytes that were copied, not passed on in place; and how many of these
	 * the sender copied. */
	uint64_t copied;
	uint64_t by_sender;
};

/* The options and arguments of the command line. */
struct pipe_options {
	const char *hub;
	const char *channel;
	struct ferry_channel_config config;
	/* Hub: bytes for channels. */
	uint64_t memory;
	uint32_t max_channels;
	/* Hub: how many engines, and the names of their DMA devices, with
	 * commas between them; NULL: no devices. */
	uint32_t engines;
	const char *dma;
	/* Hub: file with the measured costs of the engines' lanes, or NULL. */
	const char *calibration;
	enum ferry_wait_policy wait;
	/* Send: in blocks of so many bytes, which are copied, if copy is set;
	 * in slots, which are passed on in place, if not. */
	bool copy;
	uint64_t block;
	bool quiet;
};

/*
 * Length of a slot. Longer ones would only take more cache, because the system
 * calls read() and write() cost a few hundred nanoseconds beside 10 us of
 * copying.
 */
#define PIPE_SLOT_SIZE (128 * 1024)
/* Slots of the channel. 2 MiB let sender and receiver take turns, and fit into
 * the cache. */
#define PIPE_SLOTS 16
/* Length of a block. The costs that arise once a block are small beside it. */
#define PIPE_BLOCK (UINT64_C(4) << 20)
#define PIPE_BLOCK_MIN UINT64_C(4096)
#define PIPE_BLOCK_MAX (UINT64_C(16) << 30)
/*
 * Blocks that each end has memory for. The sender fills one or the receiver
 * writes one out, and one is copied. Two more let an end go on while the other
 * one is slow for a block.
 */
#define PIPE_BLOCKS 4
/* A wait looks at pipe_stop at least this often, because of Ctrl-C. */
#define PIPE_TICK_MS 100
#define PIPE_TICK_NS (UINT64_C(1000000) * PIPE_TICK_MS)

/* Set by SIGINT and SIGTERM. */
extern volatile sig_atomic_t pipe_stop;

/* The three commands. EAL has been started. Each returns an exit code. */
int pipe_hub(const struct pipe_options *o);
int pipe_send(const struct pipe_options *o);
int pipe_recv(const struct pipe_options *o);

/* Attach to the hub. Prints one line to stderr if that fails. */
int pipe_attach(struct ferry_endpoint **ep, const struct pipe_options *o);
/* Print why the channel could not be opened; ret is what the call returned. */
void pipe_open_error(const struct pipe_options *o, int ret);

/* progress.c: the progress line and the summary. */
struct progress {
	const char *verb;
	const char *others;
	bool show;
	bool quiet;
	/* Bytes to come in all; PIPE_SIZE_UNKNOWN if the sender's input is no
	 * regular file. */
	uint64_t size;
	uint64_t bytes;
	uint64_t msgs;
	/* Bytes that were copied, and how many of these the sender and the
	 * receiver copied. What others names copied the rest. */
	uint64_t copied;
	uint64_t by_sender;
	uint64_t by_receiver;
	uint64_t start_ns;
	uint64_t shown_ns;
};

void progress_init(struct progress *p, const char *verb, const char *others,
		bool quiet);
/* Count bytes that have gone through, and msgs messages that end with them. */
void progress_add(struct progress *p, uint64_t bytes, unsigned int msgs);
/* End the progress line. Prints the summary if ok. */
void progress_end(struct progress *p, bool ok);

#endif /* PIPE_H */
