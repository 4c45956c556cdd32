/* SPDX-License-Identifier: BSD-3-Clause */

#include <rte_common.h>

#include "ferry_health.h"

static void
quarantine(struct ferry_health *h, uint64_t now_ns, bool again)
{
	h->quarantine_ns = again ?
		RTE_MIN(2 * h->quarantine_ns, FERRY_HEALTH_LAST_NS) :
		FERRY_HEALTH_FIRST_NS;
	h->since_ns = now_ns + h->quarantine_ns;
	h->state = FERRY_HEALTH_QUARANTINED;
}

const char *
ferry_health_name(enum ferry_health_state state)
{
	switch (state) {
	case FERRY_HEALTH_USED:
		return "used";
	case FERRY_HEALTH_QUARANTINED:
		return "quarantined";
	case FERRY_HEALTH_PROBATION:
		return "probation";
	case FERRY_HEALTH_DROPPED:
		return "dropped";
	}
	return "unknown";
}

bool
ferry_health_good(struct ferry_health *h, uint64_t now_ns)
{
	/* The lane got this job before it was quarantined or dropped. So the
	 * job does not show that the lane works now. */
	if (h->state == FERRY_HEALTH_QUARANTINED ||
			h->state == FERRY_HEALTH_DROPPED)
		return false;
	h->errors = 0;
	if (h->state == FERRY_HEALTH_USED)
		return false;
	h->state = FERRY_HEALTH_USED;
	h->since_ns = now_ns;
	return true;
}

bool
ferry_health_error(struct ferry_health *h, uint64_t now_ns, bool aborted,
		uint32_t batch)
{
	if (h->state == FERRY_HEALTH_DROPPED ||
			(aborted && h->errors > 0 && h->batch == batch))
		return false;
	h->errors++;
	h->batch = batch;
	if (h->state == FERRY_HEALTH_PROBATION) {
		quarantine(h, now_ns, true);
		return true;
	}
	if (h->state == FERRY_HEALTH_QUARANTINED ||
			h->errors < FERRY_HEALTH_MAX_ERRORS)
		return false;
	quarantine(h, now_ns, h->quarantine_ns != 0 &&
		now_ns - h->since_ns < h->quarantine_ns);
	return true;
}

bool
ferry_health_hung(struct ferry_health *h)
{
	bool changed = h->state != FERRY_HEALTH_DROPPED;

	h->state = FERRY_HEALTH_DROPPED;
	return changed;
}

bool
ferry_health_tick(struct ferry_health *h, uint64_t now_ns)
{
	if (h->state != FERRY_HEALTH_QUARANTINED || now_ns < h->since_ns)
		return false;
	h->state = FERRY_HEALTH_PROBATION;
	return true;
}
