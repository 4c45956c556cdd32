#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Print what a suite's tests need built, as targets of ninja.

usage: suite-targets.py BUILD SUITE
"""

import json
import os
import subprocess
import sys


def introspect(build, what):
    """What meson knows of a build."""
    return json.loads(subprocess.check_output(
        ['meson', 'introspect', what, build]))


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__.strip())
    build, suite = sys.argv[1:]
    files = {target['id']: target['filename']
             for target in introspect(build, '--targets')}
    needed = set()
    for test in introspect(build, '--tests'):
        if any(name.endswith(':' + suite) for name in test['suite']):
            for target in test['depends']:
                needed.update(files[target])
    if not needed:
        sys.exit(f'suite-targets.py: {build} has no tests in suite {suite}')
    for name in sorted(needed):
        print(os.path.relpath(name, os.path.realpath(build)))


if __name__ == '__main__':
    main()
