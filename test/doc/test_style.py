#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Check that each check of devtools/check_style.py can fail.

usage: test_style.py SOURCE-DIR

For each check, a tree with one file that breaks it, and one that does not.
"""

import os
import shutil
import subprocess
import sys
import tempfile

C = '/* SPDX-License-Identifier: BSD-3-Clause */\n'
SH = '#!/bin/bash\n# SPDX-License-Identifier: BSD-3-Clause\n'
PY = '#!/usr/bin/env python3\n# SPDX-License-Identifier: BSD-3-Clause\n'
LIST = C + '/*\n *    Y1 tx: the store     rx: the load\n */\n'
# In pieces, because this file is checked, too.
WHO = 'no' + 'body'

# File, its text, the line and the words of the finding, or None for none.
CASES = [
    ('lib/base/a.c', C + '/* ' + 'x' * 75 + '. */\n', 2, '82 columns'),
    ('lib/base/a.c', C + '/* ' + 'x' * 74 + ' */\n', None, 'columns'),
    ('lib/base/a.c', C + '\t' * 9 + 'abcdefgh;\n', 2, '81 columns'),
    ('a.rst', '..  SPDX-License-Identifier: BSD-3-Clause\n\nhttps://' +
     'x' * 90 + '\n', None, 'columns'),
    ('lib/base/a.c', 'int a;\n', 1, 'no SPDX line'),
    ('tool', '#!/bin/sh\necho\n', 1, 'no SPDX line'),
    ('lib/base/a.c', C + 'int a; \n', 2, 'white space at the end'),
    ('lib/base/a.c', C + '        int a;\n', 2, 'spaces for a tab'),
    ('a.sh', SH + 'if true; then \techo; fi\n', 3, 'a space before a tab'),
    ('a.py', PY + 'a = "\t"\n', 3, 'a tab'),
    ('lib/base/a.c', C + 'int a;', 2, 'no end of the last line'),
    ('lib/base/a.c', C + 'volatile int a;\n', 2, 'volatile'),
    ('lib/base/a.c', C + '/* volatile */ char *a = "volatile";\n', None,
     'volatile'),
    ('lib/base/a.c', C + '\t__asm__ volatile("");\n', None, 'volatile'),
    ('lib/base/a.c', C + '\tprintf("a");\n', 2, 'printf() is left'),
    ('drivers/copy/a/a.c', C + '\texit(1);\n', 2, 'exit() is left'),
    ('lib/base/a.c', C + '\tgetenv("a");\n', 2, 'getenv() is left'),
    ('apps/a/a.c', C + '\tprintf("a");\n', None, 'is left'),
    ('lib/base/a.h', LIST, 3, 'edge without its half: Y1'),
    ('lib/base/a.h', LIST + '/* Y1 */\n/* Y1: as rx. */\n', None, 'edge'),
]
# These need as many as their ceilings, and one.
CEILINGS = [
    ('lib/base/a.c', C, f'/* {WHO} */\n', 'word ' + WHO),
    ('lib/base/a.c', C, '/* Pairs with Y2. */\n', 'edge in no list'),
]


def findings(root, name, text):
    """What is said of a tree with such a file."""
    with tempfile.TemporaryDirectory(prefix='ferry-style.') as tmp:
        os.makedirs(os.path.join(tmp, 'devtools'))
        os.makedirs(os.path.join(tmp, os.path.dirname(name) or '.'),
                    exist_ok=True)
        os.makedirs(os.path.join(tmp, 'lib'), exist_ok=True)
        shutil.copy(os.path.join(root, 'devtools/check_style.py'),
                    os.path.join(tmp, 'devtools'))
        shutil.copy(os.path.join(root, 'lib/meson.build'),
                    os.path.join(tmp, 'lib'))
        with open(os.path.join(tmp, name), 'w', encoding='utf-8') as f:
            f.write(text)
        done = subprocess.run(
            [sys.executable, 'devtools/check_style.py'], cwd=tmp, text=True,
            stdout=subprocess.PIPE, check=False)
        # Without the fallen counts of a tree of one file.
        lines = [line for line in done.stdout.splitlines()
                 if ' are left: run ' not in line and 'WIDE in' not in line]
        assert done.returncode == 1, done.returncode
        return lines


def main():
    root = sys.argv[1]
    bad = 0
    for name, text, line, words in CASES:
        said = findings(root, name, text)
        at = f'{name}:{line}: '
        if line is None:
            good = not any(words in one for one in said)
        else:
            good = any(one.startswith(at) and words in one for one in said)
        if not good:
            print('wrong:', repr(text), said)
            bad += 1
    with open(os.path.join(root, 'devtools/check_style.py'),
              encoding='utf-8') as f:
        table = f.read()
    for name, start, line, what in CEILINGS:
        ceiling = int(table.split(f"'{what}': ")[1].split(',')[0])
        for more, wanted in ((0, False), (1, True)):
            said = findings(root, name, start + line * (ceiling + more))
            if wanted != any(f'{what}: {ceiling + 1}, at most {ceiling}' in one
                             for one in said):
                print('wrong:', what, ceiling, more, said[-3:])
                bad += 1
    return 1 if bad else 0


if __name__ == '__main__':
    sys.exit(main())
