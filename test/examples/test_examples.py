#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""The examples as a user runs them: what they print, how they exit, and that
nothing is left behind.

    test_examples.py FOLDER SOFTDSA NAME

FOLDER: where the examples are built. SOFTDSA: the EAL plugin. NAME: one of the
tests below, or "all".
"""

import contextlib
import os
import re
import signal
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(__file__), '../support'))
import outside  # noqa: E402

FOLDER, SOFTDSA, WHICH = sys.argv[1:]
PREFIX = f'ferry-examples-{os.getpid()}'
# So that the hub looks at no device but those that a test asks for.
EAL = [f'--file-prefix={PREFIX}', '--no-pci']
ENV = dict(os.environ, DSA_DEV_PATH='')
SOFT_ENV = {name: value for name, value in os.environ.items()
            if not name.startswith('DSA_')}
# The hub's 256 MiB where an example takes the default, or its 32 MiB; and what
# two EALs take.
PAGES_DEFAULT, PAGES = 160, 40
SECONDS = 600
# What EAL and ferry log is not the example's.
LOG = re.compile(r'(EAL|TELEMETRY|ferry|dma: Device \d+ already stopped)\b')


class Program:
    """An example that runs, with what it prints in files."""

    def __init__(self, name, *args, env=None):
        self.name = name
        self.out = tempfile.TemporaryFile('w+')
        self.err = tempfile.TemporaryFile('w+')
        words = [arg for arg in args if not arg.startswith('-')]
        options = [arg for arg in args if arg.startswith('-')]
        self.process = subprocess.Popen(
            [os.path.join(FOLDER, name, name), *words, *EAL, *options],
            stdin=subprocess.DEVNULL, stdout=self.out, stderr=self.err,
            env=env or ENV)

    def printed(self, file):
        """The example's own lines."""
        file.seek(0)
        return [line for line in file.read().splitlines()
                if not LOG.match(line)]

    def wait_for(self, text):
        """Wait until it has printed the text."""
        end = time.monotonic() + SECONDS
        while time.monotonic() < end:
            lines = self.printed(self.out) + self.printed(self.err)
            if any(text in line for line in lines):
                return
            assert self.process.poll() is None, (self.name, lines)
            time.sleep(0.02)
        raise AssertionError(f'{self.name} does not say "{text}": {lines}')

    def ended(self):
        """Exit code, and lines on stdout and stderr."""
        code = self.process.wait(timeout=SECONDS)
        return code, self.printed(self.out), self.printed(self.err)


@contextlib.contextmanager
def programs(pages=PAGES):
    """A function that starts one; all have to end, and to leave nothing."""
    outside.need_machine(pages)
    started = []

    def start(*args, **kwargs):
        started.append(Program(*args, **kwargs))
        return started[-1]

    try:
        yield start
        for program in started:
            program.ended()
        assert outside.left_behind(PREFIX) == []
    finally:
        for program in started:
            if program.process.poll() is None:
                program.process.kill()
                program.process.wait()
        for path in outside.left_behind(PREFIX):
            subprocess.run(['rm', '-rf', path], check=False)


def ended_well(program, last=None):
    """Its lines on stdout, of which the last one is to match."""
    code, out, err = program.ended()
    assert code == 0, (program.name, code, out, err)
    if last is not None:
        assert re.fullmatch(last, out[-1]), (last, out)
    return out


def ended_badly(program, *words):
    """It has to exit with 1 and to say why in one line."""
    code, out, err = program.ended()
    assert code == 1, (program.name, code, out, err)
    assert len(err) == 1 and err[0].startswith(program.name + ': '), err
    for word in words:
        assert word in err[0], (word, err)


def pipeline(start):
    """All three stages, when blocks arrive at the last one."""
    sink = start('pipeline', 'sink')
    sink.wait_for('sink: ready')
    stages = {'sink': sink, 'filter': start('pipeline', 'filter'),
              'source': start('pipeline', 'source')}
    sink.wait_for('blocks so far')
    return stages


def blocks(program, name):
    """How many blocks the stage says that it has dealt with."""
    last = ended_well(program, name + r': \d+ blocks of 64 KiB')[-1]
    return int(last.split()[1])


def test_hello_arrives():
    with programs(PAGES_DEFAULT) as start:
        receiver = start('hello')
        receiver.wait_for('waiting for ./hello send')
        sender = start('hello', 'send')
        assert ended_well(sender) == []
        assert ended_well(receiver) == ['hello, world']


def test_hello_without_its_hub_says_what_to_do():
    with programs() as start:
        ended_badly(start('hello', 'send'), 'hub')


