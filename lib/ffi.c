/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * The inline calls of the headers once more, as functions that programs in
 * other languages can call: see ferry_inline.h. Nothing in ferry calls them.
 */

#define FERRY_INLINE

#include "ferry_bulk.h"
#include "ferry_channel.h"
#include "ferry_lane.h"
#include "ferry_wait.h"
