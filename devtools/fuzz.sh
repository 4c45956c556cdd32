#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
#
# Build the libFuzzer targets of test/fuzz and run them.
#
#     devtools/fuzz.sh [SECONDS] [TARGET...]
#     devtools/fuzz.sh --inputs N [TARGET...]
#     devtools/fuzz.sh --build
#
# --build: only build them. Each target runs for so many seconds (60), or has
# so many inputs, seven at a time, from the seeds in test/fuzz/corpus/TARGET and
# what earlier runs found in build-fuzz/corpus. The last line says how many
# inputs there were. An input that crashes, hangs or breaks a check is put into
# test/fuzz/corpus as found-...: mend the fault, and keep the file, so that each
# run tries it again. The exit code is not 0 if there was one.
# build-fuzz/testlog.json has a line for each target, as meson writes it.

set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=devtools/lib.sh
. devtools/lib.sh

dir=build-fuzz
goal=-max_total_time=60
if [[ $* = --build ]]; then
	goal=
	shift
elif [[ ${1-} = --inputs && ${2-} =~ ^[0-9]+$ ]]; then
	goal=-runs=$2
	shift 2
elif [[ ${1-} =~ ^[0-9]+$ ]]; then
	goal=-max_total_time=$1
	shift
fi
[[ ${1-} != -* ]] || { echo "usage: devtools/fuzz.sh [SECONDS | --inputs N]" \
	"[TARGET...], or --build" >&2; exit 2; }

need_packages "${pkgs_build[@]}" clang libclang-rt-14-dev
if [ ! -e $dir/build.ninja ]; then
	CC=${CC:-clang} meson setup $dir -Dfuzz=true -Dwerror=true \
		-Dwarning_level=2 -Db_sanitize=address,undefined \
		-Db_lundef=false > $dir.log 2>&1 ||
		{ cat $dir.log >&2; die "cannot configure $dir"; }
	rm -f $dir.log
fi
ninja -C $dir fuzz > $dir/build.log 2>&1 ||
	{ tail -n 40 $dir/build.log >&2; die "cannot build $dir"; }

[ -n "$goal" ] || exit 0

targets=("$@")
if [ ${#targets[@]} = 0 ]; then
	for file in test/fuzz/fuzz_*.c; do
		name=${file#test/fuzz/fuzz_}
		targets+=("${name%.c}")
	done
fi
for name in "${targets[@]}"; do
	[ -x "$dir/test/fuzz/fuzz_$name" ] || die "there is no target '$name'"
done

# Memory that is freed is kept back for a megabyte's time: for many inputs.
export ASAN_OPTIONS=detect_leaks=1:allocator_may_return_null=1
ASAN_OPTIONS+=:quarantine_size_mb=1:thread_local_quarantine_size_kb=64
ASAN_OPTIONS+=:max_malloc_fill_size=0:malloc_context_size=4
export LSAN_OPTIONS=suppressions=$PWD/devtools/lsan.supp:print_suppressions=0
export UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1
mkdir -p $dir/found
: > $dir/testlog.json
: > $dir/inputs

# A number that libFuzzer prints at the end, or -.
stat_of()
{
	sed -n "s/^stat::$2: *//p" "$1" | tail -n 1 | grep . || echo -
}

# Bytes of an input beyond which a target looks at none, or sees nothing new.
length_of()
{
	case $1 in
	registry)	echo 100 ;;
	layout)		echo 128 ;;
	*_args | *_config)	echo 256 ;;
	control)	echo 400 ;;
	calib)		echo 512 ;;
	*)		echo 300 ;;
	esac
}

# fuzz TARGET: run it, and say in one line what came of it.
fuzz()
{
	local name=$1 log=$dir/fuzz_$1.log ret=0 word=ok covered file
	local seeds=test/fuzz/corpus/$1 grown=$dir/corpus/$1 kept=

	mkdir -p "$grown" "$seeds"
	# A single input takes less than a millisecond. To choose inputs by how
	# rare what they do is, and to look for shorter ones, takes longer than
	# to try others.
	"$dir/test/fuzz/fuzz_$name" "$goal" -timeout=60 \
		-rss_limit_mb=2048 -len_control=0 \
		-max_len="$(length_of "$name")" -entropic=0 -reduce_inputs=0 \
		-reload=0 -print_funcs=0 \
		-artifact_prefix="$dir/found/$name-" -close_fd_mask=1 \
		-print_final_stats=1 "$grown" "$seeds" > "$log" 2>&1 ||
		ret=$?
	covered=$(grep -ao 'cov: [0-9]*' "$log" | tail -n 1 || true)
	if [ $ret != 0 ]; then
		word=FOUND
		file=$(sed -n 's/.*Test unit written to //p' "$log" | tail -n 1)
		if [ -n "$file" ]; then
			kept=$seeds/found-$(sha1sum "$file" | cut -c 1-12)
			mv "$file" "$kept"
		fi
	fi
	printf '%-16s %12s %9s %9s  %s\n' "$name" \
		"$(stat_of "$log" number_of_executed_units)" \
		"$(stat_of "$log" average_exec_per_sec)" \
		"${covered#cov: }" "$word${kept:+ $kept}"
	stat_of "$log" number_of_executed_units >> $dir/inputs
	printf '{"name": "fuzz_%s", "result": "%s", "returncode": %d}\n' \
		"$name" "$([ $ret = 0 ] && echo OK || echo FAIL)" $ret \
		>> $dir/testlog.json
	[ $ret = 0 ] || grep -a -m 1 -A 12 -E \
		'does not hold|ERROR:|runtime error:' "$log" | cut -c 1-110 |
		sed 's/^/    /' || true
}

printf '%-16s %12s %9s %9s  %s\n' target executions exec/s coverage result
running=0
for name in "${targets[@]}"; do
	if [ $running = 7 ]; then
		wait -n
		running=6
	fi
	fuzz "$name" &
	running=$((running + 1))
done
wait
bad=$(grep -c '"FAIL"' $dir/testlog.json || true)
inputs=$(awk '{ n += $1 } END { print n + 0 }' $dir/inputs)
echo "${#targets[@]} targets, $inputs inputs, $bad with findings"
exit $((bad > 0))
