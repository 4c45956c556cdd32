#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Lines and branches by folder, and files below the aim.

usage: coverage-report.py [--missing] LINES.json

Reads what gcovr --json writes; devtools/coverage.sh calls this.
"""

import collections
import json
import os
import sys

AIM_LINES, AIM_BRANCHES = 95, 85


class Count:
    def __init__(self):
        self.lines = self.lines_run = self.branches = self.branches_run = 0

    def add(self, other):
        for name, value in vars(other).items():
            setattr(self, name, getattr(self, name) + value)

    def text(self):
        return '%6d %6.1f %% %6d %6.1f %%' % (
            self.lines, percent(self.lines_run, self.lines),
            self.branches, percent(self.branches_run, self.branches))

    def below(self):
        return percent(self.lines_run, self.lines) < AIM_LINES or \
            percent(self.branches_run, self.branches) < AIM_BRANCHES


def percent(part, whole):
    return 100 * part / whole if whole else 100.0


def count(lines):
    c = Count()
    for line in lines:
        c.lines += 1
        c.lines_run += line['count'] > 0
        for branch in line['branches']:
            c.branches += 1
            c.branches_run += branch['count'] > 0
    return c


def ranges(lines):
    """Numbers of the lines that did not run, those next to each other as one,
    also over lines that hold no code."""
    out, begin, end = [], None, None
    for line in sorted(lines, key=lambda l: l['line_number']):
        if line['count'] == 0:
            end = line['line_number']
            begin = begin or end
        elif begin:
            out.append((begin, end))
            begin = None
    if begin:
        out.append((begin, end))
    return ', '.join('%d' % a if a == b else '%d-%d' % (a, b) for a, b in out)


def main():
    args = [a for a in sys.argv[1:] if a != '--missing']
    with open(args[0], encoding='utf-8') as f:
        files = {entry['file']: [l for l in entry['lines']
                                 if not l.get('gcovr/noncode')]
                 for entry in json.load(f)['files']}
    folders = collections.defaultdict(Count)
    counts = {}
    for path, lines in files.items():
        counts[path] = count(lines)
        folders[os.path.dirname(path)].add(counts[path])
        folders[path.split('/')[0] + '/'].add(counts[path])
    print('%-34s %6s %8s %6s %8s' % ('', 'lines', 'run', 'branch', 'run'))
    for folder in sorted(folders):
        print('%-34s %s' % (folder, folders[folder].text()))
    print('\nbelow %d %% of the lines or %d %% of the branches:'
          % (AIM_LINES, AIM_BRANCHES))
    for path in sorted(counts):
        if not counts[path].below():
            continue
        if path.startswith('lib/') or '--missing' in sys.argv:
            print('%-34s %s' % (path, counts[path].text()))
    if '--missing' in sys.argv:
        print('\nlines that no test runs:')
        for path in sorted(files):
            text = ranges(files[path])
            if text:
                print('%s: %s' % (path, text))


if __name__ == '__main__':
    main()
