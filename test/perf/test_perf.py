#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""ferry-perf from outside: every row is there, bad input is told, nothing is
left behind. No timing is judged. Writes the lines that cmocka does.

    test_perf.py FERRY_PERF NAME

NAME: one of the tests below, or "all".
"""

import csv
import math
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree

sys.path.insert(0, os.path.join(os.path.dirname(__file__), '../support'))
import outside  # noqa: E402

PERF = None
PLOT = os.path.join(os.path.dirname(os.path.realpath(__file__)),
                    '../../usertools/ferry-plot.py')
# A smoke run's hub and EAL's own, with devices.
PAGES_NEEDED = 64
# How many rows a scenario has, by how it begins, where that is not one. Those
# with an engine have shares: of sender, receiver, the core, and its devices.
ROWS = {'stream-': 2, 'never-slower-': 2, 'mode-': 2, 'offload-': 2, 'idle-': 3,
        'bulk-64M-hybrid': 7, 'bulk-64M-s': 6, 'bulk-stall-': 2,
        'bulk-stream-': 6, 'bulk-read-': 4, 'bulk-smooth-': 9,
        'bulk-memory-': 1, 'bulk-': 3}
# No bound can be given for these.
ALONE = ('bound-', 'idle-', 'wake-')
# Every number of a row that must be there, whatever the row is.
ALWAYS = ('value', 'p50_ns', 'p99_ns', 'p999_ns', 'max_ns')
# Metrics that have no times of their own.
NO_TIMES = ('whole loop', 'first byte', 'peak')


def run(*args, timeout=900):
    return subprocess.run([PERF, *args], capture_output=True, text=True,
                          timeout=timeout)


def left_behind(pid):
    """Files of the ferry-perf with this pid."""
    return outside.left_behind(f'ferry-perf-{pid}')


def rows_of(path):
    with open(path) as f:
        return list(csv.DictReader(line for line in f
                                   if not line.startswith('#')))


def check_row(row):
    # Who copied how much of a bulk message.
    share = row['scenario'].startswith('bulk-') and row['unit'] == '%'
    for field in ALWAYS:
        if field != 'value' and (share or row['metric'] in NO_TIMES):
            continue
        assert row[field] != '', (row, field)
    for field, text in row.items():
        if text == '' or field in ('scenario', 'metric', 'unit', 'bound',
                                   'target', 'met'):
            continue
        number = float(text)
        # Who sleeps uses no CPU time, and not each copies by DMA.
        none = field.endswith(('_pct', '_per_gb')) or (
            row['unit'] == '%' and field == 'value')
        assert math.isfinite(number), (row, field)
        assert number >= 0 if none else number > 0, (row, field)
    if not row['scenario'].startswith(ALONE) and not share:
        assert row['bound'] != '' and row['bound_value'] != '', row
        assert row['ratio'] != '', row
    assert row['met'] in ('yes', 'no', '-'), row
    assert (row['met'] == '-') == (row['target'] == ''), row


def check_lanes(row):
    """Who works is told, and no device copies that is not there."""
    scenario, dma = row['scenario'], row['dma_pct']
    posted = scenario.startswith(('sender-cpu-', 'mode-efficiency-',
                                  'wake-16K-'))
    if scenario.endswith('-cpu') and dma != '':
        assert float(dma) == 0, row
    if posted:
        assert float(row['engine_core_pct']) > 0, row
    if posted or scenario.startswith('mode-'):
        for who in ('sender', 'receiver', 'all'):
            assert float(row[f'{who}_core_pct']) > 0, row


def check_bulk(rows):
    """What the rows of a scenario of bulk messages say of each other."""
    by = {}
    for row in rows:
        if row['scenario'].startswith('bulk-'):
            by.setdefault(row['scenario'], {})[row['metric']] = row
    for name, metrics in by.items():
        values = {m: float(r['value']) for m, r in metrics.items()}
        if name.startswith('bulk-64M-'):
            # Each byte was copied by somebody, once.
            shares = [v for m, v in values.items() if m.startswith('by ')]
            assert abs(sum(shares) - 100) < 0.1, (name, values)
        if name.startswith('bulk-read-'):
            assert values['first byte'] <= values['all read'], (name, values)
        if name.startswith('bulk-smooth-'):
            parts = ('eager', 'by tx', 'by rx', 'by both')
            assert float(metrics['bulk']['bound_value']) == min(
                values[part] for part in parts), (name, values)
        if name.startswith('bulk-stream-'):
            fixed = ('by tx', 'by rx', 'by both')
            assert float(metrics['automatic']['bound_value']) == max(
                values[part] for part in fixed), (name, values)
        if name.startswith('bulk-memory-'):
            # It cannot be less than the message.
            assert float(metrics['peak']['ratio']) >= 1, (name, values)
    assert by != {}


def listed(*options):
    done = run('--list', *options)
    assert done.returncode == 0, done.stderr
    return [line.split()[0] for line in done.stdout.splitlines()]


def smoke(*options):
    outside.need_machine(PAGES_NEEDED, cpus=2)
    names = listed('--smoke')
    assert len(names) > 30, names
    for name in ('bulk-1M', 'bulk-1G', 'bulk-stream-64M', 'bulk-read-154M',
                 'bulk-smooth-256K', 'bulk-smooth-1.5M', 'bulk-memory-1G',
                 'bulk-64M-skeleton', 'image-batch', 'frame-4k', 'tabular',
                 'mixed'):
        assert name in names, names
    for start in ('sender-cpu-1M', 'never-slower-64K', 'mode-latency-4K',
                  'mode-throughput-64K', 'mode-efficiency-1M', 'idle',
                  'wake-16K', 'offload-64K'):
        assert f'{start}-skeleton' in names, names
        assert start == 'offload-64K' or f'{start}-cpu' in names, names
    with tempfile.TemporaryDirectory() as tmp:
        path = os.path.join(tmp, 'out.csv')
        p = subprocess.Popen([PERF, '--smoke', '--csv', path, *options],
                             stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                             text=True)
        out, err = p.communicate(timeout=900)
        assert p.returncode == 0, err
        assert err == '', err
        rows = rows_of(path)
    assert sorted({r['scenario'] for r in rows}) == sorted(names)
    check_bulk(rows)
    for row in rows:
        check_row(row)
        check_lanes(row)
        wanted = [n for start, n in ROWS.items()
                  if row['scenario'].startswith(start)] or [1]
        # One device less, where EAL does not take the plugin.
        if row['scenario'] == 'bulk-64M-hybrid':
            wanted[0] -= 'bulk-64M-softdsa' not in names
        if not row['scenario'].startswith('bound-copy-'):
            assert sum(r['scenario'] == row['scenario']
                       for r in rows) == wanted[0], row
    # Which messages go to a device is the scheduler's choice; but some do.
    for name in ('skeleton', 'softdsa'):
        shares = [float(r['dma_pct']) for r in rows if r['dma_pct'] != '' and
                  r['scenario'].endswith(name)]
        assert shares == [] or max(shares) > 0, name
    for name in names:
        assert re.search(rf'^{name} ', out, re.M), name
    assert 'targets met' in out
    assert left_behind(p.pid) == [], left_behind(p.pid)


def test_smoke_threads():
    """Every scenario, between two threads, all content checked."""
    smoke('--check')


def test_smoke_processes():
    """Every scenario, between two processes."""
    smoke('--processes')


def test_csv_on_stdout():
    """--csv - writes CSV to stdout and no table."""
    outside.need_machine(PAGES_NEEDED, cpus=2)
    done = run('--smoke', '--only', 'latency-64,stream-4K-*', '--csv', '-')
    assert done.returncode == 0, done.stderr
    lines = [x for x in done.stdout.splitlines() if not x.startswith('#')]
    rows = list(csv.DictReader(lines))
    assert [r['scenario'] for r in rows] == [
        'latency-64', 'stream-4K-hot', 'stream-4K-hot', 'stream-4K-cold',
        'stream-4K-cold'], rows


def test_plot():
    """What is measured of bulk messages by their size can be plotted."""
    outside.need_machine(PAGES_NEEDED, cpus=2)
    with tempfile.TemporaryDirectory() as tmp:
        path, svg = os.path.join(tmp, 'out.csv'), os.path.join(tmp, 'out.svg')
        done = run('--smoke', '--only', 'bulk-smooth-256K,bulk-smooth-4M,'
                   'latency-64', '--csv', path)
        assert done.returncode == 0, done.stderr
        done = subprocess.run([PLOT, path, svg], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        lines = xml.etree.ElementTree.parse(svg).getroot().findall(
            '{http://www.w3.org/2000/svg}polyline')
        assert len(lines) == ROWS['bulk-smooth-'], lines
        for line in lines:
            assert len(line.get('points').split()) == 2, line.get('points')
        for bad in ('', 'scenario,metric\n', 'bulk-smooth-1M,x\n'):
            with open(path, 'w') as f:
                f.write(bad)
            done = subprocess.run([PLOT, path, svg], capture_output=True,
                                  text=True)
            assert done.returncode != 0 and done.stderr.count('\n') == 1, (
                bad, done.stderr)


def test_few_hugepages():
    """What needs more hugepages than there are is left out, and it is told."""
    outside.need_machine(160, cpus=2)
    prefix = f'ferry-perf-{os.getpid()}-few'
    a, b = sorted(os.sched_getaffinity(0))[:2]
    eal = [f'--file-prefix={prefix}', '--lcores', f'0@{a},1@{b}', '--no-pci',
           '--socket-limit=256', '--', '--runs', '1', '--time', '1', '--pool',
           '64', '--only']
    done = run(*eal, 'bulk-1M,bulk-256M,bulk-1G,bulk-memory-1G')
    assert done.returncode == 0, done.stderr
    told = re.findall('^.* left out: .*hugepages.*$', done.stdout, re.M)
    assert len(told) == 1, done.stdout
    assert told[0].startswith('bulk-256M, bulk-1G, bulk-memory-1G left'), told
    assert re.search('^bulk-1M ', done.stdout, re.M), done.stdout
    assert not re.search('^bulk-256M ', done.stdout, re.M), done.stdout
    done = run(*eal, 'bulk-1G')
    assert done.returncode != 0
    assert done.stderr.count('\n') == 1, done.stderr
    assert 'bulk-1G left out' in done.stderr, done.stderr
    assert left_behind(f'{os.getpid()}-few') == []


def test_own_eal_options():
    """The user's EAL options win over the defaults."""
    outside.need_machine(PAGES_NEEDED, cpus=2)
    prefix = f'ferry-perf-{os.getpid()}-own'
    a, b = sorted(os.sched_getaffinity(0))[:2]
    done = run(f'--file-prefix={prefix}', '--lcores', f'2@{a},5@{b}',
               '--no-pci', '--', '--smoke', '--only', 'latency-64')
    assert done.returncode == 0, done.stderr
    assert left_behind(f'{os.getpid()}-own') == []


