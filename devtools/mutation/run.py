# SPDX-License-Identifier: BSD-3-Clause
"""Runs one test of a meson build, in namespaces of its own."""

import collections
import json
import os
import re
import signal
import subprocess
import time

Test = collections.namedtuple('Test', 'name cmd env workdir targets')
Outcome = collections.namedtuple('Outcome', 'verdict seconds words')

# Whatever a mutant kills, fills or leaves behind is its own: processes,
# hugepage files, run-time directories, temporary files.
INSIDE = '''
mount -t tmpfs -o mode=755 none /run/dpdk || exit 99
mount -t hugetlbfs -o pagesize=2M none /dev/hugepages || exit 99
%s
"$@"
'''
FAILED = re.compile(rb'^\[\s*FAILED\s*\] (\S+)$', re.M)


def isolated(keep_tmp):
    tmp = '' if keep_tmp else \
        'mount -t tmpfs -o mode=1777 none /tmp || exit 99'
    os.makedirs('/run/dpdk', exist_ok=True)
    # Who kills this program ends the test, too.
    return ['setpriv', '--pdeathsig', 'KILL',
            'unshare', '--pid', '--fork', '--kill-child', '--mount',
            '--mount-proc', 'sh', '-c', INSIDE % tmp, 'sh']


def introspect(build, what):
    with open(os.path.join(build, 'meson-info', 'intro-%s.json' % what),
              encoding='utf-8') as f:
        return json.load(f)


def tests_of(build):
    """The tests that may judge a mutant, by name."""
    targets = {t['id']: t['filename'] for t in introspect(build, 'targets')}
    root = os.path.realpath(build) + '/'
    made = {os.path.realpath(f) for files in targets.values() for f in files}
    found = {}
    for t in introspect(build, 'tests'):
        suites = {s.split(':')[-1] for s in t['suite']}
        # Models know no C; the benchmark measures; the user's guide compiles.
        if suites & {'models', 'perf-smoke'} or t['name'] in (
                'readme', 'doc_names'):
            continue
        # Not all arguments are files.
        files = made.intersection(
            os.path.realpath(os.path.join(root, a)) for a in t['cmd'])
        for dep in t['depends']:
            files.update(os.path.realpath(f) for f in targets.get(dep, []))
        found[t['name']] = Test(
            t['name'], t['cmd'], t['env'], t['workdir'] or root,
            sorted(f[len(root):] for f in files if f.startswith(root)))
    return found


def objects_of(build, src):
    """{object: (file, command)} of what is compiled. An object is named after
    what it is a part of and its source: file names depend on where one builds.
    """
    text = subprocess.run(['ninja', '-C', build, '-t', 'compdb'], check=True,
                          stdout=subprocess.PIPE).stdout
    found = {}
    for e in json.loads(text[text.index(b'['):]):
        target, part, _ = e['output'].partition('.p/')
        source = os.path.realpath(os.path.join(e['directory'], e['file']))
        if part and e['output'].endswith('.o'):
            name = target + ':' + os.path.relpath(source, src)
            found[name] = e['output'], e['command']
    return found


def target_of(obj):
    """The program or library that an object is a part of."""
    return obj.split(':')[0]


def run(test, limit, log, env=None, keep_tmp=False, stop_early=True):
    """Run a test. The verdict is passed, skipped, failed or timeout."""
    whole = dict(os.environ)
    whole.update(test.env)
    whole.update(env or {})
    begin = time.monotonic()
    with open(log, 'wb') as out:
        process = subprocess.Popen(
            isolated(keep_tmp) + test.cmd, env=whole, cwd=test.workdir,
            stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT,
            start_new_session=True)
    verdict, pause = None, 0.01
    while verdict is None:
        try:
            code = process.wait(pause)
            verdict = 'skipped' if code == 77 else \
                'passed' if code == 0 else 'failed'
            break
        except subprocess.TimeoutExpired:
            pause = min(pause * 1.5, 0.2)
        if time.monotonic() - begin > limit:
            verdict = 'timeout'
        elif stop_early and FAILED.search(read(log)):
            verdict = 'failed'
    if process.poll() is None:
        # unshare takes its child along, and with it all in the namespace.
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    text = read(log)
    if process.returncode == 99 and b'mount: ' in text[:200] or \
            text.startswith(b'unshare: '):
        raise SystemExit('cannot isolate the tests: run as root; see ' + log)
    name = FAILED.search(text)
    return Outcome(verdict, time.monotonic() - begin,
                   name[1].decode() if name else '')


def read(path):
    with open(path, 'rb') as f:
        return f.read()
