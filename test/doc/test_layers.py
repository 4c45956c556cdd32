#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""
What lib/meson.build promises: a room of lib/ uses only those before it, and of
those only the face, which is the headers whose names begin with ferry_. The
compiler sees to the order, too; it does not read headers that no file includes.
"""

import pathlib
import re
import sys


# Rooms that are two sides of one thing, and see the inside of the other one:
# the ends of a bulk message and its server; the hub's two sides of its socket;
# the hub and the engines that run in its process.
SEEN_BY = {'bulk': ['serve'], 'hub': ['endpoint', 'engine']}


def rooms(lib):
    """Rooms of lib/, in the order of the layers."""
    text = (lib / 'meson.build').read_text()
    names = re.search(r'^foreach room : \[([^]]*)\]', text, re.M)[1]
    return re.findall(r"'(\w+)'", names)


def wrong(lib, order):
    """A line for each include that reaches into another room."""
    owner = {}
    for room in order:
        for header in (lib / room).glob('*.h'):
            owner[header.name] = room
    for room in order:
        for path in sorted((lib / room).glob('*.[ch]')):
            text = path.read_text()
            for match in re.finditer(r'^#include "([^"]+)"', text, re.M):
                name = match[1]
                there = owner.get(name)
                if there is None or there == room:
                    continue
                at = f'{path}:{text.count(chr(10), 0, match.start()) + 1}'
                if order.index(there) > order.index(room):
                    yield f'{at}: {name} is of a later room, {there}'
                elif not name.startswith('ferry_') and \
                        room not in SEEN_BY.get(there, []):
                    yield f'{at}: {name} is the inside of {there}'


def main():
    """Exit code."""
    lib = pathlib.Path(sys.argv[1]) / 'lib'
    order = rooms(lib)
    assert len(order) > 3, order
    lines = list(wrong(lib, order))
    for line in lines:
        print(line)
    return 1 if lines else 0


if __name__ == '__main__':
    sys.exit(main())