def test_chosen_lanes():
    """--lanes leaves the other sets out, and nothing else."""
    names = listed('--lanes', 'cpu')
    assert 'idle-cpu' in names and 'latency-64' in names, names
    assert not [n for n in names if n.endswith(('-skeleton', '-softdsa',
                                                '-hybrid'))], names
    assert set(listed()) - set(names) != set()


def test_two_lcores_have_no_engine():
    """Without a lcore for an engine the rest is measured, and it is told."""
    outside.need_machine(PAGES_NEEDED, cpus=2)
    prefix = f'ferry-perf-{os.getpid()}-two'
    a, b = sorted(os.sched_getaffinity(0))[:2]
    eal = [f'--file-prefix={prefix}', '--lcores', f'0@{a},1@{b}', '--no-pci',
           '--', '--smoke', '--only']
    done = run(*eal, 'latency-64,idle-cpu')
    assert done.returncode == 0, done.stderr
    assert re.search(r"^lanes 'cpu' left out: .*third lcore", done.stdout,
                     re.M), done.stdout
    assert re.search(r'^latency-64 ', done.stdout, re.M), done.stdout
    assert not re.search(r'^idle-cpu ', done.stdout, re.M), done.stdout
    done = run(*eal, 'idle-cpu')
    assert done.returncode != 0
    assert 'third lcore' in done.stderr, done.stderr
    assert left_behind(f'{os.getpid()}-two') == []


