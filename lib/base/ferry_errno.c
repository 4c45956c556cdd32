/* SPDX-License-Identifier: BSD-3-Clause */

#include <string.h>

#include "ferry_errno.h"

const char *
ferry_strerror(int result)
{
	const char *text;

	switch (result) {
	case FERRY_OK:
		return "success";
	case FERRY_E_CLOSED:
		return "channel was closed by its other end";
	case FERRY_E_PEER_GONE:
		return "the process at the other end died";
	case FERRY_E_TOO_LONG:
		return "message is longer than a slot of the channel";
	case FERRY_E_VERSION:
		return "shared memory was laid out by another version of ferry";
	case FERRY_E_HUB_GONE:
		return "the hub is gone";
	case FERRY_E_CORRUPT:
		return "shared memory is corrupt";
	case FERRY_E_NO_ROOM:
		return "not enough hub memory";
	case FERRY_E_CANCELLED:
		return "the producer cancelled the message";
	case FERRY_E_REFUSED:
		return "the consumer refused the message";
	case FERRY_E_FORKED:
		return "this process was forked, as daemon() does, after EAL "
			"had started: fork first, then start EAL";
	case FERRY_E_NO_PIDFD:
		return "pidfd_open() is refused to this process or to the hub: "
			"the container's seccomp profile must allow it";
	case FERRY_E_LCORE:
		return "another process of the file prefix has the same lcore "
			"id: give each its own with --lcores";
	}
	/* strerrordesc_np() returns constant strings; strerror() does not. */
	text = result < 0 && result >= -4095 ? strerrordesc_np(-result) : NULL;
	return text != NULL ? text : "unknown result";
}
