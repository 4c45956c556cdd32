#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Install ferry, and compile and run the program in README.md as a user would.

usage: test_readme.py README BUILD-DIR MESON CC...

Nothing of the build tree is used but what `meson install` puts into a new
directory, found through pkg-config.
"""

import os
import re
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


def program(readme):
    """The one block of C code in the file."""
    with open(readme, encoding='utf-8') as f:
        blocks = re.findall(r'^```c\n(.*?)^```$', f.read(), re.S | re.M)
    if len(blocks) != 1:
        fail('%d blocks of C in %s, not 1' % (len(blocks), readme))
    return blocks[0]


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
    """Run both roles and look at what they say."""
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
    readme, build, meson, *cc = sys.argv[1:]
    if free_pages() < PAGES:
        print('skipped: %d free 2 MiB hugepages, %d needed' % (
            free_pages(), PAGES))
        return SKIP
    children = []
    tmp = tempfile.mkdtemp(prefix='ferry-readme.')
    # So that the test's time limit cleans up, too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    try:
        with open(os.path.join(tmp, 'hello.c'), 'w', encoding='utf-8') as f:
            f.write(program(readme))
        env = install(build, meson, os.path.join(tmp, 'root'))
        flags = run('pkg-config', 'pkg-config', '--cflags', '--libs',
                    'libferry', env=env).split()
        run('compile', *cc, '-Wall', '-Wextra', '-Werror', '-o', 'hello',
            'hello.c', *flags, cwd=tmp, env=env)
        play(tmp, env, children)
    finally:
        for child in children:
            if child.poll() is None:
                child.kill()
                child.wait()
        shutil.rmtree(tmp, ignore_errors=True)
    return 0


if __name__ == '__main__':
    sys.exit(main())
