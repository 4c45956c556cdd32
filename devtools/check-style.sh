#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
#
# Check the style of the whole tree, in a few seconds. Each finding is one line,
# FILE:LINE: WHAT, and the exit code is 1 if there is one.
#
#     devtools/check-style.sh [--lower]
#
# --lower: take over counts that have fallen below their ceilings.
# doc/guides/contributing/style.rst tells what is checked. Without shellcheck
# the scripts are not looked at, and the exit code is 77 if all else is well.

set -euo pipefail
cd "$(dirname "$0")/.."
bad=0
devtools/check_style.py "$@" || bad=1
test/doc/test_layers.py . || bad=1
if command -v shellcheck > /dev/null; then
	devtools/check_style.py --list-scripts |
		xargs -d '\n' shellcheck -x -f gcc || bad=1
elif [ $bad = 0 ]; then
	echo "skipped: shellcheck is not installed" >&2
	bad=77
fi
exit $bad
