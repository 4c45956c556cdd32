#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
#
# Compare the ABI of libferry with that of the last tag, with abidiff.
#
#     devtools/check-abi.sh [BUILD-DIR]
#
# BUILD-DIR is a build of this checkout with debug information, a shared library
# (the defaults of meson setup); without it, one is made and removed. The tag's
# is always made and removed. Fails if a type or function of the installed
# headers has changed, or is gone, although both libraries have the same soname:
# then the version in meson.build has to be raised.

set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=devtools/lib.sh
. devtools/lib.sh

[ $# -le 1 ] || { echo "usage: devtools/check-abi.sh [BUILD-DIR]" >&2; exit 2; }
command -v abidiff > /dev/null ||
	die "there is no abidiff; run as root: apt-get install abigail-tools"
if ! tag=$(git describe --tags --abbrev=0 2> /dev/null); then
	echo "check-abi.sh: there is no tag to compare with"
	exit 0
fi

tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

# build SOURCE NAME: the library alone, in $tmp/NAME-build.
build()
{
	local log=$tmp/$2.log

	{ meson setup "$tmp/$2-build" "$1" --buildtype=debugoptimized \
			-Ddocs=disabled &&
		meson compile -C "$tmp/$2-build" ferry:shared_library
	} > "$log" 2>&1 < /dev/null || {
		tail -n 20 "$log" >&2
		die "cannot build $2 (the reason stands above)"
	}
}

# headers NAME BUILD-DIR: what would be installed, in $tmp/NAME.
headers()
{
	local header

	mkdir "$tmp/$1"
	meson introspect --installed "$2" | python3 -c '
import json, sys
print("\n".join(p for p in json.load(sys.stdin) if p.endswith(".h")))' |
	while read -r header; do
		cp "$header" "$tmp/$1"
	done
}

# The file itself, not the links to it.
library()
{
	find "$1" -maxdepth 1 -type f -name 'libferry.so*' ! -name '*.symbols'
}

soname()
{
	objdump -p "$1" | awk '$1 == "SONAME" { print $2 }'
}

mkdir "$tmp/source"
git archive "$tag" | tar -x -C "$tmp/source"
build "$tmp/source" tag
here=${1-$tmp/here-build}
[ $# = 1 ] || build . here
headers tag "$tmp/tag-build"
headers here "$here"
old=$(library "$tmp/tag-build")
new=$(library "$here")
if [ ! -f "$old" ] || [ ! -f "$new" ]; then
	die "there is no libferry.so to compare"
fi

was=$(soname "$old")
is=$(soname "$new")
if [ -z "$was" ] || [ -z "$is" ]; then
	die "a libferry.so has no soname"
fi
ret=0
# What the headers do not show may change.
abidiff --no-added-syms --hd1 "$tmp/tag" --hd2 "$tmp/here" \
	--drop-private-types "$old" "$new" > "$tmp/report" 2>&1 || ret=$?
# 1: abidiff failed; 2: its usage; 4: a change; 8: an incompatible one.
if [ $((ret & 3)) != 0 ]; then
	cat "$tmp/report" >&2
	die "abidiff failed with $ret"
elif [ $ret = 0 ]; then
	echo "check-abi.sh: the ABI is that of $tag"
elif [ "$was" != "$is" ]; then
	cat "$tmp/report"
	echo "check-abi.sh: the ABI is not that of $tag, and the soname" \
		"changed from $was to $is"
else
	cat "$tmp/report"
	die "the ABI is not that of $tag, and the soname is still $is:" \
		"raise the version in meson.build, or undo the change"
fi
