/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PIPE_H
#define PIPE_H

/*
 * ferry-pipe: a byte stream through a channel.
 *
 * On the channel: one BEGIN, any number of DATA, one END. The receiver gives
 * END back only when every byte is written out, so a sender that has drained
 * the channel knows that all has arrived.
 */

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

#include "ferry_endpoint.h"

/* ferry_msg.tag */
enum pipe_tag {
	/* struct pipe_begin */
	PIPE_BEGIN = 0x50420001,
	/* In a slot, or a bulk message. */
	PIPE_DATA,
	/* struct pipe_end */
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
	/* Of the bytes: those not passed on in place, and those of them that
	 * the sender copied. */
	uint64_t copied;
	uint64_t by_sender;
};

/* What the command line says. */
struct pipe_options {
	const char *hub;
	const char *channel;
	struct ferry_channel_config config;
	/* Hub: bytes for channels. */
	uint64_t memory;
	uint32_t max_channels;
	/* Hub: how many engines, and their DMA devices; NULL: none. */
	uint32_t engines;
	const char *dma;
	/* Hub: file of what was measured of their lanes; NULL: none. */
	const char *calibration;
	enum ferry_wait_policy wait;
	/* Send: in blocks of so many bytes, which are copied. */
	bool copy;
	uint64_t block;
	bool quiet;
};

/* A message larger than this only takes more cache: the read and write system
 * calls cost a few hundred nanoseconds against 10 us of copying. */
#define PIPE_SLOT_SIZE (128 * 1024)
/* 2 MiB under way: enough for two sides that take turns, and still in cache. */
#define PIPE_SLOTS 16
/* Long enough that what is done once for each block does not show. */
#define PIPE_BLOCK (UINT64_C(4) << 20)
#define PIPE_BLOCK_MIN UINT64_C(4096)
#define PIPE_BLOCK_MAX (UINT64_C(16) << 30)
/* Memory of so many for either end: one is filled or written out, one copied,
 * and two more, so that nobody waits for whoever is the slowest each time. */
#define PIPE_BLOCKS 4
/* Look for Ctrl-C at least this often. */
#define PIPE_TICK_MS 100
#define PIPE_TICK_NS (UINT64_C(1000000) * PIPE_TICK_MS)

/* Set by SIGINT and SIGTERM. */
extern volatile sig_atomic_t pipe_stop;

/* The three commands: an exit code. EAL runs. */
int pipe_hub(const struct pipe_options *o);
int pipe_send(const struct pipe_options *o);
int pipe_recv(const struct pipe_options *o);

/* Attach with one line on stderr if it fails. */
int pipe_attach(struct ferry_endpoint **ep, const struct pipe_options *o);
/* Say why a channel could not be opened. */
void pipe_open_error(const struct pipe_options *o, int ret);

/* progress.c: the progress line and the summary. */
struct progress {
	const char *verb;
	const char *others;
	bool show;
	bool quiet;
	/* PIPE_SIZE_UNKNOWN if nobody knows. */
	uint64_t size;
	uint64_t bytes;
	uint64_t msgs;
	/* Bytes that were copied, and by whom; the rest by the others. */
	uint64_t copied;
	uint64_t by_sender;
	uint64_t by_receiver;
	uint64_t start_ns;
	uint64_t shown_ns;
};

void progress_init(struct progress *p, const char *verb, const char *others,
		bool quiet);
/* So much more has gone through, which ends so many messages. */
void progress_add(struct progress *p, uint64_t bytes, unsigned int msgs);
/* End the line and, if all went well, print the summary. */
void progress_end(struct progress *p, bool ok);

#endif /* PIPE_H */
