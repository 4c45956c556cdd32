/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef FERRY_COMPAT_H
#define FERRY_COMPAT_H

/*
 * Every difference between the DPDK versions ferry builds with, and nothing
 * else. Internal: not installed. Code elsewhere must not test RTE_VERSION.
 */

#include <rte_version.h>

#if RTE_VERSION < RTE_VERSION_NUM(22, 11, 0, 0)
#error "ferry needs DPDK 22.11 or newer"
#endif

#endif /* FERRY_COMPAT_H */
