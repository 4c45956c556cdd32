#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Count single tests in the logs of meson test runs.

usage: count-tests.py NAME=testlog.json...

Prints one line per failed or skipped test, and last "passed failed skipped".
A meson test that prints no cmocka lines counts as one test.
"""

import json
import re
import sys

EVENT = re.compile(r'^\[\s*(RUN|OK|FAILED|SKIPPED)\s*\] (.+)$')


def cmocka(stdout):
    """Yield (test, outcome, reason) of all tests that were begun.

    Failures go to stderr, crashes nowhere: what has begun and neither ended
    well nor was skipped has failed.
    """
    name, reason = None, ''
    for line in stdout.splitlines():
        event = EVENT.match(line.strip())
        if event is None:
            if line.strip():
                reason = line.strip()
        elif event[1] == 'RUN':
            if name is not None:
                yield name, 'failed', ''
            name, reason = event[2], ''
        elif event[2] == name and event[1] in ('OK', 'SKIPPED'):
            yield name, 'passed' if event[1] == 'OK' else 'skipped', reason
            name = None
    if name is not None:
        yield name, 'failed', ''


def outcomes(entry):
    """Yield (test, outcome, reason) of one meson test."""
    bad = entry['result'] not in ('OK', 'SKIP', 'EXPECTEDFAIL')
    found = list(cmocka(entry.get('stdout', '')))
    if not found:
        outcome = 'failed' if bad else \
            'skipped' if entry['result'] == 'SKIP' else 'passed'
        lines = entry.get('stdout', '').strip().splitlines()
        found = [('', outcome, lines[-1] if lines else '')]
    elif bad and all(outcome != 'failed' for _, outcome, _ in found):
        # Died outside of its tests, or a sanitizer complained at the end.
        found.append(('exit', 'failed', ''))
    for test, outcome, reason in found:
        if outcome == 'failed':
            reason = '%s, exit status %s' % (
                entry['result'], entry.get('returncode'))
        yield test, outcome, reason


def main():
    count = {'passed': 0, 'failed': 0, 'skipped': 0}
    for arg in sys.argv[1:]:
        run, path = arg.split('=', 1)
        with open(path, encoding='utf-8') as log:
            entries = [json.loads(line) for line in log if line.strip()]
        for entry in entries:
            for test, outcome, reason in outcomes(entry):
                count[outcome] += 1
                if outcome != 'passed':
                    reason = re.sub('^skipped: *', '', reason)
                    print('%s: %s' % (outcome, ' '.join(filter(None, (
                        run, entry['name'], test)))) +
                        (': ' + reason if reason else ''))
    print(count['passed'], count['failed'], count['skipped'])


if __name__ == '__main__':
    main()
