#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""What README and guide show of the examples is what is there.

usage: test_shown.py SOURCE-DIR

- the README's one block of C is examples/hello/main.c, but its first comment;
- each folder of examples/ is built, and has a section in the guide with its
  code and the command that builds it, which also stands at the top of main.c.
"""

import os
import re
import sys

GUIDE = 'doc/guides/examples/index.rst'


def read(*path):
    with open(os.path.join(*path), encoding='utf-8') as f:
        return f.read()


def readme(root):
    """The program in the README."""
    blocks = re.findall(r'^```c\n(.*?)^```$', read(root, 'README.md'),
                        re.S | re.M)
    hello = read(root, 'examples/hello/main.c')
    if blocks != [hello[hello.index('\n#include <') + 1:]]:
        yield ('README.md: its block of C is not examples/hello/main.c from '
               'the first #include <...> on: copy it from there')


def sections(text):
    """Text of each section of the guide, by its title."""
    parts = re.split(r'^(\w+)\n-+\n', text, flags=re.M)
    return dict(zip(parts[1::2], parts[2::2]))


def shown(root, names):
    """Each example in the guide."""
    shows = sections(read(root, GUIDE))
    built = re.search(r"foreach name : \[(.*?)\]",
                      read(root, 'examples/meson.build'), re.S)
    for name in names:
        code = read(root, 'examples', name, 'main.c')
        command = re.findall(r'^ \*     (cc .*)$', code, re.M)
        if len(command) != 1:
            yield f'examples/{name}/main.c: {len(command)} lines with cc'
            continue
        if f"'{name}'" not in built[1]:
            yield f'examples/meson.build does not build {name}'
        if name not in shows:
            yield f'{GUIDE} has no section {name}'
            continue
        if f'examples/{name}/main.c' not in shows[name]:
            yield f'{GUIDE}: {name} shows none of its code'
        if command[0] not in shows[name]:
            yield f'{GUIDE}: {name} is not built by: {command[0]}'


def main():
    root = sys.argv[1]
    names = sorted(entry.name for entry in
                   os.scandir(os.path.join(root, 'examples'))
                   if entry.is_dir())
    found = list(readme(root)) + list(shown(root, names))
    if not names:
        found.append('examples/ is empty')
    print('\n'.join(found))
    print(len(names), 'examples,', len(found), 'faults')
    return 1 if found else 0


if __name__ == '__main__':
    sys.exit(main())
