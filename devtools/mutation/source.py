# SPDX-License-Identifier: BSD-3-Clause
"""Finds the places of a C file where one small change makes a mutant.

It knows as much of C as this code base needs, which is formatted one way: a
binary operator has a blank on both sides, a pointer's star none behind it.
"""

import collections
import hashlib
import re

TOKEN = re.compile(r'''
    (?P<skip>\s+ | //[^\n]* | /\*.*?\*/)
  | (?P<str>[LuU]?"(?:\\.|[^"\\\n])*" | '(?:\\.|[^'\\\n])+')
  | (?P<num>(?:0[xX][0-9a-fA-F]+|\d+\.\d*(?:[eE][-+]?\d+)?|\d+)[uUlLfF]*)
  | (?P<id>[A-Za-z_]\w*)
  | (?P<op><<=|>>=|\.\.\.|->|\+\+|--|<<|>>|<=|>=|==|!=|&&|\|\||[-+*/%&|^]=
      |.)
''', re.X | re.S)
PREPROCESSOR = re.compile(r'^[ \t]*\#(?:[^\n]*\\\n)*[^\n]*', re.M)

# What changes nothing that a test may see: words for people, hints to the CPU.
UNSEEN = re.compile(r'^(rte_log|RTE_LOG|\w*LOG\w*|\w+_log|RTE_SET_USED'
                    r'|RTE_BUILD_BUG_ON|RTE_ASSERT|assert|rte_prefetch\w*'
                    r'|rte_pause|cpu_relax|rte_cldemote\w*|_mm_prefetch'
                    r'|_Static_assert|static_assert)$')

# Orders of memory: models and ThreadSanitizer judge them, hardly a test.
FENCE = re.compile(r'^(rte_atomic_thread_fence|__atomic_\w+_fence|rte_\w*mb'
                   r'|rte_compiler_barrier|_mm_[lsm]fence)$')

BINARY = {
    '<': ['<='], '<=': ['<'], '>': ['>='], '>=': ['>'],
    '==': ['!='], '!=': ['=='],
    '+': ['-'], '-': ['+'], '*': ['/'], '/': ['*'], '%': ['*'],
    '<<': ['>>'], '>>': ['<<'], '&': ['|'], '|': ['&'], '^': ['|'],
    '&&': ['||'], '||': ['&&'],
    '+=': ['-='], '-=': ['+='], '|=': ['&='], '&=': ['|='],
    '<<=': ['>>='], '>>=': ['<<='], '*=': ['/='], '/=': ['*='],
}
KIND = {'<': 'boundary', '<=': 'boundary', '>': 'boundary', '>=': 'boundary',
        '==': 'comparison', '!=': 'comparison', '&&': 'logic', '||': 'logic'}
WORDS = {'true': 'false', 'false': 'true', 'RTE_MIN': 'RTE_MAX',
         'RTE_MAX': 'RTE_MIN'}
CONTROL = {'if', 'while', 'switch', 'for'}
TYPES = {'const', 'static', 'struct', 'union', 'enum', 'unsigned', 'signed',
         'int', 'char', 'long', 'short', 'float', 'double', 'bool', 'void',
         'size_t', 'register', 'extern', '__extension__'}

Token = collections.namedtuple('Token', 'kind text start end')


class Mutant:
    """One change: text[start:end] of a file becomes new.

    first and last are the lines of the statement around it: a test that runs
    none of them cannot notice.
    """

    def __init__(self, path, text, kind, start, end, new, span):
        self.path, self.kind = path, kind
        self.start, self.end, self.new = start, end, new
        self.line = text.count('\n', 0, start) + 1
        self.first = text.count('\n', 0, span[0]) + 1
        self.last = text.count('\n', 0, span[1]) + 1
        # The lines that differ, as people see them and the list has them.
        begin = text.rfind('\n', 0, start) + 1
        stop = text.find('\n', end)
        stop = len(text) if stop < 0 else stop
        squeeze = lambda s: ' '.join(s.split())
        self.old_line = squeeze(text[begin:stop])
        self.new_line = squeeze(text[begin:start] + new + text[end:stop])
        self.id = self.function = None

    def apply(self, text):
        # Lines keep their numbers.
        lost = text.count('\n', self.start, self.end) - self.new.count('\n')
        return text[:self.start] + self.new + '\n' * max(lost, 0) + \
            text[self.end:]


