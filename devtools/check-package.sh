#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
#
# Build the Debian packages, have lintian read them, and compile and start a
# program against what is in them.
#
#     devtools/check-package.sh [--keep DIR]
#
# Works in a copy of what git knows of the checkout, below /tmp. --keep: leave
# the packages in DIR. The tests of the package's build are left out, because
# devtools/test.sh has run them.

set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=devtools/lib.sh
. devtools/lib.sh

keep=
case ${1-} in
'') ;;
--keep) keep=$(realpath -m -- "${2:?a folder is missing behind --keep}") ;;
*) echo "usage: devtools/check-package.sh [--keep DIR]" >&2; exit 2 ;;
esac

tmp=$(mktemp -d --tmpdir ferry-package.XXXXXX)
trap 'rm -rf "$tmp"' EXIT

# has PACKAGE PATH...: what a package must have, as regular expressions.
has()
{
	local deb=$1 path list

	shift
	list=$(dpkg-deb --contents "$tmp/$deb"_*.deb)
	for path in "$@"; do
		grep -Eq "^-.* \./$path\$|^l.* \./$path -> " <<< "$list" ||
			die "$deb has no $path"
	done
}

need_packages "${pkgs_build[@]}" debhelper lintian
[ "$(dpkg-parsechangelog -S Version)" = \
	"$(sed -n "s/^\tversion: '\(.*\)',/\1/p" meson.build)" ] ||
	die "debian/changelog and meson.build name different versions"

mkdir "$tmp/ferry"
git ls-files -z --cached --others --exclude-standard |
	xargs -0 cp -a --parents -t "$tmp/ferry"
(
	cd "$tmp/ferry"
	# As slow as where there is no ccache, which would be found otherwise.
	DEB_BUILD_OPTIONS="nocheck parallel=$(nproc)" CC=gcc \
		dpkg-buildpackage -b -us -uc -Pnocheck > ../build.log 2>&1
) || { tail -n 30 "$tmp/build.log" >&2; die "the packages do not build"; }

lintian --allow-root --tag-display-limit 0 --fail-on error,warning \
	"$tmp"/*.changes || die "lintian finds faults (above)"
lib='usr/lib/[^/]+'
has libferry0 "$lib/libferry\.so\.[0-9.]+"
has libferry-dev "usr/include/ferry/ferry_hub\.h" "$lib/libferry\.so" \
	"$lib/pkgconfig/libferry\.pc"
has ferry-tools usr/bin/ferry-pipe usr/bin/ferry-perf \
	"$lib/ferry/libferry_softdsa\.so" usr/share/man/man1/ferry-pipe.1.gz \
	usr/share/man/man1/ferry-perf.1.gz

for deb in "$tmp"/*.deb; do
	case $deb in
	*-dbgsym_*) ;;
	*) dpkg -x "$deb" "$tmp/root" ;;
	esac
done
# The program of the README, as its own test takes it out.
# shellcheck disable=SC2016 # nothing to expand
sed -n '/^```c$/,/^```$/{/^```/d;p}' README.md > "$tmp/hello.c"
pc=$(dirname "$(find "$tmp/root" -name libferry.pc)")
export PKG_CONFIG_PATH=$pc
sed -i "s,^prefix=,&$tmp/root," "$pc/libferry.pc"
# shellcheck disable=SC2046 # these are several words
gcc -Wall -Wextra -Werror -o "$tmp/hello" "$tmp/hello.c" \
	$(pkg-config --cflags --libs libferry)
export LD_LIBRARY_PATH=${pc%/pkgconfig}
# Without hugepages it says why it cannot run; it must not lack a symbol.
! "$tmp/hello" --file-prefix "ferry-package-$$" --no-such-option \
	> "$tmp/said" 2>&1 || die "hello takes an option that there is not"
grep -q '^hello: ' "$tmp/said" || { cat "$tmp/said"; die "hello does not run"; }
for name in ferry-pipe ferry-perf; do
	"$tmp/root/usr/bin/$name" --help | grep "^$name" > /dev/null ||
		die "$name of the package does not run"
done

if [ -n "$keep" ]; then
	mkdir -p "$keep"
	cp "$tmp"/*.deb "$tmp"/*.changes "$tmp"/*.buildinfo "$keep"
fi
echo "packages are good: $(cd "$tmp" && echo ./*.deb)"
