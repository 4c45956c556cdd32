#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""DPDK's own test program on DPDK's own idxd driver over the soft DSA; and what
the device leaves behind, however its host ends.

    test_dpdk.py PLUGIN NAME

NAME: one of the tests below, or "all".
"""

import contextlib
import fcntl
import os
import re
import shutil
import signal
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(__file__), '../support'))
import outside  # noqa: E402
from plugin import placed  # noqa: E402

PLUGIN = None
PREFIX = f'ferry-test-{os.getpid()}'
MEMORY = 64
PAGES_NEEDED = MEMORY // 2 + 8
SECONDS = 600


def need_dpdk_test():
    outside.need_machine(PAGES_NEEDED)
    if shutil.which('dpdk-test') is None:
        raise outside.Skip('there is no dpdk-test: apt install dpdk-dev')


def environment(config):
    env = {name: value for name, value in os.environ.items()
           if name not in ('DSA_DEV_PATH', 'DSA_SYSFS_PATH', 'DPDK_TEST')}
    env['FERRY_SOFTDSA'] = config
    return env


def start(plugin, config='', **kwargs):
    """dpdk-test at its prompt, with memory of its own."""
    return subprocess.Popen(
        ['dpdk-test', '-d', plugin, '--no-pci', '-m', str(MEMORY),
         f'--file-prefix={PREFIX}', '--in-memory', '--no-telemetry',
         '--lcores', '0', '--log-level=ferry.dma.softdsa:info'],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, env=environment(config), **kwargs)


def run(config, commands):
    """Output of commands, as lines."""
    need_dpdk_test()
    with placed(PLUGIN) as plugin, start(plugin, config) as process:
        try:
            out, _ = process.communicate(commands.encode(), SECONDS)
        finally:
            process.kill()
    return re.split(r'[\r\n]+', out.decode(errors='replace'))


def has(lines, pattern):
    return any(re.search(pattern, line) for line in lines)


def root_in(lines):
    """The device's directory."""
    match = re.search(r'below (/\S+)', '\n'.join(lines))
    assert match, lines[:20]
    return match[1]


def section(lines, device):
    """What dmadev_autotest says of one device."""
    text = '\n'.join(lines)
    match = re.search(r'### Test dmadev instance (\d+) \[%s\]\n(.*?)'
                      r'(?=### Test|Test OK|Test Failed|\Z)'
                      % re.escape(device), text, re.S)
    assert match, text[-2000:]
    return match[1], match[2]


def check_autotest(config, devices_wanted):
    lines = run(config, 'dmadev_autotest\n')
    assert has(lines, '^Test OK'), '\n'.join(lines[-40:])
    for device in devices_wanted:
        number, text = section(lines, device)
        for name in ('copy', 'burst capacity', 'error handling', 'fill'):
            assert f'DMA Dev {number}: Running {name} Tests' in text, text
        assert 'skipping' not in text, text
        # 640 rounds of copies, and none of them came back wrong.
        copies = text[:text.index('burst capacity')]
        assert re.search(r'Ops completed: 85120\s+Errors: 0', copies), text
    assert not os.path.exists(root_in(lines))


def test_dmadev_autotest_passes_with_errors_and_fill_tested():
    check_autotest('', ['wq0.0'])


def test_dmadev_autotest_passes_on_two_small_queues_with_two_engines():
    check_autotest('wqs=2,size=16,threads=2', ['wq0.0', 'wq0.1'])


def test_dmadev_autotest_passes_at_the_pace_of_sapphire_rapids():
    check_autotest('preset=spr', ['wq0.0'])


def test_a_corrupting_device_fails_dmadev_autotest():
    lines = run('corrupt=100', 'dmadev_autotest\n')
    assert has(lines, '^Test Failed'), '\n'.join(lines[-40:])
    assert has(lines, 'Error with copy of packet'), '\n'.join(lines[-40:])


@contextlib.contextmanager
def host(config='', **kwargs):
    """A running dpdk-test and its device's directory."""
    need_dpdk_test()
    with placed(PLUGIN) as plugin, start(plugin, config, **kwargs) as process:
        try:
            for line in process.stdout:
                match = re.search(rb'below (/\S+)', line)
                if match:
                    break
            else:
                raise AssertionError('no device was made')
            root = match[1].decode()
            assert os.path.isdir(root)
            # The rest of its start.
            process.stdin.write(b'\n')
            yield process, root
        finally:
            process.kill()
            with contextlib.suppress(BrokenPipeError):
                process.stdin.close()


def wait_for(condition):
    """What it returns as soon as that is true, or after 20 s."""
    end = time.monotonic() + 20
    while not condition() and time.monotonic() < end:
        time.sleep(0.01)
    return condition()


def gone(path):
    return wait_for(lambda: not os.path.exists(path))


def helpers():
    """Processes that are there to remove directories."""
    found = []
    for pid in os.listdir('/proc'):
        try:
            with open(f'/proc/{pid}/comm', encoding='ascii') as f:
                if f.read().strip() == 'softdsa-watch':
                    found.append(int(pid))
        except OSError:
            pass
    return found


def test_the_directory_is_private_and_goes_when_the_host_exits():
    with host() as (process, root):
        assert os.stat(root).st_mode & 0o777 == 0o700
        process.communicate(b'quit\n', SECONDS)
        assert process.returncode == 0
        # By the host itself, before it ends.
        assert not os.path.exists(root)


