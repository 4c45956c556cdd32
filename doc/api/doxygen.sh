#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
#
# doxygen.sh DOXYGEN DOXYFILE OUTPUT-DIR STAMP INPUT...
#
# Make the API reference of the given headers. Fails on any warning, and then
# makes no stamp, so that the next call tries again.

set -eu
doxygen=$1 doxyfile=$2 out=$3 stamp=$4
shift 4

rm -rf "$out/html" "$stamp"
mkdir -p "$out"
status=0
{
	cat "$doxyfile"
	echo "OUTPUT_DIRECTORY = \"$out\""
	echo "WARN_LOGFILE = \"$out/warnings.log\""
	for file in "$@"; do
		echo "INPUT += \"$(realpath "$file")\""
	done
} | "$doxygen" - || status=$?
if [ -s "$out/warnings.log" ]; then
	cat "$out/warnings.log" >&2
	status=1
fi
[ "$status" = 0 ] || exit 1
: > "$stamp"
