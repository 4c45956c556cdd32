#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
#
# From nothing but a Debian 12 to a file sent through ferry.
#
#     usertools/quickstart.sh [FILE]
#
# Installs what is missing, builds (in build/), reserves hugepages if there are
# none, sends FILE from one process to another (default: a tar of some hundred
# MB of this machine's own files), compares digests, and prints how fast it was
# beside what this machine can do.

set -euo pipefail
case ${1-} in
-*) echo "usage: usertools/quickstart.sh [FILE]" >&2; exit 2 ;;
esac
file=${1:+$(realpath -m -- "$1")}
cd "$(dirname "$0")/.."
# shellcheck source=devtools/lib.sh
. devtools/lib.sh

pipe=build/apps/pipe/ferry-pipe
perf=build/apps/perf/ferry-perf
# 2 MiB pages for a hub and its channels.
pages=512
default_mb=350
name=quickstart
tmp=
hub_pid=
recv_pid=

finish()
{
	local pid

	for pid in $recv_pid $hub_pid; do
		kill "$pid" 2> /dev/null || true
		wait "$pid" 2> /dev/null || true
	done
	[ -z "$tmp" ] || rm -rf "$tmp"
}

# What a program said last, for an error message of one line.
last_words()
{
	grep -v '^[[:space:]]*$' "$1" | tail -n 1
}

build()
{
	local log=$tmp/build.log

	[ -e build/build.ninja ] || meson setup build > "$log" 2>&1 || {
		tail -n 20 "$log" >&2
		die "meson cannot configure build/ (the reason stands above)"
	}
	# A build/ from another version may be beyond ninja's repair.
	ninja -C build > "$log" 2>&1 ||
		{ meson setup --wipe build && ninja -C build; } \
			> "$log" 2>&1 || {
		tail -n 20 "$log" >&2
		die "the build failed (the reason stands above)"
	}
}

# A tar of whole files of /usr, up to so many MB.
make_file()
{
	(cd / && find usr/lib usr/share usr/bin -xdev -type f -readable \
		-printf '%s %p\0' 2> /dev/null) |
	awk -v RS='\0' -v ORS='\0' -v max=$((default_mb * 1000000)) '
		done { next }
		{ sum += $1 + 1024; if (sum > max) { done = 1; next }
		  sub(/^[0-9]+ /, ""); print }' |
	tar -C / --null -T - -cf "$1" 2> /dev/null || [ -s "$1" ]
}

# There is room for so many bytes in the temporary directory.
need_room()
{
	local want_mb=$(($1 / 1000000 + 1)) free_mb

	free_mb=$(df --output=avail -B 1000000 "$tmp" | tail -n 1)
	[ "$free_mb" -ge "$want_mb" ] ||
		die "$free_mb MB free in ${tmp%/*}, $want_mb needed: free" \
			"some, or set TMPDIR to another directory"
}

start_hub()
{
	local i

	$pipe hub > "$tmp/hub.log" 2>&1 < /dev/null &
	hub_pid=$!
	# Ready when a hugepage file or socket of it exists is not enough:
	# it says so itself.
	for ((i = 0; i < 200; i++)); do
		kill -0 $hub_pid 2> /dev/null ||
			die "the hub did not start:" \
				"$(last_words "$tmp/hub.log")"
		! grep -qi ready "$tmp/hub.log" || return 0
		sleep 0.1
	done
	die "the hub is not ready after 20 s: $(last_words "$tmp/hub.log")"
}

# Send $1 to $2 through two processes.
transfer()
{
	$pipe recv $name > "$2" 2> "$tmp/recv.log" &
	recv_pid=$!
	$pipe send $name < "$1" 2> "$tmp/send.log" ||
		die "sending failed: $(last_words "$tmp/send.log")"
	wait $recv_pid ||
		die "receiving failed: $(last_words "$tmp/recv.log")"
	recv_pid=
}

# Throughput and latency beside this machine's bounds.
print_table()
{
	$perf --quick 2> "$tmp/perf.log" ||
		die "ferry-perf failed: $(last_words "$tmp/perf.log")"
}

if [ -n "$file" ]; then
	[ -e "$file" ] || die "no such file: $file"
	[ -f "$file" ] || die "not a regular file: $file"
	[ -r "$file" ] || die "cannot read $file: check its permissions"
fi
need_packages "${pkgs_build[@]}"
tmp=$(mktemp -d "${TMPDIR:-/var/tmp}/ferry-quickstart.XXXXXX")
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
echo "building in build/ ..."
build
need_hugepages $pages || exit 1

if [ -z "$file" ]; then
	need_room $((2 * default_mb * 1000000))
	file=$tmp/input.tar
	echo "making a tar of about $default_mb MB ..."
	make_file "$file"
else
	need_room "$(stat -c %s "$file")"
fi

echo "sending $(stat -c %s "$file") bytes of $file ..."
start_hub
transfer "$file" "$tmp/copy"
kill $hub_pid
wait $hub_pid || die "the hub failed: $(last_words "$tmp/hub.log")"
hub_pid=
grep -hv '^[[:space:]]*$' "$tmp/send.log" "$tmp/recv.log" || true

sent=$(sha256sum < "$file")
received=$(sha256sum < "$tmp/copy")
echo "sent      sha256 ${sent%% *}"
echo "received  sha256 ${received%% *}"
[ "$sent" = "$received" ] || die "the copy differs: please report this"
rm -f "$tmp/copy" "$tmp/input.tar"

echo
print_table
