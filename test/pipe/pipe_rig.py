# SPDX-License-Identifier: BSD-3-Clause
"""What the tests of ferry-pipe from outside share: hubs, senders and receivers
of the program that the command line names, and of a file prefix of their own.
"""

import contextlib
import hashlib
import json
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(__file__), '../support'))
import outside  # noqa: E402

PIPE, WHICH = sys.argv[1:]
PREFIX = f'ferry-pipe-test-{os.getpid()}'
EAL = f'--file-prefix={PREFIX}'
MEMORY = 16
# For blocks of 4 MiB, four at either end.
BLOCK_MEMORY = 64
# The hub's 16 MiB and what EALs take.
PAGES_NEEDED = 24
SECONDS = 300


def start(command, *args, **kwargs):
    kwargs.setdefault('stdin', subprocess.DEVNULL)
    kwargs.setdefault('stdout', subprocess.PIPE)
    kwargs.setdefault('stderr', subprocess.PIPE)
    return subprocess.Popen([PIPE, command, EAL, '--', *args], **kwargs)


def ended(process):
    """Exit code, stdout, stderr as text."""
    out, err = process.communicate(timeout=SECONDS)
    return process.returncode, out, (err or b'').decode()


@contextlib.contextmanager
def hub(*args, memory=MEMORY):
    """A hub, ended by Ctrl-C; nothing of it may be left."""
    outside.need_machine(PAGES_NEEDED + (memory - MEMORY) // 2)
    process = start('hub', '--memory', str(memory), *args)
    try:
        line = process.stderr.readline().decode()
        assert 'ready' in line, line + process.stderr.read().decode()
        yield process
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
        try:
            code, _, err = ended(process)
        except subprocess.TimeoutExpired:
            process.kill()
            raise
    if code >= 0:
        assert code == 0, err
        assert outside.left_behind(PREFIX) == []


def data_file(size, seed=1):
    f = tempfile.TemporaryFile()
    f.write(random.Random(seed).randbytes(size))
    f.seek(0)
    return f


def digest(f):
    f.seek(0)
    return hashlib.file_digest(f, 'sha256').hexdigest() \
        if hasattr(hashlib, 'file_digest') else \
        hashlib.sha256(f.read()).hexdigest()


def one_line(err, *words):
    assert err.count('\n') == 1 and err.startswith('ferry-pipe: '), err
    for word in words:
        assert word in err, (word, err)


def transfer(name, size, first, *options):
    """Send so many bytes, and compare; who starts first is told."""
    with data_file(size) as source, tempfile.TemporaryFile() as copy:
        if first == 'send':
            sender = start('send', name, *options, stdin=source)
            time.sleep(0.5)
        receiver = start('recv', name, stdout=copy)
        if first == 'recv':
            time.sleep(0.5)
            sender = start('send', name, *options, stdin=source)
        sent, received = ended(sender), ended(receiver)
        assert sent[0] == 0, (sent, received)
        assert received[0] == 0, received
        assert digest(source) == digest(copy)
        # Not on a terminal: the summary and nothing else.
        for verb, err in (('sent', sent[2]), ('received', received[2])):
            assert re.fullmatch(verb + r' %d bytes in \d+ messages, [\d.]+ s, '
                                r'[\d.]+ GB/s; copied by: .+\n' % size,
                                err), err
        return sent[2], received[2]


def telemetry(*commands):
    """What the hub answers to each, as python's values."""
    done = subprocess.run(
        ['dpdk-telemetry.py', '-f', PREFIX], text=True, check=True,
        input=''.join(c + '\n' for c in commands), capture_output=True,
        timeout=SECONDS)
    lines = [json.loads(line) for line in done.stdout.splitlines()
             if line.startswith('{"/ferry')]
    assert len(lines) == len(commands), done.stdout
    return [next(iter(line.values())) for line in lines]


@contextlib.contextmanager
def hub_with_engines(eal, *args, memory=MEMORY):
    """A hub that measures its lanes first: (process, what it printed)."""
    outside.need_machine(PAGES_NEEDED + (memory - MEMORY) // 2)
    process = subprocess.Popen(
        [PIPE, 'hub', EAL, *eal, '--', '--memory', str(memory), *args],
        stdin=subprocess.DEVNULL, stderr=subprocess.PIPE)
    told = []
    try:
        for line in process.stderr:
            told.append(line.decode())
            if 'ready' in told[-1]:
                break
        yield process, ''.join(told)
    finally:
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=SECONDS)
    assert process.returncode == 0, err
    assert outside.left_behind(PREFIX) == []
