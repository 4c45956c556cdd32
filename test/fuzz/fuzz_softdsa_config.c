/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * The text of FERRY_SOFTDSA and of ferry_softdsa_set(): the first byte chooses
 * whether the device runs already. Accepted values lie within the limits. A
 * refused text changes nothing, and gives a reason of one line.
 */

#include <stdlib.h>

#include "fuzz.h"
#include "softdsa_config.h"

static void
check(const struct softdsa_config *c)
{
	unsigned int i;

	fuzz_check(c->wqs >= 1 && c->wqs <= SOFTDSA_MAX_WQS);
	fuzz_check(c->size >= 1 && c->size <= SOFTDSA_MAX_SIZE);
	fuzz_check(c->max_batch >= 2 && c->max_batch <= SOFTDSA_MAX_BATCH);
	fuzz_check(c->threads >= 1 && c->threads <= SOFTDSA_MAX_THREADS);
	fuzz_check(c->n_cpus <= SOFTDSA_MAX_CPUS);
	fuzz_check(c->timing.t0_ns <= c->timing.t0_max_ns);
	for (i = 0; i < SOFTDSA_MAX_WQS; i++)
		fuzz_check(c->wrong[i].reorder <= SOFTDSA_MAX_REORDER);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_in in = { data, size };
	const bool running = fuzz_u8(&in) & 1;
	struct softdsa_config c, before;
	char error[SOFTDSA_ERROR_LEN];
	char *text = fuzz_text(&in);
	int ret;

	/* Padding, too, since whole structures are compared. */
	memset(&c, 0, sizeof(c));
	softdsa_config_default(&c);
	memcpy(&before, &c, sizeof(c));
	memset(error, 0xff, sizeof(error));
	ret = softdsa_config_parse(&c, text, running, error);
	fuzz_check(ret == 0 || ret == -1);
	if (ret == 0) {
		check(&c);
	} else {
		fuzz_check(memchr(error, 0, sizeof(error)) != NULL);
		fuzz_check(error[0] != '\0');
		fuzz_check(memcmp(&before, &c, sizeof(c)) == 0);
	}
	free(text);
	return 0;
}
