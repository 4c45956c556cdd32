# SPDX-License-Identifier: BSD-3-Clause
"""What tests of programs from outside share: the lines that cmocka writes, what
the machine must have, and what may not be left behind."""

import glob
import os
import subprocess
import sys

PAGES = '/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages'


class Skip(Exception):
    """Raised with the reason."""


def need_machine(pages, cpus=1):
    """Skip unless there are root's rights and so many 2 MiB pages and CPUs."""
    if os.geteuid() != 0:
        raise Skip('not root')
    try:
        with open(PAGES, encoding='ascii') as f:
            free = int(f.read())
    except OSError as e:
        raise Skip('the kernel has no 2 MiB hugepages') from e
    if free < pages:
        raise Skip(f'{free} free 2 MiB hugepages, {pages} needed')
    if len(os.sched_getaffinity(0)) < cpus:
        raise Skip(f'fewer than {cpus} CPUs')


def left_behind(prefix):
    """Hugepage files and run-time directories of an EAL file prefix."""
    return (glob.glob(f'/dev/hugepages/{prefix}map_*') +
            glob.glob(f'/var/run/dpdk/{prefix}'))


def run_tests(functions, which):
    """Run the test_* among functions, or the one named; an exit code."""
    tests = {name[5:]: f for name, f in functions.items()
             if name.startswith('test_') and which in (name[5:], 'all')}
    outcomes = []
    for name, test in tests.items():
        print(f'[ RUN      ] {name}', flush=True)
        try:
            test()
            outcome = 'OK'
        except Skip as reason:
            print(f'skipped: {reason}')
            outcome = 'SKIPPED'
        except (AssertionError, subprocess.TimeoutExpired) as e:
            print(f'{type(e).__name__}: {e}')
            print(f'failed in line {e.__traceback__.tb_next.tb_lineno}'
                  if e.__traceback__.tb_next else '')
            outcome = 'FAILED'
        print(f'[ {outcome:>8} ] {name}', flush=True)
        outcomes.append(outcome)
    if 'FAILED' in outcomes or not outcomes:
        return 1
    # As meson wants to be told of what was skipped as a whole.
    return 77 if set(outcomes) == {'SKIPPED'} else 0


if __name__ == '__main__':
    sys.exit('not a test of its own')
