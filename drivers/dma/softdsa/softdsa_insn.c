/* SPDX-License-Identifier: BSD-3-Clause */

#include <string.h>

#include "softdsa_insn.h"

/* Bits of the REX prefix. Each extends the register number in one field of an
 * address. */
#define REX_B 1
#define REX_X 2
#define REX_R 4

/* The value of the register that has the number n in instructions. */
static uint64_t
reg(const ucontext_t *uc, unsigned int n)
{
	static const uint8_t order[16] = {
		REG_RAX, REG_RCX, REG_RDX, REG_RBX,
		REG_RSP, REG_RBP, REG_RSI, REG_RDI,
		REG_R8, REG_R9, REG_R10, REG_R11,
		REG_R12, REG_R13, REG_R14, REG_R15,
	};

	return (uint64_t)uc->uc_mcontext.gregs[order[n]];
}

static uint64_t
disp32(const uint8_t *p)
{
	int32_t v;

	memcpy(&v, p, sizeof(v));
	return (uint64_t)(int64_t)v;
}

/* The part of an address that comes from registers, as mod, rm and a SIB byte
 * name them. Moves *pp behind the SIB byte if there is one. */
static uint64_t
base(const ucontext_t *uc, const uint8_t **pp, unsigned int rex,
		unsigned int mod, unsigned int rm, bool *wide)
{
	unsigned int sib, index;
	uint64_t addr = 0;

	if (rm != 4)
		return reg(uc, rm | (rex & REX_B ? 8 : 0));
	sib = *(*pp)++;
	index = (sib >> 3 & 7) | (rex & REX_X ? 8 : 0);
	if (index != 4)
		addr = reg(uc, index) << (sib >> 6);
	if (mod == 0 && (sib & 7) == 5)
		*wide = true;
	else
		addr += reg(uc, (sib & 7) | (rex & REX_B ? 8 : 0));
	return addr;
}

bool
softdsa_insn_read(const ucontext_t *uc, struct softdsa_insn *insn)
{
	const uint8_t *start, *p;
	unsigned int rex = 0, mod, rm;
	bool wide, relative = false;

	/* Read the bytes one by one, because the page may end behind the last
	 * byte of the instruction. */
	start = (const uint8_t *)(uintptr_t)uc->uc_mcontext.gregs[REG_RIP];
	p = start;
	if (*p++ != 0x66)
		return false;
	if ((*p & 0xf0) == 0x40)
		rex = *p++;
	if (*p++ != 0x0f || *p++ != 0x38 || *p++ != 0xf8)
		return false;
	mod = *p >> 6;
	rm = *p & 7;
	insn->dst = reg(uc, (*p++ >> 3 & 7) | (rex & REX_R ? 8 : 0));
	if (mod == 3)
		return false;
	wide = mod == 2;
	if (mod == 0 && rm == 5) {
		relative = wide = true;
		insn->src = 0;
	} else {
		insn->src = base(uc, &p, rex, mod, rm, &wide);
	}
	if (wide) {
		insn->src += disp32(p);
		p += 4;
	} else if (mod == 1) {
		insn->src += (uint64_t)(int64_t)(int8_t)*p++;
	}
	if (relative)
		insn->src += (uintptr_t)p;
	insn->len = (unsigned int)(p - start);
	return true;
}
