/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PERF_DEVICE_H
#define PERF_DEVICE_H

/* SIDE_DEVICE: see device.c. */

#include "side.h"

/* The leader alone. s->dev is started, and stopped afterwards. */
int device_lead(struct side *s, const struct side_job *job,
		struct side_slice *slice);

#endif /* PERF_DEVICE_H */
