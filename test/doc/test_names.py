#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Check that what the README and the guides name exists.

usage: test_names.py SOURCE-DIR

- files behind links, and paths in literals that begin with a folder of ours;
- functions, types and constants of ferry's own;
- pages named in a toctree or a :doc: role, and that each page is in a toctree;
- tests named in the contract, and that each row of its tables names one.
"""

import glob
import os
import re
import sys

FOLDERS = r'(?:lib|drivers|apps|examples|test|doc|usertools|devtools)'
CONTRACT = 'doc/guides/prog_guide/contract.rst'
# What happens, what holds, who reclaims, what is told, and the tests.
COLUMNS = 5
# Plans of later issues may be named as plans.
LATER = {'lib/call', 'drivers/dma/softdsa'}


def read(path):
    with open(path, encoding='utf-8') as f:
        return f.read()


def sources(root):
    """All text that defines names: code, scripts and build files."""
    texts = []
    for folder in ('lib', 'drivers', 'apps', 'examples', 'test', 'devtools',
                   'usertools'):
        for path, _, files in os.walk(os.path.join(root, folder)):
            texts += [read(os.path.join(path, name)) for name in files
                      if name.endswith(('.c', '.h', '.sh', '.py', '.build',
                                        '.map'))]
    texts += [read(os.path.join(root, name))
              for name in ('meson.build', 'meson_options.txt')]
    return '\n'.join(texts)


def literals(path, text):
    if path.endswith('.md'):
        return re.findall(r'`([^`\n]+)`', text)
    return re.findall(r'``([^`]+)``', text)


def names(path, text, code):
    # Not part of a path or of a program's name with a dash.
    for name in set(re.findall(r'(?<![\w/.-])((?:ferry|FERRY)_\w+)', text)):
        if name.endswith('_'):
            known = name in code
        else:
            known = re.search(r'\b%s\b' % re.escape(name), code)
        if not known:
            yield '%s: %s is nowhere in the code' % (path, name)


def paths(path, text, root):
    for literal in set(literals(path, text)):
        match = re.match(r'(%s/[\w./*-]*)' % FOLDERS, literal)
        if match is None or match[1].rstrip('/') in LATER:
            continue
        if not glob.glob(os.path.join(root, match[1])):
            yield '%s: there is no %s' % (path, match[1])
    if path.endswith('.md'):
        for link in re.findall(r'\]\(([^)#:]+)\)', text):
            if not os.path.exists(os.path.join(root, link)):
                yield '%s: link to %s, which does not exist' % (path, link)


def pages(guides):
    listed = {'index'}
    for page, text in guides.items():
        here = os.path.dirname(page)
        for tree in re.findall(r'^\.\. toctree::\n((?:[ \t].*\n|\n)*)', text,
                               re.M):
            for line in tree.splitlines():
                entry = line.strip()
                if entry and not entry.startswith(':'):
                    listed.add(os.path.normpath(os.path.join(here, entry)))
        for role in re.findall(r':doc:`(?:[^`<]*<)?([^`>]+)>?`', text):
            target = os.path.normpath(os.path.join(here, role)) \
                if not role.startswith('/') else role[1:]
            if target not in guides:
                yield '%s.rst: :doc: %s does not exist' % (page, role)
        for label in re.findall(r':ref:`(?:[^`<]*<)?([^`>]+)>?`', text):
            if not any('.. _%s:' % label in other
                       for other in guides.values()):
                yield '%s.rst: :ref: %s does not exist' % (page, label)
    for page in sorted(listed - set(guides)):
        yield 'a toctree names %s, which does not exist' % page
    for page in sorted(set(guides) - listed):
        yield '%s.rst is in no toctree' % page


def tests_of(root, program):
    """Names of the test functions that a program has and runs, or None."""
    paths = glob.glob(os.path.join(root, 'test/*', program + '.c'))
    if len(paths) != 1:
        return None
    text = re.sub(r'/\*.*?\*/|//[^\n]*', '', read(paths[0]), flags=re.S)
    # Defined is not enough: the table of tests or a loop has to name it, too.
    return {name for name in re.findall(
                r'^(\w+)\(\s*void \*\*\w+\)\n\{', text, re.M)
            if len(re.findall(r'\b%s\b' % name, text)) > 1}


def rows(text):
    """The rows of the list-tables, each a list of cells, without headers."""
    for table in re.findall(r'^\.\. list-table::.*\n((?:[ \t].*\n|\n)*)', text,
                            re.M):
        for row in re.split(r'^ +\* - ', table, flags=re.M)[2:]:
            yield [' '.join(cell.split())
                   for cell in re.split(r'^ +-(?: |$)', row, flags=re.M)]


def contract(page, root):
    """That each sentence of the contract names a test that is there."""
    text = read(os.path.join(root, page))
    known = {}
    checked = 0
    for row in rows(text):
        if len(row) != COLUMNS:
            yield '%s: "%s" has %d columns' % (page, row[0], len(row))
        named = re.findall(r'``(\w+): (\w+)``', row[-1])
        if not named and 'no test yet' not in row[-1]:
            yield '%s: "%s" names no test' % (page, row[0])
        # All that stands in the column is looked up.
        rest = re.sub(r'``\w+: \w+``|[\s,.]|and', '', row[-1])
        if rest and 'no test yet' not in row[-1]:
            yield '%s: "%s": what is "%s"?' % (page, row[0], rest)
        for program, test in named:
            if program not in known:
                known[program] = tests_of(root, program)
            if known[program] is None:
                yield '%s: there is no program %s' % (page, program)
            elif test not in known[program]:
                yield '%s: %s runs no test %s' % (page, program, test)
            checked += 1
    if checked == 0:
        yield '%s: names no tests' % page


def main():
    root = sys.argv[1]
    code = sources(root)
    top = os.path.join(root, 'doc/guides')
    files = ['README.md'] + sorted(
        os.path.relpath(path, root)
        for path in glob.glob(os.path.join(top, '**/*.rst'), recursive=True))
    guides = {os.path.relpath(name, 'doc/guides')[:-4]:
              read(os.path.join(root, name)) for name in files[1:]}
    if not guides:
        print('no guides in', top)
        return 1
    found = list(pages(guides))
    for name in files:
        text = read(os.path.join(root, name))
        found += list(names(name, text, code))
        found += list(paths(name, text, root))
    found += list(contract(CONTRACT, root))
    print('\n'.join(found))
    print(len(files), 'files,', len(found), 'faults')
    return 1 if found else 0


if __name__ == '__main__':
    sys.exit(main())
