/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef SOFTDSA_INSN_H
#define SOFTDSA_INSN_H

/* Decodes one instruction: MOVDIR64B. */

#include <stdbool.h>
#include <stdint.h>
#include <ucontext.h>

struct softdsa_insn {
	uint64_t dst;
	uint64_t src;
	/* Bytes to the next instruction. */
	unsigned int len;
};

/* Whether the instruction at the program counter of uc is a MOVDIR64B. If so,
 * *insn describes it. */
bool softdsa_insn_read(const ucontext_t *uc, struct softdsa_insn *insn);

#endif /* SOFTDSA_INSN_H */
