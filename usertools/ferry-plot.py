#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Plot what ferry-perf found of a message's time by its size.

    ferry-perf --only 'bulk-smooth-*' --csv perf.csv
    ferry-plot.py perf.csv smooth.svg

Reads the rows bulk-smooth-SIZE: one curve for each way of copying, nanoseconds
over bytes, both axes logarithmic. Needs nothing but Python.
"""

import argparse
import csv
import math
import re
import sys
from xml.sax.saxutils import escape

WIDTH, HEIGHT = 900, 560
LEFT, RIGHT, TOP, BOTTOM = 80, 190, 40, 60
UNITS = {'': 1, 'K': 1 << 10, 'M': 1 << 20, 'G': 1 << 30}
# How each curve is drawn; bounds are dashed, and named by their kernels.
STYLES = {
    'bulk': '#c00000', 'eager': '#0060c0', 'by tx': '#e08000',
    'by rx': '#008040', 'by both': '#8040a0', 'to memory': '#00a0a0',
    'to cache': '#a06020', '1x': '#808080', '2x': '#000000',
}


def size_of(scenario):
    """Bytes in the name of a scenario, or None."""
    found = re.fullmatch(r'bulk-smooth-([0-9.]+)([KMG]?)', scenario)
    return float(found[1]) * UNITS[found[2]] if found else None


def read_curves(f):
    """{name: [(bytes, nanoseconds), ...]} of a CSV file of ferry-perf."""
    curves = {}
    for row in csv.DictReader(line for line in f if not line.startswith('#')):
        size = size_of(row['scenario'])
        if size is None or row['unit'] != 'us':
            continue
        # The best kernel may be another one for another size.
        name = re.sub(r'^([12]x) .*', r'\1', row['metric'])
        curves.setdefault(name, []).append((size, 1000 * float(row['value'])))
    return {name: sorted(points) for name, points in curves.items()}


def label_bytes(size):
    for unit in 'GMK':
        if size >= UNITS[unit]:
            return f'{size / UNITS[unit]:g} {unit}iB'
    return f'{size:g} B'


def label_ns(ns):
    return f'{ns / 1000:g} us' if ns < 1e6 else f'{ns / 1e6:g} ms'


class Axis:
    """A logarithmic axis from one pixel to another."""

    def __init__(self, values, start, end):
        self.low, self.high = math.log(min(values)), math.log(max(values))
        if self.high - self.low < 0.1:
            self.low, self.high = self.low - 0.5, self.high + 0.5
        self.start, self.end = start, end

    def at(self, value):
        share = (math.log(value) - self.low) / (self.high - self.low)
        return self.start + share * (self.end - self.start)

    def has(self, value):
        return self.low - 1e-9 <= math.log(value) <= self.high + 1e-9


def round_times(axis):
    """1, 2 and 5 times powers of ten on the axis."""
    return [m * 10 ** e for e in range(0, 12) for m in (1, 2, 5)
            if axis.has(m * 10 ** e)]


def text(x, y, what, anchor='start'):
    return (f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">'
            f'{escape(what)}</text>')


def line(x1, y1, x2, y2, style):
    return (f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" '
            f'{style}/>')


def draw(curves):
    """The picture as text."""
    sizes = sorted({size for points in curves.values() for size, _ in points})
    times = [ns for points in curves.values() for _, ns in points]
    x = Axis(sizes, LEFT, WIDTH - RIGHT)
    y = Axis(times, HEIGHT - BOTTOM, TOP)
    grid = 'stroke="#dddddd"'
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" '
           f'height="{HEIGHT}" font-family="sans-serif" font-size="12">',
           '<rect width="100%" height="100%" fill="white"/>',
           text(LEFT, TOP - 18, 'One-way time of a message, cold')]
    for size in sizes:
        out.append(line(x.at(size), TOP, x.at(size), HEIGHT - BOTTOM, grid))
        out.append(text(x.at(size), HEIGHT - BOTTOM + 18, label_bytes(size),
                        'middle'))
    for ns in round_times(y):
        out.append(line(LEFT, y.at(ns), WIDTH - RIGHT, y.at(ns), grid))
        out.append(text(LEFT - 8, y.at(ns) + 4, label_ns(ns), 'end'))
    for i, (name, points) in enumerate(curves.items()):
        pen = f'stroke="{STYLES.get(name, "#404040")}" stroke-width="2"'
        if name in ('1x', '2x'):
            pen += ' stroke-dasharray="6 4"'
        path = ' '.join(f'{x.at(s):.1f},{y.at(t):.1f}' for s, t in points)
        out.append(f'<polyline points="{path}" fill="none" {pen}/>')
        for s, t in points:
            out.append(f'<circle cx="{x.at(s):.1f}" cy="{y.at(t):.1f}" r="2" '
                       f'{pen}/>')
        at = TOP + 10 + 20 * i
        out.append(line(WIDTH - RIGHT + 15, at, WIDTH - RIGHT + 45, at, pen))
        out.append(text(WIDTH - RIGHT + 52, at + 4, {
            '1x': 'bare, one core', '2x': 'bare, two cores'}.get(name, name)))
    out.append('</svg>')
    return '\n'.join(out) + '\n'


def main():
    parser = argparse.ArgumentParser(
        description='Plot the bulk-smooth rows of ferry-perf.')
    parser.add_argument('csv', help="what ferry-perf --csv wrote; '-': stdin")
    parser.add_argument('svg', help="picture to write; '-': stdout")
    args = parser.parse_args()
    try:
        if args.csv == '-':
            curves = read_curves(sys.stdin)
        else:
            with open(args.csv, encoding='utf-8') as f:
                curves = read_curves(f)
        if not curves:
            sys.exit(f'ferry-plot: no bulk-smooth rows in {args.csv}: measure '
                     "them with ferry-perf --only 'bulk-smooth-*' --csv FILE")
        if args.svg == '-':
            sys.stdout.write(draw(curves))
        else:
            with open(args.svg, 'w', encoding='utf-8') as f:
                f.write(draw(curves))
    except OSError as e:
        sys.exit(f'ferry-plot: {e}')
    except (KeyError, TypeError, ValueError) as e:
        sys.exit(f'ferry-plot: {args.csv} is no CSV of ferry-perf: {e}')
    return 0


if __name__ == '__main__':
    sys.exit(main())