def tokens_of(text):
    """Tokens without blanks, comments, and lines of the preprocessor."""
    directives = []
    masked = re.sub(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"',
                    lambda m: re.sub(r'[^\n]', ' ', m[0])
                    if m[0][0] == '/' else m[0], text, flags=re.S)
    for m in PREPROCESSOR.finditer(masked):
        directives.append((m.start(), m.end()))
    blank = list(masked)
    for start, end in directives:
        for i in range(start, end):
            if blank[i] != '\n':
                blank[i] = ' '
    out = []
    for m in TOKEN.finditer(''.join(blank)):
        if m.lastgroup != 'skip':
            out.append(Token(m.lastgroup, m[0], m.start(), m.end()))
    return out


class Parser:
    """Splits the bodies of functions into statements and conditions."""

    def __init__(self, path, text):
        self.path, self.text = path, text
        self.tok = tokens_of(text)
        self.pair = self._pairs()
        self.out, self.function = [], None

    def _pairs(self):
        pair, stack = {}, []
        for i, t in enumerate(self.tok):
            if t.kind != 'op':
                continue
            if t.text in '([{':
                stack.append(i)
            elif t.text in ')]}' and stack:
                pair[stack.pop()] = i
        return pair

    def mutants(self):
        i, n = 0, len(self.tok)
        while i < n:
            t = self.tok[i].text
            if t == '{':
                end = self.pair.get(i, n)
                if i > 0 and self.tok[i - 1].text == ')':
                    self._name(i - 1)
                    self._block(i, end, end)
                # Not those of extern "C".
                if i == 0 or self.tok[i - 1].kind != 'str':
                    i = end
            elif t in '([' and self.tok[i].kind == 'op':
                i = self.pair.get(i, n)
            i += 1
        # Two places can look the same: the how-manieth of them counts, too.
        seen = collections.Counter()
        for m in self.out:
            key = '\0'.join((m.path, m.kind, m.old_line, m.new_line))
            m.id = hashlib.sha1(('%s\0%d' % (key, seen[key])).encode()) \
                .hexdigest()[:12]
            seen[key] += 1
        return self.out

    def _name(self, close):
        """Of the function whose arguments end here."""
        opening = {b: a for a, b in self.pair.items()}[close]
        self.function = self.tok[opening - 1].text

    def _emit(self, kind, start, end, new, span):
        if self.text[start:end] != new:
            self.out.append(Mutant(self.path, self.text, kind, start, end, new,
                                   span))
            self.out[-1].function = self.function

    def _block(self, i, end, func_end):
        """Statements between the braces i and end."""
        previous = None
        i += 1
        while i < end:
            i, simple = self._statement(i, end, func_end)
            if simple and previous:
                self._swap(previous, simple)
            previous = simple

    def _statement(self, i, end, func_end):
        """One statement. Returns what follows it, and its bounds if it is an
        expression's."""
        tok = self.tok
        text = tok[i].text
        if text == '{':
            self._block(i, self.pair[i], func_end)
            return self.pair[i] + 1, None
        if text in CONTROL and tok[i + 1].text == '(':
            close = self.pair[i + 1]
            self._condition(text, i + 1, close)
            return self._statement(close + 1, end, func_end)[0], None
        if text in ('else', 'do'):
            return self._statement(i + 1, end, func_end)[0], None
        if text in ('case', 'default'):
            while tok[i].text != ':':
                i += 1
            return i + 1, None
        if tok[i].kind == 'id' and tok[i + 1].text == ':' and text != '?':
            return i + 2, None
        if tok[i].kind == 'id' and tok[i + 1].text == '(':
            close = self.pair[i + 1]
            after = tok[close + 1]
            # A loop that is a macro.
            if after.text == '{' or after.kind == 'id' and \
                    not UNSEEN.match(text):
                self._tokens(i + 2, close)
                return self._statement(close + 1, end, func_end)[0], None
        j = i
        while j < end and tok[j].text != ';':
            j = self.pair.get(j, j) + 1
        if j >= end:
            return end, None
        return j + 1, self._simple(i, j, func_end)

    def _span(self, i, j):
        return self.tok[i].start, self.tok[j].end

    def _condition(self, word, i, close):
        span = self._span(i, close)
        start, end = self.tok[i].end, self.tok[close].start
        inside = [t.text for t in self.tok[i + 1:close]]
        # A single comparison is changed below.
        plain = '&&' not in inside and '||' not in inside and (
            '==' in inside or '!=' in inside or '!' in inside[:1])
        if word in ('if', 'while') and inside != ['1'] and not plain:
            self._emit('negated', start, end,
                       '!(' + self.text[start:end] + ')', span)
        self._tokens(i + 1, close, span)

    def _declares(self, i, j):
        """Index of the first token behind the '=' of a declaration, or j; None
        if it is none."""
        tok = self.tok
        first = tok[i]
        if first.kind != 'id' or first.text in ('return', 'goto', 'sizeof'):
            return None
        second = tok[i + 1] if i + 1 < j else None
        is_decl = first.text in TYPES or second and second.kind == 'id' or (
            second and second.text == '*' and
            self.text[second.end:second.end + 1] not in (' ', '\n', '\t'))
        if not is_decl:
            return None
        k = i
        while k < j:
            if tok[k].text == '=':
                return k + 1
            k = self.pair.get(k, k) + 1
        return j

    def _simple(self, i, j, func_end):
        """The statement of the tokens i to j, where j is its semicolon."""
        tok, word = self.tok, self.tok[i].text
        if i == j or UNSEEN.match(word):
            return None
        span = self._span(i, j)
        whole = tok[i].start, tok[j].start
        last = j + 1 >= func_end
        value = self._declares(i, j)
        if value is not None:
            self._tokens(value, j, span)
            return None
        if word in ('return', 'goto', 'break', 'continue'):
            if not last:
                self._emit('dropped jump', *whole, '', span)
            value = tok[i + 1]
            if word == 'return' and (value.text.startswith('FERRY_E_') or
                                     value.text == '-' and
                                     tok[i + 2].kind == 'id'):
                self._emit('dropped error', value.start, tok[j].start, '0',
                           span)
            self._tokens(i + 1, j, span)
            return None
        self._emit('order' if FENCE.match(word) else 'dropped statement',
                   *whole, '', span)
        self._tokens(i, j, span)
        return i, j

    def _target(self, i, j):
        """What a statement assigns to, or None."""
        for k in range(i, j):
            if self.tok[k].text == '(' or self.tok[k].text in ('++', '--'):
                return None
            if self.tok[k].text in ('=', '+=', '-=', '|=', '&='):
                return ''.join(t.text for t in self.tok[i:k])
        return None

    def _swap(self, a, b):
        """Unless both assign, and neither to what the other names: their order
        is seen by no test."""
        one, two = self._target(*a), self._target(*b)
        if one and two and \
                one not in ''.join(t.text for t in self.tok[b[0]:b[1]]) and \
                two not in ''.join(t.text for t in self.tok[a[0]:a[1]]):
            return
        start, end = self.tok[a[0]].start, self.tok[b[1]].end
        one = self.text[start:self.tok[a[1]].end]
        two = self.text[self.tok[b[0]].start:end]
        between = self.text[self.tok[a[1]].end:self.tok[b[0]].start]
        fence = any(FENCE.match(self.tok[x[0]].text) for x in (a, b))
        self._emit('order' if fence else 'swapped', start, end,
                   two + between + one, (start, end))

    def _tokens(self, i, j, span=None):
        """Changes of single tokens."""
        tok, text = self.tok, self.text
        span = span or self._span(i, max(i, j - 1))
        k = i
        while k < j:
            t = tok[k]
            if t.kind == 'id' and tok[k + 1].text == '(' and (
                    t.text == 'sizeof' or UNSEEN.match(t.text)):
                k = self.pair[k + 1] + 1
                continue
            spaced = text[t.start - 1].isspace() and t.end < len(text) and \
                text[t.end].isspace()
            if t.kind == 'op' and t.text in BINARY and spaced:
                for new in BINARY[t.text]:
                    self._emit(KIND.get(t.text, 'operator'), t.start, t.end,
                               new, span)
            elif t.text in ('++', '--'):
                self._emit('operator', t.start, t.end,
                           '--' if t.text == '++' else '++', span)
            elif t.text == '!' and t.kind == 'op':
                self._emit('logic', t.start, t.end, '', span)
            elif t.text in WORDS:
                self._emit('constant', t.start, t.end, WORDS[t.text], span)
            elif t.kind == 'num':
                self._number(t, span)
            k += 1

    def _number(self, t, span):
        m = re.match(r'(0[xX][0-9a-fA-F]+|\d+)([uUlL]*)$', t.text)
        if not m:
            return
        n = int(m[1], 0) if not re.match(r'0\d', m[1]) else int(m[1], 8)
        for new in (1,) if n == 0 else (0,) if n == 1 else (n + 1, n - 1):
            self._emit('constant', t.start, t.end,
                       (hex(new) if m[1][:2] in ('0x', '0X') else str(new)) +
                       m[2], span)


def mutants_of(path, text):
    return Parser(path, text).mutants()