def test_the_directory_goes_when_the_host_is_killed():
    with host() as (process, root):
        process.send_signal(signal.SIGKILL)
        process.wait(SECONDS)
        assert gone(root)


def test_a_whole_session_that_is_killed_leaves_nothing():
    with host(start_new_session=True) as (process, root):
        os.killpg(process.pid, signal.SIGKILL)
        process.wait(SECONDS)
        assert gone(root)


def test_the_watcher_holds_no_file_and_no_page_of_its_host():
    before = set(helpers())
    with host() as (process, root):
        new = wait_for(lambda: set(helpers()) - before)
        assert len(new) == 1, new
        pid = new.pop()
        files = os.listdir(f'/proc/{pid}/fd')
        assert files == ['0'], files
        assert 'pidfd' in os.readlink(f'/proc/{pid}/fd/0')
        with open(f'/proc/{pid}/maps', encoding='ascii') as f:
            assert 'hugepages' not in f.read()
        # Not a child that the host would have to wait for.
        with open(f'/proc/{pid}/stat', encoding='ascii') as f:
            assert int(f.read().rsplit(')', 1)[1].split()[1]) != process.pid
        process.send_signal(signal.SIGKILL)
        process.wait(SECONDS)
        assert gone(root)


def test_what_a_dead_host_left_goes_at_the_next_start():
    # Numbers of processes say nothing: the lock does.
    stale = f'/run/ferry-softdsa.{os.getpid()}.stale0'
    with subprocess.Popen(['true']) as dead:
        dead.wait()
    other = f'/run/ferry-softdsa.{dead.pid}.alive0'
    os.makedirs(f'{stale}/dev')
    os.makedirs(other)
    with open(f'{stale}/lock', 'w', encoding='ascii'):
        pass
    with open(f'{other}/lock', 'w', encoding='ascii') as lock:
        fcntl.lockf(lock, fcntl.LOCK_EX)
        try:
            with host():
                assert not os.path.exists(stale)
                assert os.path.exists(other)
        finally:
            shutil.rmtree(stale, ignore_errors=True)
            shutil.rmtree(other, ignore_errors=True)


def test_a_place_that_others_may_change_is_refused_in_words():
    need_dpdk_test()
    # /run and /tmp of a mount namespace of its own.
    script = ('mount -t tmpfs -o mode=0755 none /mnt && '
              'cp "$1" /mnt/plugin.so && shift && '
              'mount -t tmpfs -o mode=0777 none /run && '
              'mount -t tmpfs -o mode=0777 none /tmp && '
              'exec "$@"')
    with placed(PLUGIN) as plugin:
        done = subprocess.run(
            ['unshare', '-m', 'sh', '-c', script, 'sh', plugin, 'dpdk-test',
             '-d', '/mnt/plugin.so', '--no-pci', '-m', str(MEMORY),
             f'--file-prefix={PREFIX}',
             '--in-memory', '--no-telemetry', '--lcores', '0'],
            input=b'quit\n', stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, env=environment(''), check=False,
            timeout=SECONDS)
    lines = re.split(r'[\r\n]+', done.stdout.decode(errors='replace'))
    if has(lines, 'unshare: .*not permitted'):
        raise outside.Skip('no mount namespace may be made here')
    told = [line for line in lines if 'soft DSA: no device' in line]
    assert len(told) == 1, lines
    assert 'others may write to /run' in told[0], told
    assert 'others may write to /tmp' in told[0], told
    assert 'XDG_RUNTIME_DIR' in told[0], told


def refused(config, *wanted):
    lines = run(config, 'quit\n')
    errors = [line for line in lines if 'FERRY_SOFTDSA' in line]
    assert len(errors) == 1, lines
    for text in wanted:
        assert text in errors[0], errors[0]
    # EAL goes on without the device.
    assert has(lines, 'RTE>>'), lines
    assert not has(lines, 'below /'), lines


def test_a_bad_number_is_told_with_what_is_permitted():
    refused('wqs=9', 'wqs=9', '1 to 8')


def test_an_unknown_key_is_told_with_those_there_are():
    refused('wqs=1,colour=red', 'colour', 'max_transfer', 'hang')


def test_a_path_that_the_user_has_set_is_left_alone():
    need_dpdk_test()
    os.environ['DSA_DEV_PATH'] = '/nowhere'
    try:
        with placed(PLUGIN) as plugin:
            env = dict(os.environ)
            out = subprocess.run(
                ['dpdk-test', '-d', plugin, '--no-pci', '-m', '32',
                 '--in-memory', f'--file-prefix={PREFIX}', '--no-telemetry'],
                input=b'quit\n', capture_output=True, timeout=SECONDS,
                env=env, check=True)
    finally:
        del os.environ['DSA_DEV_PATH']
    text = (out.stdout + out.stderr).decode()
    assert 'DSA_DEV_PATH' in text and 'no soft device' in text, text


def main():
    global PLUGIN
    PLUGIN = sys.argv[1]
    code = outside.run_tests(globals(), sys.argv[2])
    # Made, but not used, also by a host with memory of its own.
    with contextlib.suppress(OSError):
        os.rmdir(f'/var/run/dpdk/{PREFIX}')
    left = outside.left_behind(PREFIX)
    if left:
        print('left behind:', left)
        return 1
    return code


if __name__ == '__main__':
    sys.exit(main())
