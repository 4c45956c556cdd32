# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash
#
# What the scripts share: packages, hugepages, and how to say what is wrong.
# Sourced, with the checkout as the working directory.

# shellcheck disable=SC2034 # used by those who source this
# Debian packages to build and run ferry ...
pkgs_build=(gcc libc6-dev meson ninja-build pkg-config python3
	dpdk dpdk-dev libdpdk-dev libnuma-dev libcmocka-dev)
# ... and those that only devtools/test.sh needs.
# shellcheck disable=SC2034 # as above
pkgs_test=(abigail-tools clang debhelper doxygen g++ libclang-rt-14-dev lintian
	mandoc shellcheck spin)

note()
{
	echo "${0##*/}: $*" >&2
}

die()
{
	note "$@"
	exit 1
}

# A script's own mistakes end it with a word, too.
trap 'note "unexpected failure in line $LINENO"' ERR

# Install those of the packages that are not there.
need_packages()
{
	local pkg missing=() log

	command -v dpkg-query > /dev/null ||
		die "this is not Debian: install the equivalents of" \
			"'$*', and run meson yourself (see README)"
	for pkg in "$@"; do
		[ "$(dpkg-query -W -f '${db:Status-Status}' "$pkg" \
			2> /dev/null)" = installed ] || missing+=("$pkg")
	done
	[ ${#missing[@]} -gt 0 ] || return 0
	[ "$(id -u)" = 0 ] ||
		die "packages are missing; run as root:" \
			"apt-get install ${missing[*]}"
	log=$(mktemp)
	export DEBIAN_FRONTEND=noninteractive
	if ! { apt-get -q update && apt-get -qy install \
			--no-install-recommends "${missing[@]}"; } \
			> "$log" 2>&1 < /dev/null; then
		tail -n 5 "$log" >&2
		rm -f "$log"
		die "cannot install ${missing[*]}: check the network and" \
			"/etc/apt/sources.list (the reason stands above)"
	fi
	rm -f "$log"
}

hugepages=/sys/kernel/mm/hugepages/hugepages-2048kB

# Free 2 MiB pages.
hugepages_free()
{
	cat $hugepages/free_hugepages 2> /dev/null || echo 0
}

# See to it that so many 2 MiB hugepages are free, and a hugetlbfs is mounted.
# Otherwise say in one line what to do, and fail.
need_hugepages()
{
	local want=$1 before nr free

	if [ ! -d $hugepages ]; then
		note "the kernel offers no 2 MiB hugepages: it needs" \
			"CONFIG_HUGETLBFS and an x86-64 CPU with the pse flag"
		return 1
	fi
	free=$(hugepages_free)
	if [ "$free" -lt "$want" ]; then
		before=$(cat $hugepages/nr_hugepages)
		nr=$((before + want - free))
		# The first try may fail for fragmented memory.
		{ echo $nr > $hugepages/nr_hugepages
		  [ "$(hugepages_free)" -ge "$want" ] ||
			{ echo 1 > /proc/sys/vm/compact_memory
			  echo $nr > $hugepages/nr_hugepages; }
		} 2> /dev/null || true
	fi
	if [ "$(hugepages_free)" -lt "$want" ]; then
		# Give the pages back: fewer than asked for are of no use.
		{ echo "$before" > $hugepages/nr_hugepages; } 2> /dev/null ||
			true
		note "$free free 2 MiB hugepages, $want needed; run as root:" \
			"echo $nr > $hugepages/nr_hugepages (if you are," \
			"memory is short or scattered: free some, or reboot)"
		return 1
	fi
	if ! grep -q ' hugetlbfs .*pagesize=2M' /proc/mounts && ! {
			mkdir -p /dev/hugepages && mount -t hugetlbfs \
			-o pagesize=2M hugetlbfs /dev/hugepages
			} 2> /dev/null; then
		note "no hugetlbfs is mounted; run as root: mount -t" \
			"hugetlbfs -o pagesize=2M hugetlbfs /dev/hugepages"
		return 1
	fi
}
