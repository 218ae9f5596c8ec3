"""Writes each grammar_table.py from the grammar.lark beside it: `python -m codeai.dsl.grammar_build`.

lark is needed here only: reading the table takes a command 2 ms, importing lark and building it 200 ms.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lark import Lark

FOLDER = Path(__file__).parent
GRAMMARS = {FOLDER: ("program", "expression"), FOLDER / "query": ("query", "filter")}
"""The languages (★): the folder of each grammar.lark, and what it can be asked for."""
_HEAD = '''"""The parser's table, written by grammar_build.py from grammar.lark: do not edit.

ACTIONS[state][token type] is the next state, or ~rule to reduce by; GOTO[state][left side] is the one after.
"""

from __future__ import annotations

'''


def table_source(folder: Path) -> str:
    """The text of grammar_table.py for the grammar of `folder` as it stands."""
    starts = GRAMMARS[folder]
    grammar = _grammar(folder, starts)
    words = {one.name: one.pattern.value for one in grammar.terminals if one.pattern is not None}
    table: Any = grammar.parser.parser._parse_table
    rules = {rule: number for number, rule in enumerate(grammar.rules)}
    numbers = _numbers(table, starts)
    actions, goto = [], []
    for state in numbers:
        at: dict[str, int] = {}
        to: dict[str, int] = {}
        for symbol, (kind, argument) in sorted(table.states[state].items()):
            if kind.name == "Reduce":
                at[words.get(symbol, symbol)] = ~rules[argument]
            elif symbol.islower():
                to[str(symbol)] = numbers[argument]
            else:
                at[words.get(symbol, symbol)] = numbers[argument]
        actions.append(at)
        goto.append(to)
    rows = [(str(rule.origin.name), len(rule.expansion), str(rule.alias or "")) for rule in grammar.rules]
    return (
        _HEAD
        + f"START: dict[str, int] = { ({name: numbers[table.start_states[name]] for name in starts})!r}\n"
        + f"END: dict[str, int] = { ({name: numbers[table.end_states[name]] for name in starts})!r}\n"
        + _rows("RULES: tuple[tuple[str, int, str], ...]", rows)
        + _rows("ACTIONS: tuple[dict[str, int], ...]", actions)
        + _rows("GOTO: tuple[dict[str, int], ...]", goto)
    )


def _grammar(folder: Path, starts: tuple[str, ...]) -> Lark:
    from lark import Lark
    from lark.lexer import Lexer, LexerState

    class NoLexer(Lexer):
        """The tokens come from lexer.py; lark only makes the table."""

        def __init__(self, _: object) -> None:
            pass

        def lex(self, _: LexerState, __: Any) -> Any:
            raise NotImplementedError

    text = (folder / "grammar.lark").read_text(encoding="utf-8")
    return Lark(text, parser="lalr", lexer=NoLexer, start=list(starts))


def _numbers(table: Any, starts: tuple[str, ...]) -> dict[Any, int]:
    """Our own numbers for the states, in the order in which they are met: lark's change from run to run."""
    numbers: dict[Any, int] = {}
    ahead = [table.start_states[name] for name in starts]
    for state in ahead:
        if state in numbers:
            continue
        numbers[state] = len(numbers)
        row = sorted(table.states[state].items())
        ahead += [argument for _, (kind, argument) in row if kind.name != "Reduce"]
    return numbers


def _rows(name: str, rows: list[Any]) -> str:
    return f"{name} = (\n" + "".join(f"    {row!r},\n" for row in rows) + ")\n"


if __name__ == "__main__":
    for folder in GRAMMARS:
        (folder / "grammar_table.py").write_text(table_source(folder), encoding="utf-8")
