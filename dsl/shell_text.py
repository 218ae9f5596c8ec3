"""Where a shell body ends, and its text without the shared indentation.

`{` and `}` count outside quoting. What quotes is bash's: each construct is a frame on a stack of our own, so
that no nesting is too deep; every character is looked at once, so that no text is too long.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import NamedTuple


@dataclass(frozen=True, slots=True)
class HereDocument:
    """A here-document's end line that does not stand where bash looks for it once the body is dedented."""

    word: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Body:
    """A body that was closed: `end` is the offset after its closing brace."""

    text: str
    end: int
    misplaced: tuple[HereDocument, ...] = ()


@dataclass(frozen=True, slots=True)
class Unclosed:
    """The text ended first. `what` (in words) was open, innermost, since offset `start`; for the body itself
    that is its brace."""

    what: str
    start: int


# In commands: a body, and what stands in `$(…)`, `<(…)` or a subshell there.
_COMMAND = re.compile(
    r"""(?sx)
    (?P<blank>   [\ \t]+ )
  | (?P<word>    [^\ \t\n\\'"`$\#{}<>();&|]+ )
  | (?P<line>    \n )
  | (?P<here>    <<<|<<-? )
  | (?P<process> [<>]\( )
  | (?P<redirect> &>>? | [<>]+[&|]? )
  | (?P<branch>  ;;&? | ;& )
  | (?P<next>    [;&|] )
  | (?P<sum>     \(\( )
  | (?P<paren>   \( )
  | (?P<close>   \) )
  | (?P<escape>  \\.? )
  | (?P<single>  '[^']*+'? )
  | (?P<ansi>    \$'(?:[^'\\]|\\.)*+'? )
  | (?P<dollar>  \$(?:\(\(|[({\[]|[\#$@*?!-])? )
  | (?P<double>  " )
  | (?P<tick>    ` )
  | (?P<hash>    \# )
  | (?P<open>    { )
  | (?P<shut>    } )
    """
)
_COMMENT = re.compile(r"[^\n]*")
_TICK = re.compile(r"(?s)`(?:[^`\\]|\\.)*+`")
_HERE_WORD = re.compile(
    r"""(?sx) [\ \t]* ( (?: [^\ \t\n\\'"`;&|()<>{}] | \\. | '[^']*+' | "(?:[^"\\]|\\.)*+" )++ )"""
)
_UNQUOTE = re.compile(r"""(?s)\\(.)|'([^']*)'|"((?:[^"\\]|\\.)*)"|\$(?=['"])""")

# In everything else: up to what may open or close something there.
_QUOTING = {
    '"': re.compile(r'(?s)(?:[^"\\$`]++|\\.)*+'),
    "${": re.compile(r"""(?s)(?:[^"'\\$`}]++|\\.|'[^']*+')*+"""),
    "((": re.compile(r"""(?s)(?:[^"'\\$`()]++|\\.|'[^']*+')*+"""),
    "$[": re.compile(r"""(?s)(?:[^"'\\$`\[\]]++|\\.|'[^']*+')*+"""),
}
_OPENING = re.compile(r'"|\$?\(\(|[$<>]?\(|\$[{\[]')
_DOLLAR = re.compile(r"\$(?:\(\(|[({\[])?")
_ANSI = re.compile(r"(?s)\$'(?:[^'\\]|\\.)*+'")

# After these words a command may begin, and so the word `case`.
_BEFORE_COMMAND = frozenset({"if", "then", "else", "elif", "do", "while", "until", "!", "time"})


class _Frame:
    """Something open. `depth` counts its own kind of bracket; the rest is for commands: the `case` words
    without their `esac`, where in one we are, and the here-documents that begin on the next line."""

    __slots__ = ("await_in", "cases", "command", "depth", "here", "kind", "pattern", "plain", "start")

    def __init__(self, kind: str, start: int, plain: bool = False) -> None:
        self.kind = kind
        self.start = start
        self.plain = plain  # parentheses in a word hold no commands: `a=(…)`, `f()`, `@(…)`
        self.depth = 1
        self.cases = 0
        self.await_in = 0  # words up to a `case`'s `in`
        self.pattern = ""  # "fresh" before a pattern, "begun" in it
        self.command = not plain
        self.here: list[tuple[str, bool, bool]] = []


def read_body(text: str, brace: int) -> Body | Unclosed:
    """Reads the shell body whose opening brace stands at offset `brace`."""
    scan = _Scan(text, brace)
    end = scan.run()
    if end < 0:
        return scan.unclosed
    last = text.count("\n", brace, scan.ends[-1].start) if scan.ends else 0
    body, shared = _dedent(text[brace + 1 : end - 1], last)
    misplaced = tuple(
        HereDocument(one.word, one.start, one.start + len(one.line))
        for one in scan.ends
        if one.line.removeprefix(shared).lstrip("\t" if one.dash else "") != one.word
    )
    return Body(body, end, misplaced)


