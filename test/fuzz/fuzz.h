/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef FUZZ_H
#define FUZZ_H

/**
 * @file
 * What the fuzz targets share: a reader of the input's bytes, and a check that
 * ends the process. A target is a function LLVMFuzzerTestOneInput() in a file
 * fuzz_NAME.c; devtools/fuzz.sh builds and runs all of them.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/** The bytes of an input that are still to be read. A read past the end gives
 * zeros. */
struct fuzz_in {
	const uint8_t *at;
	size_t left;
};

static inline void
fuzz_bytes(struct fuzz_in *in, void *out, size_t n)
{
	const size_t have = n < in->left ? n : in->left;

	memset(out, 0, n);
	if (have > 0)
		memcpy(out, in->at, have);
	in->at += have;
	in->left -= have;
}

static inline uint8_t
fuzz_u8(struct fuzz_in *in)
{
	uint8_t v;

	fuzz_bytes(in, &v, sizeof(v));
	return v;
}

static inline uint16_t
fuzz_u16(struct fuzz_in *in)
{
	uint16_t v;

	fuzz_bytes(in, &v, sizeof(v));
	return v;
}

static inline uint64_t
fuzz_u64(struct fuzz_in *in)
{
	uint64_t v;

	fuzz_bytes(in, &v, sizeof(v));
	return v;
}

/** A number below n, which is at most 65536. */
static inline uint32_t
fuzz_below(struct fuzz_in *in, uint32_t n)
{
	return (n <= 256 ? fuzz_u8(in) : fuzz_u16(in)) % n;
}

/**
 * The rest of the input as text, ended by a zero. It is in memory of its own,
 * so that the sanitizer sees a read behind its end. The caller frees it.
 */
char *fuzz_text(struct fuzz_in *in);

/** End the process if the condition does not hold. libFuzzer keeps the input
 * that broke it. */
#define fuzz_check(condition) do { \
	if (!(condition)) \
		fuzz_failed(__FILE__, __LINE__, #condition); \
} while (0)

void fuzz_failed(const char *file, int line, const char *what)
	__attribute__((noreturn));

/** The target: libFuzzer calls it with each input. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/** Called once, before the first input, if the target defines it. */
int LLVMFuzzerInitialize(int *argc, char ***argv);

#endif /* FUZZ_H */
