"""A syntax error in words: what was found, what would have been right, and what may have been meant."""

from __future__ import annotations

from collections.abc import Callable

from codeai.dsl.lexer import KEYWORDS, Token

COMPARISONS = frozenset({"==", "!=", "<", ">", "<=", ">=", "in"})
_KINDS = {
    "NUMBER": "the number",
    "NAME": "the name",
    "STRING": "a string",
    "STR_START": "a string",
    "STR_TEXT": "a string",
    "STR_END": "the end of a string",
    "SHELL": "a shell body",
    "$END": "the end of the file",
}
# Offered by themselves, where nothing wider covers them.
_SINGLE = {
    "=": "`=`",
    "(": "`(`",
    ",": "`,`",
    ":": "`:`",
    ")": "`)`",
    "]": "`]`",
    "}": "`}`",
    "in": "`in`",
    "for": "`for`",
    "catch": "`catch`",
    "if": "`if`",
    "SHELL": "a shell body `{ … }`",
}
_NO_STATEMENT = frozenset({"NUMBER", "STRING", "STR_START", "[", "(", "{", "-", "true", "false", "null"})
_FOREIGN = {
    **dict.fromkeys(("elif", "elseif", "elsif"), "write `else if`"),
    **dict.fromkeys(("let", "const"), "a variable is declared with `var`"),
    **dict.fromkeys(("def", "fn", "func", "fun"), "a function is declared with `function`"),
    **dict.fromkeys(("foreach", "repeat", "until", "do"), "the loops are `for … in …` and `while …`"),
    **dict.fromkeys(("print", "echo", "run"), "a line in the log is `log(…)`, a command `exec { … }`"),
    **dict.fromkeys(("except", "finally"), "it is `try { … } catch name { … }`"),
    **dict.fromkeys(("switch", "match", "case"), "write `if … else if …`"),
}


def found(token: Token, text: str) -> str:
    """The token that is wrong, as the message names it."""
    kind, _, start, end = token
    words = _KINDS.get(kind, "")
    if kind in ("NUMBER", "NAME"):
        shown = text[start:end] if end - start <= 40 else text[start : start + 37] + "…"
        return f"{words} `{shown}`"
    return words or f"`{kind}`"


def expected(accepts: Callable[[str], bool]) -> str:
    """What may stand here, in words; `accepts` tells it for one type of token."""
    words = []
    value, operator, statement = accepts("NUMBER"), accepts("+"), accepts("while")
    if value:
        words.append("an expression")
    if operator:
        words.append("an operator")
    if statement:
        words.append("a statement")
    if not value and not statement and accepts("NAME"):
        words.append("a name")
    if not value and not statement and accepts("STRING"):
        words.append("a string")
    covered = {"if", "for"} if statement else set()
    covered |= {"("} if operator or value else set()
    covered |= {"in"} if operator else set()
    words += [word for kind, word in _SINGLE.items() if kind not in covered and accepts(kind)]
    if not value and not operator and accepts("{"):
        words.append("a block `{ … }`")
    if not words and accepts("$END"):
        words.append("the end of the file")
    return (
        ", ".join(words[:-1]) + " or " + words[-1]
        if len(words) > 1
        else words[0]
        if words
        else "something else"
    )


def hint(tokens: list[Token], at: int, text: str, accepts: Callable[[str], bool]) -> str:
    """What may have been meant, where the tokens around the wrong one tell; else empty."""
    kind, value, start, _ = tokens[at]
    before = tokens[at - 1] if at else ("", "", 0, 0)
    after = tokens[at + 1][0] if at + 1 < len(tokens) else ""
    if any(one[0] == "SHELL" and "\n" not in text[one[3] : start] for one in tokens[max(0, at - 4) : at]):
        return "the shell body ended at the `}` before it: a single brace in it must be quoted"
    if before[0] == "NAME" and before[1] in _FOREIGN and not accepts("+"):
        return _FOREIGN[str(before[1])]
    if kind == "NAME" and value in _FOREIGN:
        return _FOREIGN[str(value)]
    if kind in KEYWORDS and accepts("NAME") and not accepts("while") and not accepts("NUMBER"):
        return f"`{kind}` is a keyword and cannot be a name here"
    if kind == "not" and after == "in":
        return "write `not (x in y)`"
    if kind == "(" and at > 1 and tokens[at - 2][0] == "." and before[0] == "NAME":
        return f"values have no methods: write `{before[1]}(…)`"
    if kind == "=" and accepts("=="):
        return "to compare is `==`"
    if kind == "=" and before[0] == ")":
        return "only a variable, its element or its member can be assigned"
    if kind in ("+", "-") and after == kind and accepts("="):
        return f"write `{kind}= 1`"
    if kind == "/" and after in ("/", "*"):
        return "a comment begins with `#`"
    if kind == "else":
        return "`else` follows the `}` of an `if`"
    if kind == "undo":
        return "`undo` follows the body of the `exec` that it undoes"
    if kind == "{" and before[0] == "NAME" and accepts("("):
        return "a function has its parameters in `( … )`, even if there are none"
    if before[0] in ("STRING", "STR_END") and "\n" in text[before[2] : before[3]]:
        return "the string before it has more than one line: is a quote missing?"
    if accepts("while") and kind in _NO_STATEMENT:
        return "no statement begins so; a value is kept with `var` or `=`"
    return ""