def _dedent(raw: str, last: int) -> tuple[str, str]:
    """The text as the shell gets it, and the white space that was taken off its lines. Blank lines around the
    body go, but not line number `last`, in which its last here-document ends (perhaps with an empty word)."""
    lines = raw.split("\n")
    first = 1 if len(lines) > 1 else 0
    shared: str | None = None
    for line in lines[first:]:
        if not line.strip(" \t\r"):
            continue
        lead = line[: len(line) - len(line.lstrip(" \t"))]
        if shared is None or shared.startswith(lead):
            shared = lead
        elif not lead.startswith(shared):
            shared = _common(shared, lead)
    shared = shared or ""
    lines[first:] = [
        line.removeprefix(shared) if line.startswith(shared) else line.lstrip(" \t") for line in lines[first:]
    ]
    if first:
        lines[0] = lines[0].lstrip(" \t")
    blank = next((number for number, line in enumerate(lines) if line.strip(" \t\r")), len(lines))
    body = "\n".join(lines[blank:])
    kept = body.rstrip(" \t\r\n")
    if kept.count("\n") < last - blank:
        kept = "\n".join(lines[blank : last + 1]) + "\n"
    elif (len(kept) - len(kept.rstrip("\\"))) % 2:  # a backslash keeps the blank or line end after it
        kept += body[len(kept) :].lstrip("\r")[:1] or " "
    return kept, shared


def _common(one: str, other: str) -> str:
    length = 0
    for a, b in zip(one, other, strict=False):
        if a != b:
            break
        length += 1
    return one[:length]


class _End(NamedTuple):
    """The line that ends a here-document."""

    word: str
    dash: bool
    start: int
    line: str


