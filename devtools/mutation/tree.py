# SPDX-License-Identifier: BSD-3-Clause
"""A copy of the checkout in which one line at a time is wrong.

Only the objects that contain the line are compiled again, by the commands that
ninja would use, and what was there before is kept beside them: putting things
back costs no build.
"""

import glob
import os
import shutil
import subprocess

from . import run

KEPT = '.unchanged'


class Stillborn(Exception):
    """Does not compile, so it is no mutant."""


class Tree:
    def __init__(self, top):
        self.src = os.path.abspath(os.path.join(top, 'src'))
        self.build = os.path.abspath(os.path.join(top, 'build'))
        self.log = os.path.abspath(os.path.join(top, 'log'))
        self.test_log = os.path.abspath(os.path.join(top, 'test-log'))
        self.keep_tmp = self.src.startswith('/tmp/')
        self.commands, self.links = {}, {}
        self.dirty = set()    # outputs that are not as ninja made them
        self.current = None

    def prepare(self):
        """Copy and build what the tests need."""
        os.makedirs(self.src, exist_ok=True)
        self._restore_files()
        files = subprocess.run(
            ['git', 'ls-files', '-z', '--cached', '--others',
             '--exclude-standard'], check=True, stdout=subprocess.PIPE).stdout
        wanted = {f for f in files.decode().split('\0')
                  if f and os.path.exists(f)}
        for f in wanted:
            to = os.path.join(self.src, f)
            if not os.path.exists(to) or run.read(f) != run.read(to):
                os.makedirs(os.path.dirname(to), exist_ok=True)
                shutil.copy(f, to)
        for top, _, names in os.walk(self.src):
            for name in names:
                path = os.path.join(top, name)
                if os.path.relpath(path, self.src) not in wanted:
                    os.unlink(path)
        if not os.path.exists(os.path.join(self.build, 'build.ninja')):
            # Without debug information equal code is equal bytes.
            self._run(['meson', 'setup', self.build, self.src,
                       '-Ddocs=disabled', '-Dc_args=-g0'])
        self._run(['ninja', '-C', self.build, 'build.ninja'])
        self.tests = run.tests_of(self.build)
        targets = {t for test in self.tests.values() for t in test.targets}
        self._run(['ninja', '-C', self.build] + sorted(targets))
        self.commands = run.objects_of(self.build, self.src)

    def _run(self, argv):
        with open(self.log, 'ab') as log:
            if subprocess.run(argv, stdout=log, stderr=log,
                              stdin=subprocess.DEVNULL,
                              check=False).returncode != 0:
                raise SystemExit('cannot build the copy: see ' + self.log)

    def _restore_files(self):
        for kept in glob.glob(self.build + '/**/*' + KEPT, recursive=True):
            os.rename(kept, kept[:-len(KEPT)])

    def mutate(self, mutant):
        path = os.path.join(self.src, mutant.path)
        before = os.stat(path)
        with open(path, encoding='utf-8') as f:
            text = f.read()
        self.current = (path, text, before)
        with open(path, 'w', encoding='utf-8') as f:
            f.write(mutant.apply(text))

    def restore(self):
        if self.current is not None:
            path, text, before = self.current
            with open(path, 'w', encoding='utf-8') as f:
                f.write(text)
            # For ninja nothing has happened.
            os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
            self.current = None
        for out in self.dirty:
            out = os.path.join(self.build, out)
            os.rename(out + KEPT, out)
        self.dirty = set()

    def _make(self, out, command):
        full = os.path.join(self.build, out)
        if out not in self.dirty:
            # Also if the command fails and leaves nothing.
            os.rename(full, full + KEPT)
            self.dirty.add(out)
        done = subprocess.run(command, shell=True, cwd=self.build, check=False,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        if done.returncode != 0:
            with open(full, 'ab'):
                pass
            raise Stillborn(done.stdout.decode(errors='replace'))

    def compile(self, obj):
        """Compile an object anew. Returns whether its code differs."""
        out, command = self.commands.get(obj, ('', ''))
        full = os.path.join(self.build, out)
        if not out or not os.path.exists(full):
            return False
        if out not in self.dirty:
            self._make(out, command)
        return run.read(full) != run.read(full + KEPT)

    def link(self, target):
        if target not in self.links:
            text = subprocess.run(
                ['ninja', '-C', self.build, '-t', 'commands', '-s', target],
                check=True, stdout=subprocess.PIPE).stdout.decode()
            self.links[target] = text.strip().splitlines()[-1]
        self._make(target, self.links[target])

    def run(self, name, limit):
        return run.run(self.tests[name], limit, self.test_log,
                       keep_tmp=self.keep_tmp)

