#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Makes one-line mutants of lib/ and drivers/ and runs the tests that run the
line, until one fails.

    devtools/mutate.py --sample 100 --seed 1 --resume mutants.jsonl

Needs root, hugepages, and what devtools/coverage.sh needs. The map of lines is
made first; this takes as long as all tests take. A mutant is

    killed       a test failed or ran into its time limit, and passes without
                 the change
    survived     all tests that run the line passed
    uncovered    no test runs the line
    same code    the compiler makes the same of it: not counted
    stillborn    does not compile: not counted
    equivalent   listed in devtools/mutants-equivalent.txt: not counted

The score is what was killed of the first three. doc/guides/contributing/tests
says more.
"""

import argparse
import collections
import fnmatch
import glob
import json
import os
import queue
import random
import subprocess
import sys
import threading
import time

from mutation import lines as mutation_lines
from mutation import run, source, tree

EQUIVALENT = 'devtools/mutants-equivalent.txt'
COUNTED = ('killed', 'survived', 'uncovered')
WORK = 'build-mutants'


def say(*words):
    print(*words, flush=True)


def options():
    p = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    p.add_argument('--files', action='append', metavar='GLOB',
                   help='only of these files, such as "lib/hub/*.c"')
    p.add_argument('--match', metavar='TEXT',
                   help='only of lines that contain this')
    p.add_argument('--kinds', metavar='KIND,...',
                   help='only these changes; "order" drops and swaps fences,\n'
                   'and is made only if named')
    p.add_argument('--sample', type=int, metavar='N', help='only so many')
    p.add_argument('--seed', type=int, default=1, help='which they are')
    p.add_argument('--jobs', type=int, default=1, metavar='J',
                   help='mutants at a time, each in a copy of the checkout')
    p.add_argument('--list', action='store_true',
                   help='list the mutants, run none')
    p.add_argument('--resume', metavar='FILE',
                   help='keep results here, as lines of JSON; those that are\n'
                   'there are not run again')
    p.add_argument('--again', action='store_true',
                   help='with --resume: run again what is there and was not\n'
                   'killed')
    p.add_argument('--report', action='store_true',
                   help='with --resume: only the score of what is there')
    p.add_argument('--old-map', action='store_true',
                   help='take the map of lines as it is')
    p.add_argument('--time-limit', type=float, metavar='S',
                   help='begin no further mutant after so many seconds')
    p.add_argument('--test-time', type=float, default=120, metavar='S',
                   help='for each mutant, only the fastest of its tests that\n'
                   'together take so long (default 120)')
    return p.parse_args()


def source_files(patterns):
    paths = sorted(glob.glob('lib/*/*.[ch]') + glob.glob('drivers/*/*/*.[ch]'))
    return [p for p in paths if not patterns or
            any(fnmatch.fnmatch(p, g) for g in patterns)]


def forgotten(found):
    """Name entries of the list that are no mutants: the code has changed."""
    there = {(m.path, m.function, m.old_line, m.new_line) for m in found}
    for path, function, old, _ in sorted(equivalents() - there):
        say('%s: no such mutant in %s, %s: %s' % (EQUIVALENT, path, function,
                                                  old))


def selected(opt):
    found = []
    kinds = opt.kinds.split(',') if opt.kinds else None
    for path in source_files(opt.files):
        with open(path, encoding='utf-8') as f:
            found += source.mutants_of(path, f.read())
    if not opt.files:
        forgotten(found)
    found = [m for m in found
             if (m.kind in kinds if kinds else m.kind != 'order') and
             (not opt.match or opt.match in m.old_line)]
    if opt.sample is not None and opt.sample < len(found):
        found = random.Random(opt.seed).sample(found, opt.sample)
    return found


def equivalents():
    """{(file, function, old line, new line)} of the list."""
    found, entry = set(), []
    with open(EQUIVALENT, encoding='utf-8') as f:
        for number, line in enumerate(f, 1):
            line = line.rstrip('\n')
            if not line or line[0] in '#\t':
                continue
            if line[:2] not in ('- ', '+ ', '= '):
                entry = line.split()
            elif line[0] != '=':
                entry.append(line[2:])
            elif len(entry) == 4:
                found.add(tuple(entry))
            else:
                raise SystemExit('%s:%d: before the reason, "FILE FUNCTION", -'
                                 ' and + are wanted' % (EQUIVALENT, number))
    return found


class Judge:
    """Runs the tests of one mutant at a time in a copy of the checkout."""

    def __init__(self, top, lines, test_time):
        self.tree, self.lines = tree.Tree(top), lines
        self.test_time = test_time

    def judge(self, mutant):
        self.tests_run, self.seconds_unrun = 0, 0
        try:
            self.tree.mutate(mutant)
            return self._judge(mutant)
        except tree.Stillborn as e:
            return {'status': 'stillborn', 'by': str(e).strip()[:300]}
        finally:
            self.tree.restore()

    def _compile(self, objects):
        """Compile and link what differs. Returns whether something does."""
        changed = collections.OrderedDict()
        for obj in objects:
            if self.tree.compile(obj):
                changed[run.target_of(obj)] = True
        for target in list(changed):
            name = os.path.basename(target)
            # A room of the library: both libraries are made of its objects,
            # because the archives between them are thin.
            if name.startswith('libferry_') and name.endswith('.a'):
                del changed[target]
                changed['libferry_insides.so'] = True
                for so in glob.glob('libferry.so.*',
                                    root_dir=self.tree.build):
                    if so.split('.so.')[1].replace('.', '').isdigit():
                        changed[so] = True
        for target in changed:
            if target not in self.tree.dirty:
                self.tree.link(target)
        return bool(changed)

    def _judge(self, mutant):
        span = self.lines.known(mutant.path, mutant.first, mutant.last)
        objects = self.lines.objects(mutant.path, *span)
        names = [n for n in self.lines.tests(mutant.path, *span)
                 if n in self.tree.tests]
        if not names:
            if objects and not any(self.tree.compile(o) for o in objects[:1]):
                return {'status': 'same code'}
            return {'status': 'uncovered'}
        spent, differs = 0, False
        for name in names:
            seconds = self.lines.data['tests'][name]['seconds']
            spent += seconds
            if spent > self.test_time and self.tests_run > 0:
                self.seconds_unrun += seconds
                continue
            targets = self.tree.tests[name].targets
            if not self._compile([
                    o for o in objects if run.target_of(o) in targets or
                    os.path.basename(run.target_of(o))
                    .startswith(('libferry.so', 'libferry_'))]):
                continue
            differs = True
            self.tests_run += 1
            limit = 20 + 4 * seconds
            out = self.tree.run(name, limit)
            if out.verdict not in ('failed', 'timeout'):
                continue
            # Is it the change that it fails for?
            self.tree.restore()
            if self.tree.run(name, limit).verdict == 'passed':
                return {'status': 'killed', 'by': name, 'case': out.words,
                        'how': out.verdict}
            say('%s fails without a change, too' % name)
            self.tree.mutate(mutant)
        return {'status': 'survived' if differs else 'same code'}


def summary(results):
    folders = collections.defaultdict(collections.Counter)
    for r in results:
        for folder in (os.path.dirname(r['file']), 'all'):
            folders[folder][r['status']] += 1
    order = sorted(f for f in folders if f != 'all') + ['all']
    say('%-22s %7s %7s %8s %9s %6s' % (
        'folder', 'mutants', 'killed', 'survived', 'uncovered', 'score'))
    for folder in order:
        c = folders[folder]
        n = sum(c[s] for s in COUNTED)
        say('%-22s %7d %7d %8d %9d %5s %%' % (
            folder, n, c['killed'], c['survived'], c['uncovered'],
            '%.0f' % (100 * c['killed'] / n) if n else '-'))
    c = folders['all']
    say('not counted: ' + ', '.join('%d %s' % (c[s], s) for s in (
        'same code', 'equivalent', 'stillborn')))


def survivors(results):
    for r in results:
        if r['status'] in ('survived', 'uncovered'):
            say('%s:%d: %s(): %s (%s, %s)' % (
                r['file'], r['line'], r.get('function'), r['status'],
                r['kind'], r['id']))
            say('    - ' + r['old'])
            say('    + ' + r['new'])


def read_results(path):
    found = collections.OrderedDict()
    if path and os.path.exists(path):
        with open(path, encoding='utf-8') as f:
            for line in f:
                if line.endswith('\n'):
                    r = json.loads(line)
                    found[r['id']] = r
    return found


class Run:
    """All mutants, shared by the workers."""

    def __init__(self, opt, mutants, results):
        self.opt, self.results = opt, results
        self.todo = queue.Queue()
        for m in mutants:
            self.todo.put(m)
        self.total, self.done = len(mutants), 0
        self.lock = threading.Lock()
        self.same = equivalents()
        self.begin = time.monotonic()
        self.failure = None

    def worker(self, judge):
        try:
            judge.tree.prepare()
            while not (self.opt.time_limit and time.monotonic() - self.begin >
                       self.opt.time_limit):
                try:
                    mutant = self.todo.get_nowait()
                except queue.Empty:
                    return
                self._one(judge, mutant)
        except SystemExit as e:
            # In a thread it would end that without a word.
            self.failure = e
            print('mutate.py:', e, file=sys.stderr)
        except Exception as e:
            self.failure = e
            raise

    def _one(self, judge, m):
        begin = time.monotonic()
        result = {'id': m.id, 'file': m.path, 'line': m.line, 'kind': m.kind,
                  'function': m.function, 'old': m.old_line,
                  'new': m.new_line}
        if (m.path, m.function, m.old_line, m.new_line) in self.same:
            result['status'] = 'equivalent'
        else:
            result.update(judge.judge(m))
            result['tests'] = judge.tests_run
            result['unrun'] = round(judge.seconds_unrun)
        result['seconds'] = round(time.monotonic() - begin, 1)
        with self.lock:
            self.done += 1
            self.results[m.id] = result
            if self.opt.resume:
                with open(self.opt.resume, 'a', encoding='utf-8') as f:
                    f.write(json.dumps(result) + '\n')
            say('%d/%d %-10s %5.1f s %s:%d %s %s' % (
                self.done, self.total, result['status'], result['seconds'],
                m.path, m.line, m.kind, result.get('by', '')[:60]
                .replace('\n', ' ')))


def main():
    os.chdir(os.path.join(os.path.dirname(os.path.abspath(__file__)), '..'))
    opt = options()
    mutants = selected(opt)
    if opt.list:
        for m in mutants:
            say('%s %s:%d: %s' % (m.id, m.path, m.line, m.kind))
            say('    - ' + m.old_line)
            say('    + ' + m.new_line)
        say('%d mutants' % len(mutants))
        return 0
    results = read_results(opt.resume)
    if not opt.report:
        mutants = [m for m in mutants if m.id not in results or opt.again and
                   results[m.id]['status'] in ('survived', 'uncovered')]
        lines = mutation_lines.Lines('build-coverage.json')
        if not opt.old_map:
            if subprocess.run(['devtools/coverage.sh', '--build'],
                              check=False).returncode != 0:
                return 1
            lines.refresh(say)
        work = Run(opt, mutants, results)
        judges = [Judge('%s/%d' % (WORK, j), lines, opt.test_time)
                  for j in range(opt.jobs)]
        threads = [threading.Thread(target=work.worker, args=(j,), daemon=True)
                   for j in judges]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        if work.failure is not None:
            return 1
    survivors(results.values())
    summary(results.values())
    return 0


if __name__ == '__main__':
    sys.exit(main())