class _Scan:
    """One pass over a body. `ends` gathers the end lines of its here-documents."""

    def __init__(self, text: str, brace: int) -> None:
        self.text = text
        self.at = brace + 1
        self.frames = [_Frame("{", brace)]
        self.ends: list[_End] = []
        self.word = False  # in the middle of a word
        self.unclosed = Unclosed("shell body", brace)

    def run(self) -> int:
        """The offset after the closing brace, or -1 (then `unclosed` says what was open)."""
        while self.frames:
            kind = self.frames[-1].kind
            done = self._commands() if kind in ("{", "(") else self._quoted()
            if not done:
                if self.unclosed.start == self.frames[0].start and len(self.frames) > 1:
                    start = self.frames[-1].start
                    self._blame(f"`{_OPENING.findall(self.text, start)[0]}`", start)
                return -1
        return self.at

    def _blame(self, what: str, start: int) -> None:
        self.unclosed = Unclosed(what, start)

    def _push(self, kind: str, start: int, plain: bool = False) -> bool:
        self.frames.append(_Frame(kind, start, plain))
        self.word = False
        return True

    def _dollar(self, opened: str, start: int) -> bool:
        """Enters what a `$` began; False where it began nothing."""
        kind = {"$((": "((", "$(": "(", "${": "${", "$[": "$["}.get(opened)
        if kind is None:
            return False
        self._push(kind, start)
        if kind == "((":
            self.frames[-1].depth = 2
        return True

    def _quoted(self) -> bool:
        """Goes on in a quoting frame until another begins or it ends; False at the end of the text."""
        text, frame = self.text, self.frames[-1]
        skip = _QUOTING[frame.kind].match
        while True:
            at = skip(text, self.at).end()  # type: ignore[union-attr]
            self.at = at
            here = text[at : at + 1]
            if not here or here == "\\":
                return False
            if here == "'":
                self._blame("`'`", at)
                return False
            if here == "`":
                if not self._tick():
                    return False
            elif here == "$":
                if frame.kind != '"' and (ansi := _ANSI.match(text, at)):
                    self.at = ansi.end()
                    continue
                opened = _DOLLAR.match(text, at)
                assert opened is not None
                self.at = opened.end()
                if self._dollar(opened[0], at):
                    return True
            elif here == '"' and frame.kind != '"':
                self.at += 1
                return self._push('"', at)
            else:
                self.at += 1
                frame.depth += 1 if here in "([" else -1
                if not frame.depth:
                    self.frames.pop()
                    self.word = True
                    return True

    def _tick(self) -> bool:
        tick = _TICK.match(self.text, self.at)
        if tick is None:
            self._blame("backquote", self.at)
            return False
        self.at = tick.end()
        return True

    def _commands(self) -> bool:
        """The same in a frame of commands."""
        text, frame = self.text, self.frames[-1]
        match = _COMMAND.match
        while (token := match(text, self.at)) is not None:
            start, self.at = self.at, token.end()
            group = token.lastgroup
            if group == "blank":
                self.word = False
                continue
            if group == "hash" and not self.word:
                self.at = _COMMENT.match(text, start).end()  # type: ignore[union-attr]
                continue
            if group == "line":
                self.word, frame.command = False, not frame.plain
                if frame.here and not self._here_documents(frame):
                    return False
                continue
            if group in ("next", "branch", "redirect", "here"):
                self._operator(frame, group, token[0])
                continue
            if group in ("process", "sum", "paren"):
                if self._parenthesis(frame, group, start):
                    return True
                continue
            if group == "close":
                if self._close(frame):
                    return True
                continue
            if group == "escape" and token[0] == "\\\n":
                continue
            if not self.word:
                self._begin_word(frame, token[0] if group == "word" and self._ends_word() else "")
            self.word = True
            if group == "open":
                frame.depth += frame.kind == "{"
            elif group == "shut" and frame.kind == "{":
                frame.depth -= 1
                if not frame.depth:
                    self.frames.pop()
                    return True
            elif group == "double":
                return self._push('"', start)
            elif group == "dollar":
                if self._dollar(token[0], start):
                    return True
            elif group == "tick":
                self.at = start
                if not self._tick():
                    return False
            elif group in ("single", "ansi") and not _closed(token[0], group):
                self._blame("`'`", start)
                return False
        return False

    def _ends_word(self) -> bool:
        return self.text[self.at : self.at + 1] in ("", " ", "\t", "\n", ";", "&", "|", "(", ")", "<", ">")

    def _begin_word(self, frame: _Frame, word: str) -> None:
        """A word begins; `word` is all of it where it is plain. Keeps track of `case … in … esac`."""
        if frame.kind != "(" or frame.plain:
            return
        if frame.await_in:
            frame.await_in -= 1
            if not frame.await_in:
                frame.pattern = "fresh"
        elif word == "esac" and frame.cases and (frame.command or frame.pattern == "fresh"):
            frame.cases -= 1
            frame.pattern, frame.command = "", False
        elif frame.pattern:
            frame.pattern = "begun"
        elif frame.command and word == "case":
            frame.cases += 1
            frame.await_in, frame.command = 2, False
        elif word not in _BEFORE_COMMAND and self.text[self.at - 1] != "{":
            frame.command = False

    def _operator(self, frame: _Frame, group: str, operator: str) -> None:
        self.word = False
        if group == "branch" and frame.cases:
            frame.pattern = "fresh"
        elif group in ("next", "branch"):
            frame.command = not frame.plain and not frame.pattern
        elif operator in ("<<", "<<-"):
            word = _HERE_WORD.match(self.text, self.at)
            if word is not None:
                self.at = word.end()
                quoted = any(one in word[1] for one in "\\'\"")
                plain = _UNQUOTE.sub(lambda one: one[1] or one[2] or one[3] or "", word[1])
                frame.here.append((plain, operator == "<<-", quoted))
                self.word = True

    def _parenthesis(self, frame: _Frame, group: str, start: int) -> bool:
        """Enters a parenthesis (True), but for the one that may stand before a `case` pattern."""
        if group == "sum" and not self.word and not frame.pattern:
            self._push("((", start)
            self.frames[-1].depth = 2
            return True
        if group == "sum":
            self.at -= 1
        if frame.pattern == "fresh" and group != "process":
            frame.pattern = "begun"
            return False
        if frame.kind == "{" and group != "process":  # a body's own parentheses do not matter
            self.word, frame.command = False, True
            return False
        return self._push("(", start, plain=self.word and group != "process")

    def _close(self, frame: _Frame) -> bool:
        """A `)`: ends a pattern, or the frame (True)."""
        self.word = False
        if frame.kind == "{":
            return False
        if frame.cases and frame.pattern:
            frame.pattern, frame.command = "", True
            return False
        self.frames.pop()
        outer = self.frames[-1]
        outer.here += frame.here  # bash reads them after the line on which `)` stands
        if frame.plain:
            outer.command = not outer.plain
        else:
            self.word = True
        return True

    def _here_documents(self, frame: _Frame) -> bool:
        """Skips the here-documents that begin after this line's end; False where one never ends."""
        text = self.text
        for word, dash, quoted in frame.here:
            start, joined = self.at, False
            while True:
                end = text.find("\n", start)
                line = text[start:] if end < 0 else text[start:end]
                if not joined and line.lstrip(" \t") == word:
                    break
                if end < 0:
                    self._blame(f"here-document `{' '.join(word.split())}`", self.at - 1)
                    return False
                # bash joins a line that ends in a backslash with the next, unless the word was quoted
                joined = not quoted and (len(line) - len(line.rstrip("\\"))) % 2 == 1
                start = end + 1
            self.ends.append(_End(word, dash, start, line))
            self.at = start + len(line) + 1
        frame.here = []
        return True


def _closed(quoted: str, group: str) -> bool:
    if group == "single":
        return len(quoted) > 1 and quoted.endswith("'")
    return _ANSI.fullmatch(quoted) is not None