def test_plugin_where_everybody_writes():
    """A plugin that EAL would refuse is left out with the reason."""
    outside.need_machine(PAGES_NEEDED, cpus=2)
    build = os.path.realpath(os.path.join(os.path.dirname(PERF), '../..'))
    plugin = os.path.join(build, 'drivers/dma/softdsa/libferry_softdsa.so')
    if not os.path.exists(plugin):
        raise outside.Skip('no libferry_softdsa.so beside ferry-perf')
    with tempfile.TemporaryDirectory(dir='/tmp') as tmp:
        for name, where in ((PERF, 'apps/perf'),
                            (plugin, 'drivers/dma/softdsa')):
            os.makedirs(os.path.join(tmp, where))
            shutil.copy(name, os.path.join(tmp, where))
        done = subprocess.run(
            [os.path.join(tmp, 'apps/perf/ferry-perf'), '--smoke', '--only',
             'idle-*'], capture_output=True, text=True, timeout=900,
            env=dict(os.environ, LD_LIBRARY_PATH=build))
    assert done.returncode == 0, done.stderr
    assert re.search(r"^lanes 'softdsa' left out: .*/tmp", done.stdout,
                     re.M), done.stdout
    assert re.search('^idle-hybrid ', done.stdout, re.M), done.stdout
    assert not re.search('^idle-softdsa ', done.stdout, re.M), done.stdout


