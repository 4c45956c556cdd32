#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""The checks of devtools/check-style.sh that need no other program.

usage: check_style.py [--lower | --list-scripts]

Runs in the checkout's root. Each finding is FILE:LINE: WHAT on stdout.
"""

import collections
import os
import re
import subprocess
import sys

COLUMNS = 80

# How often something stands in the tree that should not. A count above its
# ceiling is a finding; so is one below it, until --lower has taken it over.
# Ceilings are never raised.
CEILINGS = {
    # Words that hide who does something, or that point to nothing here.
    'word nobody': 15,
    'word whoever': 0,
    'word decision N': 0,
    # Letters of synchronisation edges that mean two things.
    'edge in two lists': 4,
    # Letters beside an atomic access that no header explains.
    'edge in no list': 13,
    # Edges of a list whose two sides are not both marked in the code.
    'edge without its half': 0,
}

WORDS = {
    'word nobody': r'\bnobody\b',
    'word whoever': r'\bwhoever\b',
    'word decision N': r'\bdecisions? [0-9]+',
}

# Lines that may be longer, by file: how many, and why they cannot be broken.
WIDE = {
    'doc/guides/prog_guide/calibration.rst':
        (9, 'a table as ferry_calib_print() prints it'),
}

# Calls that a library leaves to the program, by file, with the reason.
CALLS = {
    ('lib/eal/eal_dir.c', 'getenv'): 'the look-up of EAL itself, mirrored',
    ('drivers/dma/softdsa/softdsa_watch.c', '_exit'):
        'ends a child process of its own',
    # A plugin has no other way to be told something.
    ('drivers/dma/softdsa/softdsa_home.c', 'secure_getenv'):
        'the place of the run-time directory',
    ('drivers/dma/softdsa/softdsa_plugin.c', 'getenv'):
        'FERRY_SOFTDSA, and what it sets for DPDK',
    ('drivers/copy/dmadev/dmadev_wq.c', 'getenv'):
        "the look-up of DPDK's driver, mirrored",
}
FORBIDDEN = r'\b(v?printf|puts|putchar|perror|_?exit|abort|' \
    r'(?:secure_)?getenv)\s*\('

# volatile, by file, with the reason. That of assembler, and of sig_atomic_t
# for signal handlers, is not meant.
VOLATILE = {
    'lib/eal/eal_watch.c': 'changes between setjmp() and longjmp()',
    'test/copy/test_copy_kernel.c':
        'keeps the compiler from making memcpy() of the reference',
    'test/softdsa/test_softdsa_signals.c':
        'a pointer that a signal handler writes before siglongjmp()',
}

# Files that say their licence by LICENSE alone.
NO_SPDX = {'.gitignore', 'LICENSE', 'CHANGELOG.md', 'CONTRIBUTING.md',
           'README.md', 'doc/api/ferry-api-index.md'}
# Inputs of programs, and lines of code as they stand elsewhere.
VERBATIM = ('test/fuzz/corpus/', 'devtools/mutants-equivalent.txt')

EDGE = r'(?:[A-Z][0-9]|[FLRS][aor]|[A-Z])'
EDGES = rf'{EDGE}(?:(?:, | and | to ){EDGE})*'


def tracked():
    """All files that are ours."""
    if os.path.exists('.git'):
        out = subprocess.run(
            ['git', 'ls-files', '-z', '--cached', '--others',
             '--exclude-standard'], check=True, stdout=subprocess.PIPE,
            text=True)
        names = [name for name in out.stdout.split('\0') if name]
    else:
        names = []
        for path, folders, files in os.walk('.'):
            # Without what building the package leaves.
            folders[:] = [f for f in folders
                          if not f.startswith(('.git', 'build', 'obj-', '__'))
                          and (path != './debian' or f == 'source')]
            names += [os.path.relpath(os.path.join(path, f)) for f in files]
    return sorted(name for name in names if not name.startswith(VERBATIM) and
                  os.path.isfile(name))


def kind(name, text):
    """'c', 'sh', 'py', 'meson', 'rst', 'md', 'pml' or None."""
    base = os.path.basename(name)
    if base in ('meson.build', 'meson_options.txt'):
        return 'meson'
    suffix = os.path.splitext(base)[1]
    kinds = {'.c': 'c', '.h': 'c', '.sh': 'sh', '.py': 'py', '.rst': 'rst',
             '.md': 'md', '.pml': 'pml', '.inc': 'pml'}
    if suffix in kinds:
        return kinds[suffix]
    first = text.split('\n', 1)[0]
    if re.match(r'#!.*\b(?:ba)?sh\b', first):
        return 'sh'
    if re.match(r'#!.*python', first):
        return 'py'
    return None


def blank(match):
    """As many lines, and nothing in them."""
    return re.sub(r'[^\n]', ' ', match[0])


def code_of(text):
    """C without its comments and the insides of its strings."""
    return re.sub(r'/\*.*?\*/|//[^\n]*|"(?:[^"\\\n]|\\.)*"', blank, text,
                  flags=re.S)


def line_of(text, at):
    """The number of the line with the character at."""
    return text.count('\n', 0, at) + 1


class Checker:
    """The findings, and what is counted against the ceilings."""

    def __init__(self):
        self.found = []
        self.counted = collections.defaultdict(list)
        self.listed = collections.defaultdict(dict)
        self.used = collections.defaultdict(list)
        self.paired = set()
        with open('lib/meson.build', encoding='utf-8') as f:
            names = re.search(r'^foreach room : \[([^]]*)\]', f.read(),
                              re.M)[1]
            self.rooms = re.findall(r"'(\w+)'", names)

    def tell(self, name, line, what):
        self.found.append(f'{name}:{line}: {what}')

    def columns(self, name, text):
        wide = []
        for number, line in enumerate(text.split('\n'), 1):
            width = len(line.expandtabs(8))
            if width <= COLUMNS:
                continue
            # An address cannot be broken.
            if re.search(r'https?://\S{40,}', line):
                continue
            wide.append((number, width))
        if 'columns ' + name in CEILINGS:
            self.counted['columns ' + name] = [
                (name, number, str(width)) for number, width in wide]
            return
        allowed = WIDE.get(name, (0, ''))[0]
        if len(wide) > allowed:
            for number, width in wide:
                self.tell(name, number, f'{width} columns, at most {COLUMNS}')
        elif len(wide) < allowed:
            self.tell(name, 1, f'{len(wide)} wide lines: WIDE in '
                      f'devtools/check_style.py still allows {allowed}')

    def spaces(self, name, what, text):
        for number, line in enumerate(text.split('\n'), 1):
            if line.rstrip(' \t\r') != line:
                self.tell(name, number, 'white space at the end of the line')
            if what in ('c', 'sh', 'meson', 'pml'):
                if re.match(r'\t* {8,}\S', line):
                    self.tell(name, number, 'spaces for a tab')
                elif ' \t' in line:
                    self.tell(name, number, 'a space before a tab')
            elif what in ('py', 'rst') and '\t' in line:
                self.tell(name, number, 'a tab')
        if text and not text.endswith('\n'):
            self.tell(name, text.count('\n') + 1, 'no end of the last line')

    def calls(self, name, text):
        code = code_of(text)
        for match in re.finditer(r'\bvolatile\b', code):
            before = code[:match.start()].rstrip()
            if not before.endswith(('asm', '__asm__')) and \
                    not code[match.end():].startswith(' sig_atomic_t') and \
                    name not in VOLATILE:
                self.tell(name, line_of(code, match.start()),
                          'volatile: use __atomic_* with an order')
        if not name.startswith(('lib/', 'drivers/')):
            return
        for match in re.finditer(FORBIDDEN, code):
            if (name, match[1]) not in CALLS:
                self.tell(name, line_of(code, match.start()),
                          f'{match[1]}() is left to the program')

    def words(self, name, text):
        for what, pattern in WORDS.items():
            for match in re.finditer(pattern, text, re.I):
                self.counted[what].append(
                    (name, line_of(text, match.start()), match[0]))

    def edges(self, name, text):
        """Lists of edges, and the comments that name them."""
        lists = set()
        for number, line in enumerate(text.split('\n'), 1):
            # "C1 tx: ...", "P1  publish ...": two columns at most.
            match = re.match(r' \*  +([A-Z][0-9] +|[A-Z][a-z]?  +)(?=\S)',
                             line)
            if match is None:
                continue
            lists.add(number)
            rest = line[match.end():]
            labels = [match[1].strip()] + [label.strip() for label in
                re.findall(r'  +([A-Z][0-9]  +|[A-Z][a-z]?  +)(?=\S)', rest)]
            for label in labels:
                self.listed[label].setdefault(name, number)
            # "release: where     acquire: where", not steps of two columns.
            if re.match(r'[^:]+: .*  +[^:]+: ?', rest) and len(labels) == 1:
                self.paired.add(labels[0])
        for comment in re.finditer(r'/\*.*?\*/', text, re.S):
            first = line_of(text, comment.start())
            body = re.sub(r'\s*\n\s*\*? ?', ' ', comment[0])
            labels = set()
            match = re.match(r'/\*+ (?:Pairs with |Acquire |Release )?'
                             rf'({EDGES})(?=[:.;]| in \S+\.h| \*/)', body)
            if match:
                labels.update(re.findall(EDGE, match[1]))
            for match in re.finditer(rf'[Pp]airs with ({EDGES})\b(?!\()',
                                     body):
                labels.update(re.findall(EDGE, match[1]))
            match = re.search(rf'\(({EDGES})\) ?\*/', body)
            if match:
                labels.update(re.findall(EDGE, match[1]))
            for label in labels:
                if first not in lists:
                    self.used[label].append((name, first))

    def explains(self, there, name):
        """Whether a list in the file there is one that name can mean."""
        if os.path.dirname(there) == os.path.dirname(name):
            return True
        # An edge of lib/ may lead to a later room: who writes does not know who
        # reads. Drivers know lanes.
        if not there.startswith('lib/'):
            return False
        return name.startswith('lib/') or self.rooms.index(
            there.split('/')[1]) < self.rooms.index('copy')

    def judge_edges(self):
        for label, where in sorted(self.listed.items()):
            for name, line in list(where.items())[1:]:
                self.counted['edge in two lists'].append(
                    (name, line, f'{label}, as in {next(iter(where))}'))
            if label in self.paired and len(self.used[label]) < 2:
                name, line = next(iter(where.items()))
                self.counted['edge without its half'].append(
                    (name, line, label))
        for label, places in sorted(self.used.items()):
            for name, line in places:
                if not any(self.explains(there, name)
                           for there in self.listed.get(label, ())):
                    self.counted['edge in no list'].append((name, line, label))

    def judge(self, lower):
        fallen = {}
        for what, ceiling in CEILINGS.items():
            places = self.counted[what]
            if len(places) > ceiling:
                for name, line, how in places:
                    self.tell(name, line, f'{what}: {how}')
                self.tell('devtools/check_style.py', 1,
                          f'{what}: {len(places)}, at most {ceiling}')
            elif len(places) < ceiling:
                fallen[what] = len(places)
                if not lower:
                    self.tell('devtools/check_style.py', 1,
                              f'{what}: only {len(places)} of {ceiling} are '
                              'left: run devtools/check-style.sh --lower')
        return fallen


def lower_ceilings(fallen):
    """Write what has fallen into the table above."""
    with open(__file__, encoding='utf-8') as f:
        text = f.read()
    for what, count in fallen.items():
        text = re.sub(rf"^(    '{what}': )\d+,$", rf'\g<1>{count},', text,
                      flags=re.M)
    with open(__file__, 'w', encoding='utf-8') as f:
        f.write(text)


def main():
    args = sys.argv[1:]
    if args not in ([], ['--lower'], ['--list-scripts']):
        print(__doc__, file=sys.stderr)
        return 2
    checker = Checker()
    scripts = []
    n = 0
    for name in tracked():
        with open(name, 'rb') as f:
            data = f.read()
        try:
            text = data.decode('utf-8')
        except UnicodeDecodeError:
            continue
        what = kind(name, text)
        if what == 'sh':
            scripts.append(name)
        if args == ['--list-scripts']:
            continue
        n += 1
        if what is not None:
            checker.columns(name, text)
            checker.spaces(name, what, text)
            if name not in NO_SPDX and 'SPDX-License-Identifier: ' not in \
                    '\n'.join(text.split('\n')[:3]):
                checker.tell(name, 1, 'no SPDX line')
            if name != 'devtools/check_style.py':
                checker.words(name, text)
        if what == 'c':
            checker.calls(name, text)
            if name.startswith(('lib/', 'drivers/')):
                checker.edges(name, text)
    if args == ['--list-scripts']:
        print('\n'.join(scripts))
        return 0
    checker.judge_edges()
    fallen = checker.judge('--lower' in args)
    if '--lower' in args and fallen:
        lower_ceilings(fallen)
    if n == 0:
        checker.tell('.', 1, 'no files to check')
    for line in checker.found:
        print(line)
    return 1 if checker.found else 0


if __name__ == '__main__':
    sys.exit(main())
