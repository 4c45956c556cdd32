#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Verify a model with Spin, and see each of its mutants fail. Writes the lines
that cmocka does.

    run_model.py MODEL [NAME]

MODEL: bell, bell_if, ...: MODEL.pml here. NAME: one of the tests it writes, or
"all". See doc/guides/contributing/tests.rst.
"""

import concurrent.futures
import os
import re
import shutil
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, '../support'))
import outside  # noqa: E402

CC = ['gcc', '-w']
# Searches at a time, and MiB for each: one that needs more has failed.
AT_ONCE = 2
MEMORY = 1000
# Models with many states, which are to be stored in less space.
COLLAPSED = ['claim']
# Steps of the longest run; one that is longer cuts the search short.
DEPTH = 100000
# For each run of a program, of which the longest takes 10 with a CPU of its
# own.
SECONDS = 1500

# What holds, and each way of breaking it: "X" must fail by a state that no run
# may end in or by an assertion, "X:endless" by a run without end. "X:large"
# takes larger numbers to fail. The last ones must hold: what could be left out,
# or a machine weaker than x86.
MODELS = {
    'bell': [
        ('', 'NO_FO NO_FR NO_RO NO_COMPARE NO_X NO_K', 'WEAK_RMW'),
        ('DEATH', 'NO_SHOUT POLITE_SHOUT', ''),
    ],
    'bell_if': [
        ('', 'NO_SETTLE SETTLE_FIRST FENCE_FOR_SETTLE NO_FO NO_FR NO_RO '
         'EARLY_ENDPOINT', 'WEAK_RMW'),
    ],
    'bulk_wake': [
        ('', 'NO_FENCE FRONT_FIRST OWN_UNIT WISH_LATE NO_FO NO_RO',
         'NO_FR WEAK_RMW'),
        ('GIVES_UP', 'NO_RING_BACK NO_RING_OVER NO_OVER_IN_RO', 'WEAK_RMW'),
    ],
    'claim': [
        ('', 'NO_OVER_CHECK OVER_BEFORE_CLAIM NO_GEN_CHECK GEN_BEFORE_OVER '
         'GEN_LAST NO_BUSY NO_LAST_LOOK DONE_FIRST NO_CAS DROP_STORE '
         'OVER_STORE', 'WEAK_RMW'),
        ('FAILURE', 'END_AFTER_DROP:large', ''),
        ('ALONE', 'NO_GEN_CHECK DROP_STORE', ''),
        ('DEATH=TX', 'NO_END_FOR_DEAD', ''),
        ('DEATH=RX', 'NO_END_FOR_DEAD', ''),
        ('DEATH=SERVER', 'GUESS NO_REPAIR', ''),
    ],
    'engine_bulk': [
        ('', 'NO_E2 NO_P2 NO_BULK_IN_E3 NO_A A_FIRST CLEAR_LATE '
         'WANTS_BIT:endless', 'WEAK_RMW'),
        ('DEATH', 'NO_HUB_P5 NO_SHOUT', ''),
    ],
    'engine_idle': [
        ('', 'NO_E2 NO_E3 NO_P2 NO_P6 P5_BEFORE_P4:large NO_TAKE_EXCHANGE '
         'NO_FO NO_RO NO_X', 'NO_E4 P4_STORE NO_FR WEAK_RMW'),
        ('DEATH', 'NO_HUB_P5 NO_SHOUT POLITE_SHOUT', ''),
    ],
    'engine_move': [
        ('', 'NO_SECOND_LOOK:large TRUST_WATCH TRUST_BIT', 'WEAK_RMW'),
    ],
    'server': [
        ('', 'NO_P2 NO_L3 NO_L4 NO_CAS NO_S1 S4_BEFORE_S3 FREE_BEFORE_L5 '
         'GUESS NO_S1_STORE:endless', 'WEAK_RMW'),
    ],
}


def run(cmd, folder):
    done = subprocess.run(cmd, cwd=folder, capture_output=True, text=True,
                          timeout=SECONDS, check=False)
    return done.returncode, done.stdout + done.stderr


def search(model, defines, endless=False, optimise='-O1'):
    """pan's report of a search for bad ends, or for runs without end."""
    flags = [optimise, '-DNP' if endless else '-DSAFETY']
    if model in COLLAPSED:
        flags.append('-DCOLLAPSE')
    with tempfile.TemporaryDirectory(prefix='ferry-model-') as folder:
        code, out = run(['spin', '-a'] + ['-D' + d for d in defines] +
                        [os.path.join(HERE, model + '.pml')], folder)
        assert code == 0 and 'rror' not in out, out
        code, out = run(CC + flags + [f'-DMEMLIM={MEMORY}', '-o', 'pan',
                                      'pan.c'], folder)
        assert code == 0, out
        code, out = run(['./pan', '-n', '-w20', f'-m{DEPTH}'] +
                        (['-l'] if endless else []), folder)
    # Either the whole space without an error, or an error.
    assert 'max search depth too small' not in out, out
    assert 'reached -DMEMLIM' not in out and 'out of memory' not in out, out
    assert re.search(r'errors: \d+$', out, re.M), out
    return out


def holds(model, defines, endless=False):
    out = search(model, defines, endless)
    assert 'errors: 0\n' in out and 'not completed' not in out, out
    # What was asked for was looked for.
    assert re.search(r'non-progress cycles\s+\+' if endless else
                     r'invalid end states\s+\+', out), out
    states = int(re.search(r'(\d+) states, stored', out)[1])
    # Not a model that stops at its beginning.
    assert states > 1000, out
    return f'{states} states'


def fails(model, defines, endless=False):
    # An error is mostly found in less time than it takes to optimise.
    out = search(model, defines, endless, '-O0')
    assert 'errors: 1\n' in out, out
    wrong = re.search(r'^pan:1: (.*)$', out, re.M)[1]
    assert re.match('non-progress cycle' if endless else
                    'invalid end state|assertion violated', wrong), out
    return wrong


def checks_of(model):
    """Yield name, function, arguments."""
    for base, mutants, also in MODELS[model]:
        name = ' '.join([model] + base.split())
        base = base.split()
        small = base + ['SMALL']
        yield f'{name} holds', holds, base
        yield f'{name} has no endless run', holds, small, True
        for variant in also.split():
            yield f'{name} holds with {variant}', holds, small + [variant]
        for mutant in mutants.split():
            define, how = mutant.partition(':')[::2]
            yield (f'{name} fails with {define}', fails,
                   (base if how == 'large' else small) + [define],
                   how == 'endless')


def main():
    model, which = sys.argv[1], (sys.argv + ['all'])[2]
    for program in ('spin', CC[0]):
        if shutil.which(program) is None:
            print(f'skipped: {program} is not installed')
            return 77
    tests = {}
    with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
        for name, check, *args in checks_of(model):
            if which in (name, 'all'):
                found = pool.submit(check, model, *args)
                tests['test_' + name] = lambda found=found: print(
                    found.result())
        return outside.run_tests(tests, which)


if __name__ == '__main__':
    sys.exit(main())
