#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
#
# Everything that can happen to ferry's processes, at random, under load that is
# verified: kills, stops, faults of devices, shortages, moves, changes of mode.
#
#     devtools/soak.sh MINUTES [SEED]
#
# Builds in build-soak/ of the checkout and leaves it there; soak.log in it is
# all that was printed. The last line begins with "clean" or "NOT CLEAN". The
# same seed makes the same decisions, not the same timing. FERRY_STORM_WITHOUT
# names events that shall not happen (test/storm/event.c), with commas between.

set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=devtools/lib.sh
. devtools/lib.sh

pages=128

usage()
{
	echo "usage: devtools/soak.sh MINUTES [SEED]" >&2
	exit 2
}

[ $# -eq 1 ] || [ $# -eq 2 ] || usage
[[ $1 =~ ^[1-9][0-9]*$ ]] || usage
[[ ${2-1} =~ ^[0-9]+$ ]] || usage

dir=build-soak
need_packages "${pkgs_build[@]}"
[ -d $dir ] || meson setup $dir > /dev/null ||
	die "cannot set up $dir: see $dir/meson-logs/meson-log.txt"
ninja -C $dir test/storm/storm drivers/dma/softdsa/libferry_softdsa.so \
	> $dir/build.log || die "cannot build: see $dir/build.log"
need_hugepages $pages
export FERRY_TEST_PLUGIN=$PWD/$dir/drivers/dma/softdsa/libferry_softdsa.so
trap - ERR
$dir/test/storm/storm minutes "$@" 2>&1 | tee -i $dir/soak.log
