#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""ferry-pipe with --copy, from outside: blocks of any length, and what goes
wrong in the middle of them.

    test_pipe_blocks.py FERRY_PIPE NAME

NAME: one of the tests below, or "all".
"""

import contextlib
import fcntl
import os
import random
import re
import select
import signal
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(__file__), '../support'))
import outside  # noqa: E402
from pipe_rig import (BLOCK_MEMORY, SECONDS, WHICH, data_file, digest, ended,
    hub, hub_with_engines, one_line, start, telemetry, transfer)  # noqa: E402


def test_blocks_of_any_length_arrive():
    mib = 1 << 20
    with hub(memory=BLOCK_MEMORY):
        # As long as a slot, as what goes in a slot, as one block, as all.
        for at in (131072, 262144, mib, 4 * mib):
            for size in (at - 1, at, at + 1):
                transfer('sizes', size, 'recv', '--block', '1M')
        for size in (0, 1, 4097, 20_000_003):
            transfer('sizes', size, 'send', '--block', '4097')
        transfer('sizes', 40_000_003, 'recv', '--copy')
        info, = telemetry('/ferry/hub,ferry')
        assert info['memory_free'] == info['memory'], info


def test_messages_in_slots_are_of_any_length_below_blocks():
    with hub(memory=BLOCK_MEMORY), data_file(3_000_000) as source, \
            tempfile.TemporaryFile() as copy:
        options = ['--slot-size', '1000', '--slots', '3']
        receiver = start('recv', 'small', *options, stdout=copy)
        sender = start('send', 'small', '--block', '70k', *options,
                       stdin=source)
        assert ended(sender)[0] == 0
        assert ended(receiver)[0] == 0
        assert digest(source) == digest(copy)


def copied_by(err):
    """What a summary says: who copied how many bytes."""
    units = {'B': 1, 'kB': 1e3, 'MB': 1e6}
    return {who: float(n) * units[unit] for who, n, unit in
            re.findall(r'(\w+) ([\d.]+) (B|kB|MB)\b',
                       err.split('copied by:')[1])}


def test_who_copied_is_told():
    with hub(memory=BLOCK_MEMORY):
        for err in transfer('who', 300_000, 'recv'):
            assert 'copied by: nobody (in place)\n' in err, err
        # In a slot: by the sender.
        for err in transfer('who', 100_000, 'recv', '--copy'):
            assert copied_by(err) == {'sender': 100_000}, err
        # All of it by somebody, and both of them name the same.
        sent, received = map(copied_by, transfer(
            'who', 20_000_000, 'recv', '--copy'))
        for by in (sent, received):
            assert abs(sum(by.values()) - 20_000_000) <= 20_000, by
        assert set(sent) <= {'sender', 'others'}, sent
        assert set(received) <= {'sender', 'receiver'}, received
        assert sent.get('sender') == received.get('sender'), (sent, received)


def test_an_engine_helps_to_copy():
    with hub_with_engines([], '--engines', '1', memory=BLOCK_MEMORY):
        sent, received = map(copied_by, transfer(
            'engine', 60_000_000, 'recv', '--copy'))
        for by in (sent, received):
            assert abs(sum(by.values()) - 60_000_000) <= 20_000, by
        assert set(received) <= {'sender', 'receiver', 'engine'}, received


@contextlib.contextmanager
def in_the_middle(name, at=5_000_000):
    """A sender of more blocks than are under way at once, and a receiver that
    has written so many bytes: (sender, receiver, rest). rest() reads to the
    end of the output, checks that it is a beginning of the input, and returns
    how long it is."""
    data = random.Random(2).randbytes(40 << 20)
    with tempfile.TemporaryFile() as source:
        source.write(data)
        source.seek(0)
        receiver = start('recv', name)
        sender = start('send', name, '--block', '1M', stdin=source)
        got = [receiver.stdout.read(at)]

        def rest():
            got.append(receiver.stdout.read())
            out = b''.join(got)
            assert data.startswith(out)
            return len(out)

        try:
            yield sender, receiver, rest
        finally:
            for process in (sender, receiver):
                if process.poll() is None:
                    process.send_signal(signal.SIGCONT)
                    process.kill()
                process.communicate()


def test_blocks_that_wait_take_a_bounded_amount_of_memory():
    mib = 1 << 20
    with hub(memory=BLOCK_MEMORY), in_the_middle('lag', 12 * mib):
        # Until both wait: the sender for a block, the receiver for us.
        before = None
        while (info := telemetry('/ferry/hub,ferry')[0]) != before:
            before = info
            time.sleep(0.2)
        # Four blocks at either end, and the channel.
        taken = info['memory'] - info['memory_free']
        assert 8 * mib < taken < 11 * mib, info


def test_a_side_that_ends_in_the_middle_of_blocks_is_noticed():
    with hub(memory=BLOCK_MEMORY):
        for number, word in ((signal.SIGKILL, 'died'),
                             (signal.SIGINT, 'ended')):
            for at in (1, 100_000, 5_000_000, 5_500_000, 20_000_000):
                with in_the_middle('sender', at) as (sender, receiver, rest):
                    sender.send_signal(number)
                    sender.wait(timeout=SECONDS)
                    assert at <= rest() < 40 << 20
                    code, _, err = ended(receiver)
                    assert code == 1
                    one_line(err, word, 'output is not complete')
                with in_the_middle('recv', at) as (sender, receiver, rest):
                    receiver.send_signal(number)
                    code, _, err = ended(sender)
                    assert code == 1
                    one_line(err, word)
                    assert rest() >= at
        transfer('sender', 20_000_000, 'recv', '--copy')
        info, = telemetry('/ferry/hub,ferry')
        assert info['memory_free'] == info['memory'], info


def test_a_side_that_is_stopped_does_not_keep_the_other():
    with hub(memory=BLOCK_MEMORY):
        for sender_stops in (True, False):
            with in_the_middle('stopped') as (sender, receiver, rest):
                asleep, awake = (sender, receiver) if sender_stops else \
                    (receiver, sender)
                asleep.send_signal(signal.SIGSTOP)
                awake.send_signal(signal.SIGINT)
                awake.wait(timeout=SECONDS)
                one_line(awake.stderr.read().decode(), 'interrupted')
                asleep.send_signal(signal.SIGCONT)
                rest()
                assert ended(asleep)[0] == 1


def test_a_hub_that_ends_in_the_middle_of_blocks_ends_both():
    # What a killed one leaves the next one takes over.
    for number in (signal.SIGKILL, signal.SIGINT):
        with hub(memory=BLOCK_MEMORY) as h, \
                in_the_middle('hub') as (sender, receiver, rest):
            h.send_signal(number)
            # Though it waits for a receiver that waits for us.
            assert sender.wait(timeout=SECONDS) == 1
            rest()
            for process in (sender, receiver):
                code, _, err = ended(process)
                assert code == 1
                one_line(err, 'hub is gone')


def test_a_receiver_that_needs_memory_of_a_stopped_hub_waits():
    data = random.Random(3).randbytes(1_000_000)
    with hub(memory=BLOCK_MEMORY) as h:
        receiver = start('recv', 'stopped')
        sender = start('send', 'stopped', '--copy', stdin=subprocess.PIPE)
        # In one piece, and without a write that waits for the receiver.
        fcntl.fcntl(sender.stdin, fcntl.F_SETPIPE_SZ, 1 << 20)
        sender.stdin.write(data[:10])
        sender.stdin.flush()
        # In a slot: it has not needed memory yet.
        got = receiver.stdout.read(10)
        h.send_signal(signal.SIGSTOP)
        try:
            sender.send_signal(signal.SIGSTOP)
            sender.stdin.write(data[10:])
            sender.stdin.close()
            sender.stdin = None
            sender.send_signal(signal.SIGCONT)
            # Longer than a request waits.
            time.sleep(4)
            assert select.select([receiver.stdout], [], [], 0)[0] == []
        finally:
            h.send_signal(signal.SIGCONT)
        code, out, err = ended(receiver)
        assert code == 0, err
        assert got + out == data
        code, _, err = ended(sender)
        assert code == 0, err


def test_too_little_memory_for_blocks_is_told():
    with hub():
        code, _, err = ended(start('send', 'little', '--block', '1G'))
        assert code == 1
        one_line(err, 'no memory for a block of 1048576 KiB', '--block',
                 '--memory')
        # Enough for one of them.
        with data_file(20_000_000) as source:
            receiver = start('recv', 'little')
            sender = start('send', 'little', '--block', '8M', stdin=source)
            code, _, err = ended(receiver)
            assert code == 1
            one_line(err, 'no memory for a block of 8192 KiB', '--block',
                     '--memory')
            code, _, err = ended(sender)
            assert code == 1
            one_line(err, 'receiver ended')
        # With fewer than four at either end, or one, it still goes on.
        for block in ('2M', '3M', '6M'):
            transfer('little', 20_000_003, 'send', '--block', block)


def main():
    return outside.run_tests(globals(), WHICH)


if __name__ == '__main__':
    sys.exit(main())
