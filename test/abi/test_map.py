#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""
The list of exported symbols is what the installed headers declare.

usage: test_map.py MAP LIBRARY HEADER...

Compares the version map with the functions and variables that the headers
declare, in both directions, and with what the library exports. Each inline call
of the headers has to be declared FERRY_INLINE, so that lib/ffi.c exports it, or
stand between "@cond internal" and "@endcond", because only other inline calls
use it.
"""

import os
import re
import subprocess
import sys


def blank(match):
    """A space, and as many lines as there were."""
    return ' ' + '\n' * match.group().count('\n')


def code(text):
    """A header without comments, preprocessor lines and what is for C++."""
    text = re.sub(r'/\*.*?\*/', blank, text, flags=re.S)
    text = re.sub(r'^#ifdef __cplusplus$.*?^#endif$', blank, text,
                  flags=re.S | re.M)
    return re.sub(r'^[ \t]*#(?:[^\n]*\\\n)*[^\n]*$', blank, text, flags=re.M)


def statements(text):
    """The declarations and definitions of a file, without bodies."""
    depth, start = 0, 0
    out = ''
    for i, c in enumerate(text):
        if c == '{':
            if depth == 0:
                out += text[start:i]
            depth += 1
        elif c == '}':
            depth -= 1
            if depth == 0:
                out += '{}'
                start = i + 1
    assert depth == 0, depth
    out += text[start:]
    # A function's body ends its definition, a structure's does not.
    for part in re.split(r';|(?<=\))\s*\{\}', out):
        yield ' '.join(part.split())


def function(statement):
    """Name of the function that a statement declares, or None."""
    if statement.startswith('typedef'):
        return None
    # Not an attribute behind a structure.
    match = re.match(r'[^(]*?\b(?!__)(\w+) ?\(', statement)
    return match.group(1) if match else None


def public(text):
    """A header without what is internal."""
    return re.sub(r'@cond internal.*?@endcond', blank, text, flags=re.S)


def declared(headers):
    """Exported names, and a line for each inline call that has no twin."""
    names, faults = set(), []
    for path in headers:
        with open(path, encoding='utf-8') as f:
            text = f.read()
        for statement in statements(code(public(text))):
            name = function(statement)
            if name and 'static inline' in statement:
                faults.append('%s: %s() is inline: declare it FERRY_INLINE, '
                              'or put it between "@cond internal" and '
                              '"@endcond"' % (os.path.basename(path), name))
        for statement in statements(code(text)):
            name = function(statement)
            if statement.startswith('extern '):
                names.add(statement.split()[-1])
            elif name and not statement.startswith('static'):
                names.add(name)
    return names, faults


def mapped(path):
    """Names in the map; it has one node and no patterns."""
    with open(path, encoding='utf-8') as f:
        text = re.sub(r'/\*.*?\*/|#[^\n]*', ' ', f.read(), flags=re.S)
    match = re.fullmatch(r'\s*\w*\s*\{\s*global:(.*)local:\s*\*;\s*\};\s*',
                         text, re.S)
    assert match, 'not one node with "global:" names and "local: *"'
    names = match.group(1).replace(';', ' ').split()
    assert names, 'no names'
    return names


def exported(path):
    """Names that a shared library exports."""
    lines = subprocess.run(
        ['nm', '--dynamic', '--defined-only', path], check=True, text=True,
        stdout=subprocess.PIPE).stdout.splitlines()
    return {line.split()[-1].split('@')[0] for line in lines
            if line.split()[-2] != 'A'}


def differences(what, names, other, others):
    """A line for each name of the one that is not of the other."""
    return ['%s: %s, but not %s' % (name, what, other)
            for name in sorted(set(names) - set(others))]


def main():
    """Exit code."""
    path, library, *headers = sys.argv[1:]
    in_map = mapped(path)
    in_headers, faults = declared(headers)
    in_library = exported(library)
    for name in sorted(set(in_map)):
        if in_map.count(name) > 1:
            faults.append('%s: twice in the map' % name)
    map_name = os.path.basename(path)
    faults += differences('in ' + map_name, in_map,
                          'declared by an installed header', in_headers)
    faults += differences('declared by an installed header', in_headers,
                          'in ' + map_name, in_map)
    faults += differences('in ' + map_name, in_map, 'exported by the library',
                          in_library)
    faults += differences('exported by the library', in_library,
                          'in ' + map_name, in_map)
    print('\n'.join(faults))
    print(len(in_map), 'names,', len(faults), 'faults')
    return 1 if faults else 0


if __name__ == '__main__':
    sys.exit(main())