def refused(args, *words):
    done = run(*args, timeout=900)
    assert done.returncode != 0, args
    assert done.stdout == '', done.stdout
    lines = done.stderr.splitlines()
    assert len(lines) == 1, done.stderr
    for word in words:
        assert word in lines[0], (word, lines[0])


def test_bad_input():
    """Bad input gets one line that says what is wrong."""
    refused(['--nonsense'], '--nonsense', '--help')
    refused(['surplus'], 'surplus')
    refused(['--runs'], '--runs')
    refused(['--runs', '0'], '--runs', "'0'")
    refused(['--runs', 'many'], '--runs', "'many'")
    refused(['--time', '-1'], '--time')
    refused(['--pool', '1'], '--pool')
    refused(['--lanes', 'cpu,gpu'], '--lanes', "'cpu,gpu'")
    refused(['--only', 'no-such-*'], 'no-such-*', '--list')
    refused(['--csv', '/no/such/dir/x.csv'], '/no/such/dir/x.csv')
    refused(['--in-memory', '--', '--smoke'], '--in-memory')


def test_one_lcore():
    """One lcore is told to be too few."""
    outside.need_machine(PAGES_NEEDED, cpus=2)
    done = run('--lcores=0', '--', '--smoke')
    assert done.returncode != 0
    assert 'two lcores' in done.stderr, done.stderr


def test_full_disk():
    """A full disk under the CSV is not success."""
    outside.need_machine(PAGES_NEEDED, cpus=2)
    done = run('--smoke', '--only', 'latency-64', '--csv', '/dev/full')
    assert done.returncode != 0
    assert 'cannot write' in done.stderr, done.stderr


def interrupted(*options):
    outside.need_machine(PAGES_NEEDED, cpus=2)
    p = subprocess.Popen([PERF, '--pool', '32', *options],
                         stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                         text=True, start_new_session=True)
    # Once the header is out, the scenarios run.
    line = p.stdout.readline()
    assert 'ferry-perf on' in line, (line, p.stderr.read())
    time.sleep(1)
    # As Ctrl-C does: to both processes.
    os.killpg(p.pid, signal.SIGINT)
    out, err = p.communicate(timeout=900)
    assert p.returncode == 1, (p.returncode, err)
    assert 'interrupted' in err, err
    assert left_behind(p.pid) == [], left_behind(p.pid)
    try:
        os.killpg(p.pid, 0)
        assert False, 'a process is left'
    except ProcessLookupError:
        pass


def test_interrupt_threads():
    """Ctrl-C leaves nothing behind."""
    interrupted()


def test_interrupt_processes():
    """Ctrl-C with a second process leaves nothing behind."""
    interrupted('--processes')


def test_interrupt_engine():
    """Ctrl-C while an engine copies leaves nothing behind."""
    interrupted('--only', 'mode-efficiency-*', '--lanes', 'softdsa,hybrid')


def test_interrupt_bulk():
    """Ctrl-C with bulk messages under way leaves nothing behind."""
    interrupted('--only', 'bulk-stream-*M,bulk-smooth-*', '--processes')


def killed_receiver(*options):
    outside.need_machine(PAGES_NEEDED, cpus=2)
    p = subprocess.Popen([PERF, '--processes', '--pool', '32', *options],
                         stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                         text=True)
    p.stdout.readline()
    time.sleep(1)
    children = open(f'/proc/{p.pid}/task/{p.pid}/children').read().split()
    assert len(children) == 1, (children, p.poll())
    os.kill(int(children[0]), signal.SIGKILL)
    _, err = p.communicate(timeout=900)
    assert p.returncode == 1, (p.returncode, err)
    assert err != ''
    assert left_behind(p.pid) == [], left_behind(p.pid)


def test_receiver_killed():
    """A killed receiver ends the run with an error, not a hang."""
    killed_receiver()


def test_receiver_killed_engine():
    """The same while an engine copies to it."""
    killed_receiver('--only', 'mode-efficiency-*', '--lanes', 'hybrid')


def test_receiver_killed_bulk():
    """The same while both copy bulk messages."""
    killed_receiver('--only', 'bulk-stream-*M,bulk-smooth-*')


def main():
    global PERF
    PERF, which = sys.argv[1:]
    return outside.run_tests(globals(), which)


if __name__ == '__main__':
    sys.exit(main())
