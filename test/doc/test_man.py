#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Check that a program's --help and its man page have the same options.

usage: test_man.py PROGRAM PAGE
"""

import re
import shutil
import subprocess
import sys


def main():
    program, page = sys.argv[1:]
    said = subprocess.run([program, '--help'], check=True, text=True,
                          stdout=subprocess.PIPE).stdout
    with open(page, encoding='utf-8') as f:
        text = f.read()
    # With a value or without: "--memory MIB", ".It Fl Fl memory Ar MIB".
    helped = dict(re.findall(r'^ +(--[\w-]+)(?: ([A-Z]+\b))?', said, re.M))
    manual = {'--' + name: value for name, value in re.findall(
        r'^\.It Fl Fl ([\w-]+)(?: Ar (\w+))?', text, re.M)}
    bad = 0
    for name in sorted(helped.keys() | manual.keys()):
        if helped.get(name) != manual.get(name):
            print(f'{name}: --help has', helped.get(name, 'nothing'),
                  'and the page', manual.get(name, 'nothing'))
            bad += 1
    if len(helped) < 5 or '--help' not in helped:
        print('found only', sorted(helped), 'in what --help prints')
        bad += 1
    if shutil.which('mandoc'):
        lint = subprocess.run(['mandoc', '-T', 'lint', '-W', 'warning', page],
                              check=False, text=True, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT)
        print(lint.stdout, end='')
        bad += lint.returncode != 0
    return 1 if bad else 0


if __name__ == '__main__':
    sys.exit(main())
