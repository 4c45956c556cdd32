#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Install ferry, compile all examples as a user would, and run the README's.

usage: test_readme.py EXAMPLES BUILD-DIR MESON CC...

EXAMPLES: the folder of the examples' sources. Each is compiled by the command
at the top of its main.c. The program in the README is the one in hello/
(test/examples/test_shown.py). Nothing of the build tree is used but what `meson
install` puts into a new directory, found through pkg-config.
"""

import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time

SKIP = 77
# The hub's default of 256 MiB, its registry, and what two EALs take.
PAGES = 160
PAGES_FILE = '/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages'
SECONDS = 300


def free_pages():
    try:
        with open(PAGES_FILE, encoding='ascii') as f:
            return int(f.read())
    except OSError:
        return 0


def fail(what, *texts):
    print('failed:', what)
    for text in texts:
        print(text)
    sys.exit(1)


def run(what, *args, **kwargs):
    done = subprocess.run(args, stdout=subprocess.PIPE, text=True,
                          stderr=subprocess.STDOUT, check=False, **kwargs)
    if done.returncode != 0:
        fail(what, ' '.join(args), done.stdout)
    return done.stdout


def compile_all(examples, tmp, cc, env):
    """Each example in a folder of its own below tmp, by its own command."""
    names = [entry.name for entry in os.scandir(examples) if entry.is_dir()]
    if 'hello' not in names:
        fail('no hello among the examples', *names)
    for name in names:
        shutil.copytree(os.path.join(examples, name), os.path.join(tmp, name))
        with open(os.path.join(tmp, name, 'main.c'), encoding='utf-8') as f:
            commands = re.findall(r'^ \*     cc (.*)$', f.read(), re.M)
        if len(commands) != 1:
            fail('%d lines with cc in %s' % (len(commands), name))
        run('compile ' + name, 'sh', '-c', ' '.join(
            [*map(shlex.quote, cc), '-Wall -Wextra -Werror', commands[0]]),
            cwd=os.path.join(tmp, name), env=env)
        if not os.access(os.path.join(tmp, name, name), os.X_OK):
            fail('the command of %s does not make it' % name)


def install(build, meson, root):
    """Install below root; the environment to compile and run with."""
    run('install', meson, 'install', '-C', build, '--no-rebuild', '--destdir',
        root)
    pcs = [os.path.join(path, 'libferry.pc')
           for path, _, files in os.walk(root) if 'libferry.pc' in files]
    if len(pcs) != 1:
        fail('libferry.pc is installed %d times' % len(pcs))
    # DESTDIR is for packagers: the file names the final place. It goes there.
    with open(pcs[0], encoding='utf-8') as f:
        text = f.read()
    text, n = re.subn(r'^prefix=(.*)$', 'prefix=' + root + r'\1', text,
                      flags=re.M)
    if n != 1:
        fail('no prefix in libferry.pc', text)
    with open(pcs[0], 'w', encoding='utf-8') as f:
        f.write(text)
    pc_dir = os.path.dirname(pcs[0])
    return dict(os.environ, PKG_CONFIG_PATH=pc_dir,
                LD_LIBRARY_PATH=os.path.dirname(pc_dir))


def wait_for(path, text, process):
    end = time.monotonic() + SECONDS
    while time.monotonic() < end:
        with open(path, encoding='utf-8') as f:
            if text in f.read():
                return
        if process.poll() is not None:
            break
        time.sleep(0.02)
    with open(path, encoding='utf-8') as f:
        fail('the receiver does not start', f.read())


def leavings(prefix):
    found = []
    for path in ('/dev/hugepages', '/var/run/dpdk'):
        if os.path.isdir(path):
            found += [os.path.join(path, name) for name in os.listdir(path)
                      if name.startswith(prefix)]
    return found


def play(tmp, env, children):
    """Run both roles of hello and look at what they say."""
    prefix = 'ferry-readme-%d' % os.getpid()
    option = '--file-prefix=' + prefix
    log = os.path.join(tmp, 'receiver.log')
    with open(log, 'w', encoding='utf-8') as err:
        receiver = subprocess.Popen(
            ['./hello', option], cwd=tmp, env=env, text=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=err)
    children.append(receiver)
    wait_for(log, 'waiting for ./hello send', receiver)

    sender = subprocess.Popen(
        ['./hello', 'send', option], cwd=tmp, env=env, text=True,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT)
    children.append(sender)
    said = sender.communicate(timeout=SECONDS)[0]
    if sender.returncode != 0:
        fail('the sender exits with %d' % sender.returncode, said)
    heard = receiver.communicate(timeout=SECONDS)[0]
    if receiver.returncode != 0:
        with open(log, encoding='utf-8') as f:
            fail('the receiver exits with %d' % receiver.returncode, f.read())
    lines = [line for line in heard.splitlines()
             if not line.startswith(('EAL:', 'TELEMETRY:'))]
    if lines != ['hello, world']:
        fail('the receiver printed', heard)
    if leavings(prefix):
        fail('left behind', *leavings(prefix))


def main():
    examples, build, meson, *cc = sys.argv[1:]
    if free_pages() < PAGES:
        print('skipped: %d free 2 MiB hugepages, %d needed' % (
            free_pages(), PAGES))
        return SKIP
    children = []
    tmp = tempfile.mkdtemp(prefix='ferry-readme.')
    # So that the test's time limit cleans up, too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    try:
        env = install(build, meson, os.path.join(tmp, 'root'))
        compile_all(examples, tmp, cc, env)
        play(os.path.join(tmp, 'hello'), env, children)
    finally:
        for child in children:
            if child.poll() is None:
                child.kill()
                child.wait()
        shutil.rmtree(tmp, ignore_errors=True)
    return 0


if __name__ == '__main__':
    sys.exit(main())
