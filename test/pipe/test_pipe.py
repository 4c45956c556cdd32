#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""ferry-pipe from outside: bytes arrive unchanged, whether the sender or the
receiver starts first. A failure is told in one line and by the exit code. No
file is left behind.

    test_pipe.py FERRY_PIPE NAME

NAME: one of the tests below, or "all".
"""

import contextlib
import os
import pty
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import tty

sys.path.insert(0, os.path.join(os.path.dirname(__file__), '../support'))
import outside  # noqa: E402
from pipe_rig import (BLOCK_MEMORY, EAL, MEMORY, PAGES_NEEDED, PIPE, PREFIX,
    SECONDS, WHICH, data_file, digest, ended, hub, hub_with_engines, one_line,
    start, telemetry, transfer)  # noqa: E402


def test_any_number_of_bytes_arrives_whoever_starts_first():
    with hub():
        for size in (0, 1, 131071, 131072, 131073, 20_000_003):
            transfer('any', size, 'send')
            # The receiver's default, said in another way.
            transfer('any', size, 'recv', '--slot-size', '128k', '--slots',
                     '0x10')


def test_input_that_trickles_is_passed_on_at_once():
    with hub(memory=BLOCK_MEMORY):
        for options in ([], ['--copy']):
            receiver = start('recv', 'trickle')
            sender = start('send', 'trickle', *options, stdin=subprocess.PIPE)
            # None of them fills a block.
            for piece in (b'a', b'bc', b'def' * 1000, b'g' * 65536,
                          b'hijkl' * 65536):
                sender.stdin.write(piece)
                sender.stdin.flush()
                got = b''
                while len(got) < len(piece):
                    got += os.read(receiver.stdout.fileno(), 65536)
                assert got == piece
            sender.stdin.close()
            sender.stdin = None
            assert ended(sender)[0] == 0
            assert ended(receiver)[0] == 0


def test_streams_of_several_channels_do_not_mix():
    with hub():
        files = [data_file(3_000_000, seed) for seed in range(3)]
        copies = [tempfile.TemporaryFile() for _ in files]
        processes = []
        for i, (source, copy) in enumerate(zip(files, copies)):
            processes.append(start('send', f'c{i}', stdin=source))
            processes.append(start('recv', f'c{i}', stdout=copy))
        for process in processes:
            assert ended(process)[0] == 0
        for source, copy in zip(files, copies):
            assert digest(source) == digest(copy)


def test_a_receiver_that_cannot_write_ends_both():
    with hub(), open('/dev/full', 'wb') as full, data_file(5_000_000) as source:
        receiver = start('recv', 'full', stdout=full)
        sender = start('send', 'full', stdin=source)
        code, _, err = ended(receiver)
        assert code == 1
        one_line(err, 'No space left on device')
        code, _, err = ended(sender)
        assert code == 1
        one_line(err, 'receiver ended')


def test_what_was_read_before_an_error_is_sent():
    data = random.Random(3).randbytes(300_000)
    slots = ['--slot-size', '1000']
    with hub(memory=BLOCK_MEMORY):
        for options in ([], ['--copy'], ['--block', '4k']):
            # A terminal whose other side closes: EIO, after what it has.
            master, slave = pty.openpty()
            tty.setraw(slave)
            with tempfile.TemporaryFile() as copy:
                receiver = start('recv', 'eio', *slots, stdout=copy)
                sender = start('send', 'eio', *slots, *options, stdin=master)
                os.close(master)
                with open(slave, 'wb') as terminal:
                    terminal.write(data)
                code, _, err = ended(receiver)
                assert code == 1
                one_line(err, 'sender ended early')
                copy.seek(0)
                assert copy.read() == data
                code, _, err = ended(sender)
                assert code == 1
                one_line(err, 'cannot read input')


def test_a_closed_output_ends_both():
    with hub(), data_file(5_000_000) as source:
        receiver = start('recv', 'head')
        sender = start('send', 'head', stdin=source)
        assert receiver.stdout.read(100) != b''
        receiver.stdout.close()
        receiver.stdout = None
        code, _, err = ended(receiver)
        assert code == 1
        one_line(err, 'Broken pipe')
        assert ended(sender)[0] == 1


def test_a_killed_side_is_noticed_and_can_be_replaced():
    with hub():
        for victim in ('send', 'recv'):
            sender = start('send', 'kill', stdin=subprocess.PIPE)
            receiver = start('recv', 'kill')
            sender.stdin.write(b'x')
            sender.stdin.flush()
            assert os.read(receiver.stdout.fileno(), 1) == b'x'
            dead, left = (sender, receiver) if victim == 'send' else \
                (receiver, sender)
            dead.kill()
            dead.wait()
            # A sender that has nothing to send learns of it, too.
            assert left.wait(timeout=SECONDS) == 1
            sender.stdin.close()
            sender.stdin = None
            one_line(left.stderr.read().decode(), 'died')
            left.stderr.close()
            dead.stderr.close()
            transfer('kill', 100000, 'send')


def test_ctrl_c_ends_a_side_and_tells_the_other():
    with hub():
        for victim in ('send', 'recv'):
            sender = start('send', 'int', stdin=subprocess.PIPE)
            receiver = start('recv', 'int')
            sender.stdin.write(b'x')
            sender.stdin.flush()
            assert os.read(receiver.stdout.fileno(), 1) == b'x'
            who, other = (sender, receiver) if victim == 'send' else \
                (receiver, sender)
            who.send_signal(signal.SIGINT)
            code = who.wait(timeout=SECONDS)
            err = who.stderr.read().decode()
            assert code == 1
            one_line(err, 'interrupted')
            # Though the input goes on.
            assert other.wait(timeout=SECONDS) == 1
            one_line(other.stderr.read().decode(), 'ended')
            sender.stdin.close()
            transfer('int', 1000, 'recv')


def test_ctrl_c_ends_a_receiver_whose_reader_sleeps():
    with hub(), data_file(5_000_000) as source:
        for blocking in (True, False):
            out_read, out_write = os.pipe()
            os.set_blocking(out_write, blocking)
            receiver = start('recv', 'asleep', stdout=out_write)
            os.close(out_write)
            sender = start('send', 'asleep', stdin=source)
            # The pipe is full, and the channel, too.
            time.sleep(1)
            receiver.send_signal(signal.SIGINT)
            assert receiver.wait(timeout=SECONDS) == 1
            one_line(receiver.stderr.read().decode(), 'interrupted')
            assert ended(sender)[0] == 1
            os.close(out_read)
            source.seek(0)


def test_non_blocking_input_and_output_are_as_good():
    with hub(), data_file(3_000_000) as source:
        in_read, in_write = os.pipe()
        out_read, out_write = os.pipe()
        os.set_blocking(in_read, False)
        os.set_blocking(out_write, False)
        receiver = start('recv', 'nonblock', stdout=out_write)
        sender = start('send', 'nonblock', stdin=in_read)
        feeder = subprocess.Popen(['cat'], stdin=source, stdout=in_write)
        for fd in (in_read, in_write, out_write):
            os.close(fd)
        # Both wait: for room, then for input.
        time.sleep(0.5)
        with open(out_read, 'rb') as out:
            copy = out.read()
        source.seek(0)
        assert copy == source.read()
        for process in (feeder, sender, receiver):
            assert ended(process)[0] == 0


def test_ctrl_c_of_the_hub_tells_everybody():
    with hub() as h:
        sender = start('send', 'hub', stdin=subprocess.PIPE)
        receiver = start('recv', 'hub')
        sender.stdin.write(b'x')
        sender.stdin.flush()
        assert os.read(receiver.stdout.fileno(), 1) == b'x'
        h.send_signal(signal.SIGINT)
        code, _, err = ended(receiver)
        assert code == 1
        one_line(err, 'hub is gone')
        # Though the input goes on.
        assert sender.wait(timeout=SECONDS) == 1
        one_line(sender.stderr.read().decode(), 'hub is gone')
        sender.stdin.close()


def test_a_killed_hub_tells_everybody_and_another_one_starts():
    with hub() as h:
        receiver = start('recv', 'killed')
        time.sleep(0.7)
        h.kill()
        h.wait()
        code, _, err = ended(receiver)
        assert code == 1
        one_line(err, 'hub is gone')
    with hub():
        transfer('again', 1000, 'recv')


def test_telemetry_tells_of_hub_and_channels():
    with hub():
        receiver = start('recv', 'numbers')
        time.sleep(0.7)
        names, info, channels, none = telemetry(
            '/ferry/hubs', '/ferry/hub,ferry', '/ferry/channels,ferry',
            '/ferry/hub,other')
        assert names == ['ferry'], names
        assert info['memory'] == MEMORY << 20, info
        assert (info['endpoints'], info['channels']) == (1, 1), info
        assert channels == ['numbers 1'], channels
        assert none is None, none
        channel, = telemetry('/ferry/channel,ferry,1')
        assert channel['rx_pid'] == receiver.pid, channel
        assert (channel['tx'], channel['rx']) == ('absent', 'open'), channel
        assert channel['slots_free'] == channel['n_slots'], channel
        receiver.kill()
        receiver.wait()
        time.sleep(0.5)
        info, = telemetry('/ferry/hub,ferry')
        assert (info['channels'], info['deaths']) == (0, 1), info
        assert info['memory_free'] == info['memory'], info


def test_a_hub_with_engines_shows_and_keeps_what_it_measured():
    with tempfile.TemporaryDirectory() as place:
        file = os.path.join(place, 'lanes')
        with hub_with_engines([], '--engines', '2', '--calibration',
                              file) as (_, told):
            assert told.count('calibration: ') == 2, told
            assert 'measured' in told and 'loaded' not in told, told
            names, engine, core, none = telemetry(
                '/ferry/engines,ferry', '/ferry/engine,ferry,engine1',
                '/ferry/lane,ferry,engine0,0', '/ferry/lane,ferry,engine0,1')
            assert names == ['engine0', 'engine1'], names
            assert (engine['lanes'], engine['msgs']) == (1, 0), engine
            assert (core['name'], core['health']) == ('cpu', 'used'), core
            assert core['bytes_per_ms'] > 100000, core
            assert none is None, none
        assert sorted(os.listdir(place)) == ['lanes', 'lanes.1']
        with hub_with_engines([], '--engines', '1', '--calibration',
                              file) as (_, told):
            assert 'loaded' in told, told
        with open(file, 'w') as f:
            f.write('nonsense\n')
        hub = start('hub', '--memory', str(MEMORY), '--engines', '1',
                    '--calibration', file)
        code, _, err = ended(hub)
        assert code == 1 and 'calibration' in err, err


def test_a_hub_has_dma_devices_by_name():
    with hub_with_engines(['--vdev=dma_skeleton0'], '--dma',
                          'nobody,dma_skel*') as (_, told):
        assert 'dmadev:dma_skeleton0/0' in told, told
        lane, = telemetry('/ferry/lane,ferry,engine0,1')
        assert lane['name'] == 'dmadev:dma_skeleton0/0', lane
    code, _, err = ended(start('hub', '--memory', str(MEMORY), '--dma',
                               'nobody'))
    assert code == 1, err
    one_line(err, "no DMA device is called 'nobody'")


def test_progress_is_shown_on_a_terminal():
    with hub(), data_file(1_000_000) as source:
        master, slave = pty.openpty()
        receiver = start('recv', 'tty', stdin=subprocess.PIPE)
        sender = start('send', 'tty', stdin=source, stderr=slave)
        os.close(slave)
        time.sleep(0.5)
        assert len(receiver.stdout.read()) == 1_000_000
        shown = b''
        with contextlib.suppress(OSError):  # EIO: the other side is closed
            while piece := os.read(master, 4096):
                shown += piece
        os.close(master)
        assert sender.wait(timeout=SECONDS) == 0
        ended(receiver)
        assert re.search(rb'\rsent [\d.]+ kB of 1.00 MB, [\d.]+ GB/s, \d+ s '
                         rb'left', shown), shown


def test_bad_input_is_told_in_one_line():
    outside.need_machine(PAGES_NEEDED)
    for words, args in (
            ('unknown command', ['frob']),
            ('which channel', ['send']),
            ('not possible', ['send', 'a/b']),
            ('not possible', ['recv', 'x' * 48]),
            ('not possible', ['recv', 'x', '--hub', '']),
            ('--slots must be', ['send', 'x', '--slots', '0']),
            ('--slot-size must be', ['send', 'x', '--slot-size', 'many']),
            ('--slot-size must be', ['send', 'x', '--slot-size', '4T']),
            ('--slot-size must be', ['send', 'x', '--slot-size', '4kk']),
            ('--slot-size must be', ['send', 'x', '--slot-size', 'k']),
            ('--slot-size must be', ['send', 'x', '--slot-size', '2g']),
            ('--slot-size must be',
             ['send', 'x', '--slot-size', '18014398509481985k']),
            ('--block must be', ['send', 'x', '--block', '3k']),
            ('--block must be', ['send', 'x', '--block', '17g']),
            ('--wait must be', ['send', 'x', '--wait', 'long']),
            ('lacks its value', ['send', 'x', '--slots']),
            ('unknown option', ['recv', 'x', '--frob']),
            ("option '-slots'", ['send', 'x', '-slots', '3']),
            ("option '-q'", ['send', 'x', '-q']),
            ('too many', ['recv', 'x', 'y']),
            ('unrecognized option', ['hub', '--frob']),
            ('lacks its value', ['hub', '--file-prefix']),
            ('does not go here', ['hub', '--no-huge']),
            ('does not go here', ['hub', '--in-memory']),
            ('does not go here', ['send', '--vdev=dma_skeleton', '--', 'x']),
            ('does not go here', ['send', '-a', '00:01.0', '--', 'x']),
            ('hub name', ['hub', EAL, '--', '--hub', 'a b']),
            ('too many', ['hub', EAL, '--', 'x']),
            ('--memory must be', ['hub', EAL, '--', '--memory', '-1']),
            ('not enough hugepages',
             ['hub', EAL, '--', '--memory', '9999999']),
            ('no hub runs', ['send', EAL, '--', 'x']),
            ('no hub runs', ['recv', EAL, '--', 'x'])):
        done = subprocess.run([PIPE, *args], stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, check=False,
                              timeout=SECONDS)
        assert done.returncode > 0, args
        assert done.stdout == '', args
        one_line(done.stderr, words)
        assert outside.left_behind(PREFIX) == [], args


def test_what_does_not_fit_or_is_taken_is_told():
    with hub('--channels', '2'):
        for words, options in (
                ('more than the hub has left', ['--slots', '4000']),
                ("no hub 'other'", ['--hub', 'other'])):
            code, _, err = ended(start('recv', 'fit', *options))
            assert code == 1
            one_line(err, words)
        code, _, err = ended(subprocess.Popen(
            [PIPE, 'hub', EAL], stderr=subprocess.PIPE))
        assert code == 1
        one_line(err, 'runs already')
        receivers = [start('recv', f'r{i}') for i in range(2)]
        time.sleep(1)
        for words, name, options in (
                ('has one already', 'r0', []),
                ('all its channels in use', 'r2', [])):
            code, _, err = ended(start('recv', name, *options))
            assert code == 1
            one_line(err, words)
        for options in (['--slots', '3'], ['--slot-size', '127k']):
            code, _, err = ended(start('send', 'r0', *options))
            assert code == 1
            one_line(err, 'another --slot-size')
        for receiver in receivers:
            receiver.send_signal(signal.SIGINT)
            assert ended(receiver)[0] == 1


def test_each_channel_may_have_a_pair():
    with hub('--channels', '1'):
        sender = start('send', 'pair', stdin=subprocess.PIPE)
        receiver = start('recv', 'pair')
        sender.stdin.write(b'x')
        sender.stdin.flush()
        assert os.read(receiver.stdout.fileno(), 1) == b'x'
        code, _, err = ended(start('recv', 'another'))
        assert code == 1
        one_line(err, 'all its endpoints in use', '--channels')
        assert ended(sender)[0] == 0
        assert ended(receiver)[0] == 0


def test_a_closed_standard_file_is_told():
    for command, redirection, words in (
            ('send', '<&-', 'standard input is closed'),
            ('recv', '>&-', 'standard output is closed'),
            ('send', '0>/dev/null', 'not open for reading'),
            ('recv', '1</dev/null', 'not open for writing')):
        done = subprocess.run(
            ['sh', '-c', f'exec "$0" {command} {EAL} -- x {redirection}', PIPE],
            capture_output=True, text=True, check=False, timeout=SECONDS)
        assert done.returncode == 2, done
        one_line(done.stderr, words)


def test_closed_files_that_are_not_needed_do_not_matter():
    with hub(), data_file(300_000) as source, \
            tempfile.TemporaryFile() as copy:
        receiver = subprocess.Popen(
            ['sh', '-c', f'exec "$0" recv {EAL} -- few <&- 2>&-', PIPE],
            stdout=copy)
        sender = subprocess.Popen(
            ['sh', '-c', f'exec "$0" send {EAL} -- few >&- 2>&-', PIPE],
            stdin=source)
        assert sender.wait(timeout=SECONDS) == 0
        assert receiver.wait(timeout=SECONDS) == 0
        assert digest(source) == digest(copy)


def test_a_hang_up_ends_unless_it_is_ignored():
    with hub():
        for wrapper, survives in (('', False), ("trap '' HUP; ", True)):
            receiver = subprocess.Popen(
                ['sh', '-c', f'{wrapper}exec "$0" recv {EAL} -- nohup', PIPE],
                stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                # These tests may have been started with nohup themselves.
                preexec_fn=lambda: signal.signal(signal.SIGHUP,
                                                 signal.SIG_DFL))
            sender = start('send', 'nohup', stdin=subprocess.PIPE)
            sender.stdin.write(b'x')
            sender.stdin.flush()
            assert os.read(receiver.stdout.fileno(), 1) == b'x'
            receiver.send_signal(signal.SIGHUP)
            if survives:
                time.sleep(0.5)
            else:
                receiver.wait(timeout=SECONDS)
            ok = 0 if survives else 1
            assert ended(sender)[0] == ok
            assert ended(receiver)[0] == ok


def test_a_hub_that_leaves_somebody_attached_fails():
    outside.need_machine(PAGES_NEEDED)
    h = start('hub', '--memory', str(MEMORY))
    assert 'ready' in h.stderr.readline().decode()
    receiver = start('recv', 'stopped')
    time.sleep(1)
    receiver.send_signal(signal.SIGSTOP)
    h.send_signal(signal.SIGINT)
    code, _, err = ended(h)
    receiver.send_signal(signal.SIGCONT)
    assert ended(receiver)[0] == 1
    assert code == 1
    assert 'stay attached' in err, err
    assert outside.left_behind(PREFIX) == []


def test_ctrl_c_at_a_pipe_is_not_its_end():
    with hub():
        receiver = start('recv', 'group')
        sender = subprocess.Popen(
            ['sh', '-c', f'(echo x; exec sleep 60) | exec "$0" send {EAL} -- '
             'group', PIPE], stderr=subprocess.PIPE, start_new_session=True)
        assert os.read(receiver.stdout.fileno(), 2) == b'x\n'
        os.killpg(sender.pid, signal.SIGINT)
        one_line(ended(sender)[2], 'interrupted')
        assert ended(receiver)[0] == 1


def public_copy(directory):
    """Ferry-pipe and its library where every user can read them, as a checkout
    below /root is not: the program's path."""
    os.chmod(directory, 0o755)
    libraries = subprocess.run(['ldd', PIPE], capture_output=True, text=True,
                               check=True, timeout=SECONDS).stdout
    for path in [PIPE, *re.findall(r'=> (\S*/libferry\.so\S*)', libraries)]:
        shutil.copy(path, directory)
    return os.path.join(directory, os.path.basename(PIPE))


def test_what_the_machine_lacks_is_told():
    outside.need_machine(PAGES_NEEDED)
    with tempfile.TemporaryDirectory(dir='/tmp') as public:
        for words, command in (
                ('no hugetlbfs is mounted', ['unshare', '-m', 'sh', '-c',
                 'umount -a -t hugetlbfs && exec "$0" hub ' + EAL, PIPE]),
                ('run as root', ['setpriv', '--reuid=65534', '--regid=65534',
                 '--clear-groups', 'env', '-u', 'XDG_RUNTIME_DIR',
                 'LD_LIBRARY_PATH=' + public, public_copy(public), 'hub',
                 EAL])):
            done = subprocess.run(command, capture_output=True, text=True,
                                  check=False, timeout=SECONDS)
            assert done.returncode == 1, done
            one_line(done.stderr, words)


def main():
    return outside.run_tests(globals(), WHICH)


if __name__ == '__main__':
    sys.exit(main())
