#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
#
# Build ferry in all ways and run every test, from nothing but a Debian 12.
#
#     devtools/test.sh [--fast]
#
# --fast: only the plain build and its tests. Builds are made anew in
# build-test-*/ of the checkout and left there. The last line is
# "N passed, N failed, N skipped", counting single tests over all runs; a build
# that fails counts as one failed test.

set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=devtools/lib.sh
. devtools/lib.sh

# 2 MiB pages for the tests.
pages=512
# Tests at a time. Each may need a hundred pages.
at_once=$(($(nproc) > 1 ? 2 : 1))
fast=false
case ${1-} in
'') ;;
--fast) fast=true ;;
*) echo "usage: devtools/test.sh [--fast]" >&2; exit 2 ;;
esac
[ $# -le 1 ] || die "too many arguments"

logs=build-test-logs
runs=()
step_pid=
builder_pid=

# A step failed that writes no log of tests: count it as one failed test.
lost()
{
	echo "$1" >> $logs/lost
}

# Hugepage files and run-time directories of ferry's processes.
leavings()
{
	{ find /dev/hugepages /run/dpdk -maxdepth 1 -name 'ferry*' \
		2> /dev/null || true; } | sort
}

in_use()
{
	find /proc/[0-9]*/fd /proc/[0-9]*/map_files -lname "$1*" 2> /dev/null |
		grep -q .
}

# End a process of this script. The tests are meson's children, the compilers
# ninja's: both end them when they are ended.
end_process()
{
	[ -n "$1" ] || return 0
	kill "$1" 2> /dev/null || true
	wait "$1" 2> /dev/null || true
}

finish()
{
	local path

	end_process "$builder_pid"
	end_process "$step_pid"
	# The EAL makes this one even for a process that puts nothing in it.
	$had_rte || rmdir /run/dpdk/rte 2> /dev/null || true
	leavings | comm -13 "$logs/before" - |
	while read -r path; do
		in_use "$path" && continue
		note "removed $path, left behind by a test"
		rm -rf "$path"
	done
}

# step NAME COMMAND...: one line with the time it took; its output if it fails.
step()
{
	local name=$1 start=$SECONDS ok=ok
	local log="$logs/${name//: /-}.log"

	shift
	"$@" > "$log" 2>&1 < /dev/null &
	step_pid=$!
	wait "$step_pid" || ok=FAILED
	step_pid=
	printf '%-28s %-6s %4d s\n' "$name" $ok $((SECONDS - start))
	[ $ok = FAILED ] || return 0
	tail -n 40 "$log" | sed 's/^/    /'
	return 1
}

# build NAME CC SUITE [MESON OPTIONS]: in build-test-NAME. SUITE: build what its
# tests need; all: build everything.
build()
{
	local name=$1 cc=$2 suite=$3 dir=build-test-$1 targets=()

	shift 3
	rm -rf "$dir"
	CC=$cc step "$name: configure" meson setup "$dir" "$@" || {
		lost "$name"
		return
	}
	if [ "$suite" != all ]; then
		devtools/suite-targets.py "$dir" "$suite" > "$dir/targets" || {
			lost "$name"
			return
		}
		mapfile -t targets < "$dir/targets"
	fi
	step "$name: build" ninja -C "$dir" "${targets[@]}" || lost "$name"
}

# The builds beside gcc's.
build_others()
{
	trap 'end_process "$step_pid"; exit 143' TERM
	renice -n 10 $BASHPID > /dev/null
	build clang clang all "${strict[@]}"
	build asan gcc fast -Db_sanitize=address,undefined
	rm -rf build-fuzz
	step "fuzz: build" devtools/fuzz.sh --build || lost fuzz
	# clang: gcc's knows no fences. It links its runtime to programs only,
	# hence b_lundef.
	build tsan clang tsan -Db_sanitize=thread -Db_lundef=false \
		-Dc11_mem_model=true
	step package devtools/check-package.sh || lost package
}

# run NAME [MESON TEST OPTIONS]: the tests of a build that did not fail, two at
# a time: none asserts who is quick. Those that need files, processes or both
# cores for themselves run alone (is_parallel: false).
run()
{
	local name=$1 dir=build-test-$1

	shift
	! grep -qx "$name" $logs/lost || return 0
	# Its failures are counted from its log.
	step "$name: test" meson test -C "$dir" --no-rebuild \
		--num-processes $at_once --print-errorlogs "$@" || true
	if [ -s "$dir/meson-logs/testlog.json" ]; then
		runs+=("$name=$dir/meson-logs/testlog.json")
	else
		lost "$name"
	fi
}

# shellcheck disable=SC2317 # step calls it
doxygen_clean()
{
	ninja -C build-test-gcc doc && ! grep -rn 'warning:' \
		"$logs/doc.log"
}

need_packages "${pkgs_build[@]}" "${pkgs_test[@]}"
rm -rf $logs
mkdir -p $logs
: > $logs/lost
leavings > $logs/before
had_rte=false
[ ! -d /run/dpdk/rte ] || had_rte=true
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
need_hugepages $pages || note "tests that need hugepages are skipped"

strict=(-Dwerror=true -Dwarning_level=2)
build gcc gcc all "${strict[@]}"
# Half of the time gcc's tests leave a CPU idle: the other builds take it.
if ! $fast; then
	build_others &
	builder_pid=$!
fi
run gcc
if ninja -C build-test-gcc -t query doc > /dev/null 2>&1; then
	step doc doxygen_clean || lost doc
fi
step abi devtools/check-abi.sh build-test-gcc || lost abi
if ! $fast; then
	wait "$builder_pid"
	builder_pid=
	run clang --suite fast
	# The EAL keeps what it allocated.
	LSAN_OPTIONS=suppressions=$PWD/devtools/lsan.supp
	export LSAN_OPTIONS=$LSAN_OPTIONS:print_suppressions=0
	export UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1
	run asan --suite fast
	if ! grep -qx fuzz $logs/lost; then
		# A minute for each target, counted from their log.
		step fuzz devtools/fuzz.sh 60 || true
		if [ -s build-fuzz/testlog.json ]; then
			runs+=("fuzz=build-fuzz/testlog.json")
		else
			lost fuzz
		fi
	fi
	export TSAN_OPTIONS=halt_on_error=1:second_deadlock_stack=1
	run tsan --suite tsan
fi

devtools/count-tests.py "${runs[@]}" > $logs/count
head -n -1 $logs/count
read -r passed failed skipped < <(tail -n 1 $logs/count)
# Nothing tested is nothing good.
[ "$((passed + failed))" -gt 0 ] || lost tests
failed=$((failed + $(wc -l < $logs/lost)))
finish
trap - EXIT
echo "$passed passed, $failed failed, $skipped skipped"
exit $((failed > 0))
