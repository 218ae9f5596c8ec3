"""Text to tokens: code, strings with their interpolations, shell bodies.

A token is a tuple (type, value, start, end). The type of a keyword or of punctuation is its text; the others
are NAME, NUMBER, STRING (one without interpolation), STR_START, STR_TEXT, STR_END, SHELL, `?` (what was
reported here already) and $END. The bracket stack is also the nesting limit.
"""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_right

from codeai.dsl.diagnostics import Findings
from codeai.dsl.shell_text import Unclosed, read_body

Token = tuple[str, "str | int | float", int, int]

MOST_NESTED = 100
MOST_REPORTED = 50
KEYWORDS = frozenset(
    {"var", "function", "param", "if", "else", "for", "in", "while", "return", "exec", "undo", "try", "catch"}
    | {"parallel", "break", "continue", "and", "or", "not", "true", "false", "null"}
)
BEGINNINGS = frozenset(
    {"var", "function", "param", "if", "for", "while", "return", "try", "break", "continue"}
)
OPEN = {"(": ")", "[": "]", "{": "}", "${": "}"}
LARGEST_INTEGER = 2**63 - 1  # one more may follow a minus

_BIDI = "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"
_SKIP = rf"(?:[ \t\r\n\f\v{_BIDI}]++|#[^\n]*+)*+"
_NAME, _PUNCTUATION, _STRING, _NUMBER, _QUOTE = range(1, 6)
_CODE = re.compile(
    _SKIP
    + r"""(?:([^\W\d]\w*+)|(==|!=|<=|>=|\+=|-=|\*=|/=|[-+*/%=<>(){}\[\],.:;])"""
    + r"""|("[^"\\$]*+"|'[^']*+')|([0-9](?:[eE][+-](?=[0-9])|[A-Za-z0-9_.])*+)|(["']))?"""
)
_AHEAD = re.compile(_SKIP + r"([:({]?)")
_COMMENT = re.compile(rf"(?:[ \t\r\n\f\v{_BIDI}]++|(#[^\n]*+))")
_BIDI_CONTROL = re.compile(f"[{_BIDI}]")
_NUMBER_FORM = re.compile(r"(0|[1-9][0-9]*+)(\.[0-9]++)?([eE][+-]?[0-9]++)?")
_STRANGE = re.compile(r"""[^\w\s"'#(){}\[\],.:;=<>+\-*/%!&|$]++|[&|$!]""")
_TEXT = re.compile(r'(?s)(?:[^"\\$]++|\$(?!\{)|\\.)*+')
_ESCAPE = re.compile(r"(?s)\\(?:u\{([0-9A-Fa-f]{1,6})\}|(.))")
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", '"': '"', "\\": "\\", "$": "$"}
_INSTEAD = {"&&": "and", "||": "or", "!": "not"}
_STRANGE_HINTS = {
    "`": "a command stands in `exec { … }`",
    "“": 'a string stands in straight quotes: "…"',
    "”": 'a string stands in straight quotes: "…"',
    "‘": "a string stands in straight quotes: '…'",
    "’": "a string stands in straight quotes: '…'",
    "$": "a variable is written without `$`; in a string it is `${name}`",
}
# After one of these an operand is complete, so that a `{` begins no map.
OPERAND_ENDS = frozenset(
    {"NAME", "NUMBER", "STRING", "STR_END", "SHELL", ")", "]", "}", "true", "false", "null"}
)


class Lexed:
    """The tokens, the last of them $END. `pairs` maps the offset of each bracket that was closed to that of
    its closing one; `texts` are the spans of strings and shell bodies; `cut` tells that the rest of the file
    could not be read (which was reported)."""

    __slots__ = ("cut", "pairs", "texts", "tokens")

    def __init__(self) -> None:
        self.tokens: list[Token] = []
        self.pairs: dict[int, int] = {}
        self.texts: list[tuple[int, int]] = []
        self.cut = False


def lex(findings: Findings) -> Lexed:
    """The tokens of the findings' source. Whatever is wrong is added to the findings, at most 50 times."""
    lexer = _Lexer(findings)
    lexer.run()
    lexer.control_characters()
    return lexer.lexed


def comments(text: str, start: int, end: int) -> list[tuple[str, int]]:
    """The comments (with their offsets) between two neighbouring tokens."""
    found = []
    while start < end and (match := _COMMENT.match(text, start)) is not None:
        if match[1] is not None:
            found.append((match[1].rstrip(), start))
        start = match.end()
    return found


def character(one: str) -> str:
    """A character as a message shows it."""
    if one.isprintable() and not one.isspace():
        return f"`{one}`"
    return f"U+{ord(one):04X} {unicodedata.name(one, '')}".rstrip()


