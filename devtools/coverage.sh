#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
#
# Which lines and branches of lib/ and drivers/ the tests run through.
#
#     devtools/coverage.sh [--missing] [--build] [--report] [SUITE...]
#
# Builds in build-coverage/ and runs the suites: all but models and perf-smoke,
# unless some are named. Prints lines and branches by folder, and the files of
# lib/ below the aim of 95 % of the lines and 85 % of the branches.
# --missing: also the lines that no test runs. --build: build, and run nothing.
# --report: run nothing, report what the last run left.
#
# What a process that was killed with SIGKILL ran through is not counted.

set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=devtools/lib.sh
. devtools/lib.sh

build="build-coverage"
pages=512
show_missing=
do_run=true
do_report=true
suites=()
for arg in "$@"; do
	case $arg in
	--missing) show_missing=--missing ;;
	--build) do_run=false do_report=false ;;
	--report) do_run=false ;;
	-*) echo "usage: devtools/coverage.sh [--missing] [--build]" \
		"[--report] [SUITE...]" >&2; exit 2 ;;
	*) suites+=(--suite "$arg") ;;
	esac
done
[ ${#suites[@]} -gt 0 ] ||
	suites=(--no-suite models --no-suite perf-smoke)

configure()
{
	local dir=$PWD/$build-exit

	[ ! -f $build/build.ninja ] || return 0
	# What a process that ends with _exit() calls before: see the file.
	mkdir -p "$dir"
	gcc -O1 -fPIC -shared -Wl,-soname,libcoverage_exit.so \
		-o "$dir/libcoverage_exit.so" devtools/coverage_exit.c
	gcc -O1 -fPIC -c -DEACH_OBJECT -o "$dir/each_object.o" \
		devtools/coverage_exit.c
	# Little optimisation, so that a line stays a line. Atomic counters,
	# because threads share them.
	CC=${CC:-gcc} meson setup $build -Db_coverage=true -Ddocs=disabled \
		-Doptimization=1 -Dc_args=-fprofile-update=atomic \
		"-Dc_link_args=['--coverage', '$dir/each_object.o', '-L$dir',
			'-lcoverage_exit', '-Wl,-rpath=$dir']"
}

need_packages "${pkgs_build[@]}" gcovr
log=$build.log
if $do_run || ! $do_report; then
	{ configure && ninja -C $build; } > $log 2>&1 ||
		{ tail -n 20 $log >&2; die "the build failed: see $log"; }
fi
if $do_run; then
	need_hugepages $pages || note "tests that need hugepages are skipped"
	find $build -name '*.gcda' -delete
	# Slower than without counters, so with longer limits.
	meson test -C $build --no-rebuild --num-processes 1 \
		--timeout-multiplier 5 "${suites[@]}" > $log 2>&1 ||
		note "tests failed, what they ran through counts: see $log"
fi
$do_report || exit 0
# Inline functions of headers are counted in whatever compiled them.
gcovr --root . --object-directory $build --filter 'lib/' --filter 'drivers/' \
	--exclude-unreachable-branches --exclude-throw-branches \
	--gcov-ignore-parse-errors \
	--json $build/lines.json \
	> $log.gcovr 2>&1 ||
	{ tail -n 20 $log.gcovr >&2; die "gcovr failed: see $log.gcovr"; }
exec devtools/coverage-report.py $show_missing $build/lines.json
