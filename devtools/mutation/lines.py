# SPDX-License-Identifier: BSD-3-Clause
"""Which test runs which line: from the counters of the coverage build.

Each test runs once with its counters in a directory of its own. The result is
kept in a file, and used as long as neither lib/ and drivers/ nor the test's
folder have changed.
"""

import glob
import hashlib
import json
import os
import shutil
import subprocess

from . import run

BUILD = 'build-coverage'


def digest(paths):
    h = hashlib.sha1()
    for path in sorted(paths):
        if os.path.isfile(path):
            h.update(path.encode() + b'\0' + run.read(path))
    return h.hexdigest()


class Lines:
    """seconds, and lines that run, of each test; lines there are, of each
    object."""

    def __init__(self, path):
        self.path = path
        self.data = {'source': '', 'objects': {}, 'tests': {}}
        if os.path.exists(path):
            with open(path, encoding='utf-8') as f:
                self.data = json.load(f)

    def save(self):
        with open(self.path + '.new', 'w', encoding='utf-8') as f:
            json.dump(self.data, f)
        os.rename(self.path + '.new', self.path)

    def refresh(self, say):
        """Run what has changed since the map was made."""
        source = digest(glob.glob('lib/**', recursive=True) +
                        glob.glob('drivers/**', recursive=True))
        if self.data['source'] != source:
            self.data = {'source': source, 'objects': {}, 'tests': {}}
        tests = run.tests_of(BUILD)
        objects = run.objects_of(BUILD, os.getcwd())
        self.names = {out[:-2]: name for name, (out, _) in objects.items()}
        for name in set(self.data['tests']) - set(tests):
            del self.data['tests'][name]
        todo = []
        for name, test in tests.items():
            key = digest(sources_of(test, objects))
            last = self.data['tests'].get(name, {})
            if last.get('key') != key or \
                    last['verdict'] in ('failed', 'timeout'):
                todo.append((test, key))
        if not todo:
            return
        say('map of lines: %d tests to run once' % len(todo))
        seen = {}
        for test, key in todo:
            entry = self._one(test, seen)
            entry['key'] = key
            self.data['tests'][test.name] = entry
            self.save()
            say('%-24s %-8s %6.1f s, %d lines' % (
                test.name, entry['verdict'], entry['seconds'],
                sum(len(v) for v in entry['lines'].values())))

    def _one(self, test, seen):
        where = os.path.abspath('%s-counters-%d' % (BUILD, os.getpid()))
        shutil.rmtree(where, ignore_errors=True)
        os.makedirs(where)
        out = run.run(test, 1800, where + '.log', stop_early=False,
                      env={'GCOV_PREFIX': where})
        os.unlink(where + '.log')
        lines = {}
        root = os.path.abspath(BUILD)
        for top, _, names in os.walk(where):
            folder = os.path.relpath(top[len(where):] or '/', root)
            self._folder(top, [n[:-5] for n in names if n.endswith('.gcda')],
                         folder, seen, lines)
        shutil.rmtree(where, ignore_errors=True)
        return {'verdict': out.verdict, 'seconds': out.seconds,
                'lines': {f: sorted(n) for f, n in lines.items()}}

    def _folder(self, top, names, folder, seen, lines):
        """Add what ran of the objects whose counters are in one directory."""
        todo = {}
        for name in names:
            obj = self.names.get(os.path.join(folder, name))
            if obj is None:
                continue
            data = run.read(os.path.join(top, name + '.gcda'))
            # But for the summary, which has the largest of all counters.
            key = obj, hashlib.sha1(data[32:]).digest()
            if key in seen:
                merge(lines, seen[key])
                continue
            os.symlink(os.path.abspath(os.path.join(BUILD, folder,
                                                    name + '.gcno')),
                       os.path.join(top, name + '.gcno'))
            todo[name + '.gcda'] = key
        for name, ran, there in counters(top, todo):
            obj = todo[name][0]
            if obj not in self.data['objects']:
                self.data['objects'][obj] = there
            seen[todo[name]] = ran
            merge(lines, ran)

    def tests(self, path, first, last):
        """Names of the tests that run one of these lines, fastest first; last
        those that failed without any change."""
        ran = {name: t for name, t in self.data['tests'].items()
               if any(first <= n <= last for n in t['lines'].get(path, ()))}
        return sorted(ran, key=lambda name: (ran[name]['verdict'] != 'passed',
                                             ran[name]['seconds']))

    def objects(self, path, first, last):
        """Objects that contain one of these lines."""
        return [obj for obj, files in self.data['objects'].items()
                if any(first <= n <= last for n in files.get(path, ()))]

    def known(self, path, first, last):
        """These lines, or the nearest before that the compiler knows."""
        there = set()
        for files in self.data['objects'].values():
            there.update(files.get(path, ()))
        if any(first <= n <= last for n in there):
            return first, last
        before = [n for n in there if first - 6 <= n < first]
        return (max(before), last) if before else (first, last)


def sources_of(test, objects):
    """What a test is made of, but for lib/ and drivers/."""
    found = {name.split(':')[1] for name in objects
             if run.target_of(name) in test.targets}
    for arg in test.cmd:
        at = arg.find('/test/')
        if at >= 0 and arg.endswith('.py'):
            found.add(arg[at + 1:])
    found = {f for f in found if not f.startswith(('lib/', 'drivers/'))}
    # Headers and modules beside them.
    for folder in {os.path.dirname(f) for f in found} | {'test/support'}:
        found.update(glob.glob(folder + '/*.h'), glob.glob(folder + '/*.py'))
    return found


def merge(into, lines):
    for path, numbers in lines.items():
        into.setdefault(path, set()).update(numbers)


def counters(folder, names):
    """For each file of counters: lines of lib/ and drivers/ that ran, and that
    there are, by file."""
    if not names:
        return
    text = subprocess.run(['gcov', '--json-format', '--stdout'] +
                          sorted(names), cwd=folder, check=False,
                          stdout=subprocess.PIPE,
                          stderr=subprocess.DEVNULL).stdout
    root = os.getcwd() + '/'
    for part in text.splitlines():
        data = json.loads(part)
        ran, there = {}, {}
        base = data['current_working_directory']
        for entry in data['files']:
            path = os.path.realpath(os.path.join(base, entry['file']))
            if not path.startswith((root + 'lib/', root + 'drivers/')):
                continue
            path = path[len(root):]
            numbers = {n['line_number'] for n in entry['lines']}
            hit = {n['line_number'] for n in entry['lines'] if n['count'] > 0}
            there[path] = sorted(numbers)
            if hit:
                ran[path] = hit
        yield os.path.basename(data['data_file']), ran, there