class _Lexer:
    def __init__(self, findings: Findings) -> None:
        self.text = findings.source.text
        self.findings = findings
        self.lexed = Lexed()
        self.put = self.lexed.tokens.append
        self.at = 0
        # (bracket, its offset, whether a shell body may follow it or, for `${`, the offset of the string)
        self.stack: list[tuple[str, int, int]] = []

    def report(self, code: str, start: int, end: int, hint: str = "", **values: object) -> None:
        if len(self.findings.found) < MOST_REPORTED:
            self.findings.add(code, start, end, hint, **values)

    def run(self) -> None:
        text, put, match = self.text, self.put, _CODE.match
        while not self.lexed.cut:
            token = match(text, self.at)
            assert token is not None  # the expression matches the empty text
            group, end = token.lastindex, token.end()
            self.at = end
            if group == _NAME:
                word, start = token[1], token.start(1)
                if word in KEYWORDS:
                    self.keyword(word, start)
                    continue
                if not word.isascii():
                    self.bad_name(word, start)
                put(("NAME", word, start, end))
            elif group == _PUNCTUATION:
                one = token[2]
                if one in "(){}[]":
                    self.bracket(one, end - 1)
                else:
                    put((one, one, end - len(one), end))
            elif group == _STRING:
                start = token.start(3)
                self.lexed.texts.append((start, end))
                put(("STRING", text[start + 1 : end - 1], start, end))
            elif group == _NUMBER:
                self.number(token[4], token.start(4))
            elif group == _QUOTE:
                if token[5] == "'":
                    self.unclosed_string(end - 1)
                else:
                    self.string(end - 1, first=True)
            elif end < len(text):
                self.strange()
            else:
                break
        put(("$END", "", len(text), len(text)))

    def keyword(self, word: str, start: int) -> None:
        """A keyword is a name after `.` and before `:`; after `exec` and `undo` a shell body may begin."""
        end = self.at
        ahead = _AHEAD.match(self.text, end)
        following = ahead[1] if ahead else ""
        tokens = self.lexed.tokens
        if following == ":" or (tokens and tokens[-1][0] == "."):
            self.put(("NAME", word, start, end))
            return
        if word in BEGINNINGS and self.stack and self.stack[-1][0] in ("(", "["):
            self.abandon(word, start)
        self.put((word, word, start, end))
        if word in ("exec", "undo") and following and ahead:
            if following == "{":
                self.shell(ahead.start(1))
            else:
                self.at = ahead.end()
                self.open("(", ahead.start(1), 1)

    def abandon(self, word: str, start: int) -> None:
        """A word that only a statement begins with, first on its line: brackets around it were forgotten."""
        before = self.lexed.tokens[-1]
        of_parallel = word == "for" and before[0] in ("parallel", ")")
        if "\n" in self.text[before[3] : start] and not of_parallel:
            while self.stack and self.stack[-1][0] in ("(", "["):
                self.stack.pop()

    def bracket(self, one: str, start: int) -> None:
        stack, tokens = self.stack, self.lexed.tokens
        in_options = bool(stack) and stack[-1][0] == "(" and stack[-1][2]
        if one == "{" and in_options and tokens[-1][0] in OPERAND_ENDS:
            stack.pop()  # `exec(timeout: 1 {`: its bracket was forgotten
            self.shell(start)
            return
        if one in OPEN:
            self.open(one, start, 0)
            return
        depth = len(stack) - 1
        while depth >= 0 and OPEN[stack[depth][0]] != one:
            if one != "}" and stack[depth][0] in ("{", "${"):
                depth = -1
            depth -= 1
        self.put((one, one, start, start + 1))
        if depth < 0:
            return
        opened, opened_at, more = stack[depth]
        del stack[depth:]
        self.lexed.pairs[opened_at] = start
        if opened == "${":
            self.string(more, first=False)
        elif more:
            ahead = _AHEAD.match(self.text, self.at)
            if ahead and ahead[1] == "{":
                self.shell(ahead.start(1))

    def open(self, one: str, start: int, more: int) -> None:
        if len(self.stack) >= MOST_NESTED:
            self.report("too_deep", start, start + len(one), most=MOST_NESTED)
            self.cut(start)
            return
        self.stack.append((one, start, more))
        self.put((one, one, start, start + len(one)))

    def cut(self, start: int) -> None:
        self.put(("?", "", start, start + 1))
        self.lexed.cut = True

    def string(self, quote: int, first: bool) -> None:
        """Reads on in the `"…"` whose quote stands at offset `quote`, up to its end or an interpolation."""
        text, start = self.text, self.at
        chunk = _TEXT.match(text, start)
        assert chunk is not None  # may be empty
        end = chunk.end()
        following = text[end : end + 2]
        if following == "${":
            if first:
                self.put(("STR_START", '"', quote, start))
            if end > start:
                self.put(("STR_TEXT", self.unescape(chunk[0], start), start, end))
            self.lexed.texts.append((start, end))
            self.at = end + 2
            self.open("${", end, quote)
        elif following[:1] == '"':
            self.at = end + 1
            self.lexed.texts.append((start, end))
            if first:
                self.put(("STRING", self.unescape(chunk[0], start), quote, end + 1))
                return
            if end > start:
                self.put(("STR_TEXT", self.unescape(chunk[0], start), start, end))
            self.put(("STR_END", '"', end, end + 1))
        else:
            self.unclosed_string(quote)

    def unclosed_string(self, quote: int) -> None:
        self.report("unclosed_string", quote, quote + 1, hint="what follows is read as its text")
        self.cut(quote)

    def unescape(self, raw: str, start: int) -> str:
        if "\\" not in raw:
            return raw

        def one(match: re.Match[str]) -> str:
            if match[2] in _ESCAPES:
                return _ESCAPES[match[2]]
            value = int(match[1], 16) if match[1] else 0
            if 0 < value <= 0x10FFFF and not 0xD800 <= value <= 0xDFFF:
                return chr(value)
            known = r"the escapes are \n \t \r \" \\ \$ and \u{…} with a code point other than 0"
            at = start + match.start()
            self.report("bad_escape", at, at + len(match[0]), known, found=f"`{match[0]}`")
            return "\ufffd"

        return _ESCAPE.sub(one, raw)

    def shell(self, brace: int) -> None:
        body = read_body(self.text, brace)
        if isinstance(body, Unclosed):
            hint = ""
            if body.start != brace:
                line, column = self.findings.source.position(body.start)
                hint = f"the {body.what} on line {line}, column {column} is open to the end of the file"
            self.report("unclosed_shell", brace, brace + 1, hint)
            self.cut(brace)
            return
        for end in body.misplaced:
            hint = "give it the indentation of the body's other lines"
            self.report("here_document", end.start, end.end, hint, word=end.word)
        self.lexed.texts.append((brace, body.end))
        self.put(("SHELL", body.text, brace, body.end))
        self.at = body.end

    def number(self, text: str, start: int) -> None:
        end = self.at
        form = _NUMBER_FORM.fullmatch(text)
        value: int | float = 0
        if form is None:
            hint = "a number has no leading zero" if re.fullmatch("0[0-9]+", text) else ""
            self.report("bad_number", start, end, hint, found=f"`{_shortened(text)}`")
        elif form[2] or form[3]:
            value = float(text)
            if value == float("inf"):
                self.report("number_too_large", start, end, found=f"`{_shortened(text)}`")
                value = 0.0
        elif len(text) > 19 or (value := int(text)) > LARGEST_INTEGER + 1:
            self.report("number_too_large", start, end, found=f"`{_shortened(text)}`")
            value = 0
        self.put(("NUMBER", value, start, end))

    def bad_name(self, word: str, start: int) -> None:
        wrong = next(number for number, one in enumerate(word) if not one.isascii())
        self.report("bad_name", start, start + len(word), found=character(word[wrong]))

    def strange(self) -> None:
        """Characters that no token begins with: what is meant is clear for a few, the rest is skipped."""
        text, start = self.text, self.at
        two = text[start : start + 2]
        meant = _INSTEAD.get(two) or _INSTEAD.get(two[:1])
        if meant is not None:
            found = two if two in _INSTEAD else two[:1]
            self.at += len(found)
            self.report("bad_character", start, self.at, f"write `{meant}`", found=f"`{found}`")
            self.put((meant, meant, start, self.at))
            return
        run = _STRANGE.match(text, start)
        self.at = run.end() if run else start + 1
        found = text[start]
        hint = _STRANGE_HINTS.get(found, "")
        if found.isspace() or found in "\u200b\u200c\u200d\ufeff":
            hint = "write an ordinary blank"
        self.report("bad_character", start, self.at, hint, found=character(found))
        if not found.isspace() and found != "$":
            self.put(("?", "", start, self.at))

    def control_characters(self) -> None:
        """Characters that turn the direction of the text: an error in code and comments, else a warning."""
        texts = self.lexed.texts
        errors = warnings = 0
        for match in _BIDI_CONTROL.finditer(self.text):
            at = match.start()
            inside = bisect_right(texts, (at, len(self.text))) - 1
            is_text = inside >= 0 and at < texts[inside][1]
            if is_text and warnings < MOST_REPORTED:
                warnings += 1
                self.findings.add("bidi_text", at, at + 1, found=character(match[0]))
            elif not is_text and errors < MOST_REPORTED:
                errors += 1
                self.findings.add("bidi_code", at, at + 1, found=character(match[0]))


def _shortened(text: str) -> str:
    return text if len(text) <= 40 else text[:37] + "…"
