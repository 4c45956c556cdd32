#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""
Installed headers compile without a warning, as C and as C++.

usage: test_headers.py README HEADER... -- COMMAND...

The headers are copied to a directory of their own, so that one which includes a
header that is not installed is found. Each of them is compiled alone, then all
together in either order, then the program in README.md: with g++ -std=c++17 and
with gcc -std=c99, both -Wall -Wextra -pedantic. All together they are also
compiled with COMMAND, the compiler that ferry is built with.

DPDK's headers are system headers here, because their warnings are not ferry's.
Those of DPDK 22.11 that ferry includes have none. For -std=c99 they ask for one
thing: rte_ring.h uses ssize_t, which <sys/types.h> has to define before.
"""

import concurrent.futures
import os
import re
import shutil
import subprocess
import sys
import tempfile

SKIP = 77
STRICT = ['-Wall', '-Wextra', '-pedantic', '-Werror']
LANGUAGES = {
    'c': ['gcc', '-std=c99'] + STRICT,
    'c++': ['g++', '-std=c++17'] + STRICT,
}


def dpdk_flags():
    """DPDK's flags, with its headers as system headers."""
    out = subprocess.run(['pkg-config', '--cflags', 'libdpdk'], check=True,
                         stdout=subprocess.PIPE, text=True).stdout
    return re.sub(r'(^|\s)-I', r'\1-isystem ', out).split()


def compile_text(what, command, text):
    """What the compiler says of a program, or nothing."""
    done = subprocess.run(command + ['-fsyntax-only', '-'], input=text,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True, check=False)
    if done.returncode == 0:
        return ''
    return 'failed: %s\n%s\n%s' % (what, ' '.join(command), done.stdout)


def jobs(readme, names, flags, own):
    """(what, command, text) for each compilation."""
    with open(readme, encoding='utf-8') as f:
        blocks = re.findall(r'^```c\n(.*?)^```$', f.read(), re.S | re.M)
    assert len(blocks) == 1, '%d programs in %s' % (len(blocks), readme)
    every = ''.join('#include <%s>\n' % name for name in names)
    back = ''.join('#include <%s>\n' % name for name in reversed(names))
    end = 'extern int used;\n'
    for language, command in LANGUAGES.items():
        command = command + ['-x', language] + flags
        for name in names:
            yield name, command, '#include <%s>\n%s' % (name, end)
        yield 'all', command, every + end
        yield 'all, backwards', command, back + end
        yield readme, command, blocks[0]
    yield 'all', own + ['-Wall', '-Wextra', '-Werror', '-x', 'c'] + flags, \
        every + end


def main():
    """Exit code."""
    split = sys.argv.index('--')
    readme, *headers = sys.argv[1:split]
    own = sys.argv[split + 1:]
    for command in LANGUAGES.values():
        if shutil.which(command[0]) is None:
            print('skipped: there is no', command[0])
            return SKIP
    with tempfile.TemporaryDirectory(prefix='ferry-headers.') as tmp:
        for header in headers:
            shutil.copy(header, tmp)
        names = [os.path.basename(header) for header in headers]
        flags = ['-I', tmp, '-DALLOW_EXPERIMENTAL_API'] + dpdk_flags()
        todo = list(jobs(readme, names, flags, own))
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            said = list(pool.map(lambda job: compile_text(*job), todo))
    failed = [text for text in said if text]
    print('\n'.join(failed))
    print(len(todo), 'compilations,', len(failed), 'failed')
    return 1 if failed else 0


if __name__ == '__main__':
    sys.exit(main())