def test_a_pipeline_whose_source_is_stopped_loses_no_block():
    with programs() as start:
        stages = pipeline(start)
        stages['source'].process.send_signal(signal.SIGINT)
        counts = {blocks(program, name)
                  for name, program in stages.items()}
        assert len(counts) == 1 and counts.pop() > 0, counts


def test_a_pipeline_ends_whichever_stage_is_stopped():
    for name in 'sink', 'filter', 'source':
        with programs() as start:
            stages = pipeline(start)
            stages[name].process.send_signal(signal.SIGTERM)
            # No stage has dealt with more than the one before it.
            made, passed, checked = (blocks(stages[stage], stage) for stage in
                                     ('source', 'filter', 'sink'))
            assert made >= passed >= checked > 0, (made, passed, checked)


def test_a_pipeline_of_which_all_stages_are_stopped_ends():
    with programs() as start:
        stages = pipeline(start)
        # As by Ctrl-C, where they are jobs of one terminal.
        for program in stages.values():
            program.process.send_signal(signal.SIGINT)
        for name, program in stages.items():
            assert blocks(program, name) > 0


def test_a_pipeline_of_which_a_stage_is_killed_says_so():
    with programs() as start:
        stages = pipeline(start)
        stages.pop('filter').process.kill()
        for name, program in stages.items():
            ended_badly(program, name, 'died', 'start all stages again')


def test_a_pipeline_has_each_stage_once():
    with programs() as start:
        stages = pipeline(start)
        ended_badly(start('pipeline', 'filter'), 'end it first')
        stages['sink'].process.send_signal(signal.SIGTERM)
        for name, program in stages.items():
            blocks(program, name)


def test_a_pipeline_wants_to_know_its_stage():
    with programs() as start:
        ended_badly(start('pipeline'), 'sink|filter|source')
        ended_badly(start('pipeline', 'sinks'), 'sink|filter|source')


def mean(number):
    """Of the pixels of an image, as the sender paints it."""
    # x + y is 0 once, 1 twice, and so on up to 1023 and down again.
    pixels = sum(min(d + 1, 2047 - d) * ((d // 32 + 5 * number) % 256)
                 for d in range(2047))
    return pixels / 1024 ** 2


def test_images_arrive_as_they_were_painted():
    with programs() as start:
        receiver = start('images', 'recv')
        receiver.wait_for('ready')
        sender = start('images', 'send')
        assert ended_well(sender) == ['sent 24 images']
        lines = ended_well(receiver, 'received 24 images, 24 MiB; the '
                           r'receiver copied \d+\.\d MiB of it')
        means = [float(line.split()[-1]) for line in lines
                 if line.startswith('image ')]
        assert len(means) == 24, lines
        for number, value in enumerate(means):
            assert abs(value - mean(number)) < 0.01, (number, value)


def test_images_that_are_stopped_end_both():
    with programs() as start:
        receiver = start('images', 'recv')
        receiver.wait_for('ready')
        receiver.process.send_signal(signal.SIGTERM)
        ended_badly(receiver, 'stopped')
        ended_badly(start('images'), 'recv|send')


def test_an_engine_copies_in_the_loop_of_an_application():
    with programs() as start:
        lines = ended_well(start('own_loop'),
                           r'\d+ rounds, \d+ of them without work')
        match = re.fullmatch(r'received 2000 messages; the engine copied (\d+)'
                             r' of them, \d+ MiB', lines[-2])
        assert match and 0 < int(match[1]) <= 2000, lines


def test_a_loop_that_is_stopped_leaves_nothing():
    with programs() as start:
        program = start('own_loop')
        program.wait_for('0 messages so far')
        program.process.send_signal(signal.SIGTERM)
        code, out, err = program.ended()
        # It may have received all before the signal came.
        if code == 0:
            assert 'received 2000 messages' in out[-2], (out, err)
        else:
            ended_badly(program, 'stopped', 'start it again')


def test_a_dma_device_copies():
    with programs() as start:
        lines = ended_well(start('dma', '-d' + SOFTDSA, env=SOFT_ENV))
        assert 'received 1000 of 1000 messages of 64 KiB' in lines, lines
        lanes = [re.fullmatch(r'lane (\S+) +copied +([\d.]+) MiB in \d+ jobs, '
                              r'\d+ failed', line) for line in lines[-2:]]
        assert all(lanes), lines
        copied = {lane[1]: float(lane[2]) for lane in lanes}
        assert copied['dmadev:wq0.0/0'] > 0 and 'cpu' in copied, copied


def test_without_a_dma_device_it_is_said_how_to_get_one():
    with programs() as start:
        ended_badly(start('dma'), 'libferry_softdsa.so', 'main.c')


if __name__ == '__main__':
    sys.exit(outside.run_tests(dict(globals()), WHICH))
