"""What an editor is told of a program: the caret stands where the program has a ‸."""

from __future__ import annotations

import random
from textwrap import dedent

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some

from codeai.dsl.builtins import BUILTINS
from codeai.dsl.check import check
from codeai.dsl.editor import definition, hover, references, symbols
from codeai.dsl.editor_calls import signature
from codeai.dsl.editor_completion import Completion, Sort, complete
from codeai.dsl.editor_document import as_word, read
from codeai.dsl.editor_positions import Positions, Unit
from codeai.dsl.editor_rename import Refused, rename
from codeai.dsl.editor_words import ERROR_FIELDS, EXEC_FIELDS, KEYWORD_HELP, described, fields
from codeai.dsl.effects import EFFECTS, Effect, Performer
from codeai.dsl.lexer import KEYWORDS
from codeai.dsl.values import ErrorValue, ExecValue
from tests.dsl.programs import EVERY_FORM, PIECES, SMALL, damaged
from tests.dsl.random_programs import Programs

CARET = "‸"
BOUNDED = settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))


def placed(drawn: str) -> tuple[str, int]:
    """A program without its caret, and where that was."""
    source = dedent(drawn).removeprefix("\n")
    offset = source.index(CARET)
    return source.replace(CARET, ""), offset


# Hover


def hovered(drawn: str) -> str:
    """The line of the caret, what is meant in it underlined, and what is said of it."""
    source, offset = placed(drawn)
    document = read(source)
    found = hover(document, offset)
    if found is None:
        return ""
    line, column = document.source.position(found.start)
    return (
        f"{document.source.line(line)}\n{' ' * (column - 1)}{'^' * (found.end - found.start)}\n{found.text}\n"
    )


HOVERS = [
    (
        """
        param service  # what is released
        var image = "registry.local/${serv‸ice}"
        """,
        """
        var image = "registry.local/${service}"
                                      ^^^^^^^
        ```cai
        param service
        ```
        input of the program, line 1

        what is released
        """,
    ),
    (
        """
        # The command's own
        # version.
        var version = exec { git describe }
        if ‸version.exit_code != 0 { fail("no") }
        """,
        """
        if version.exit_code != 0 { fail("no") }
           ^^^^^^^
        ```cai
        var version = exec { git describe }
        ```
        variable, line 3

        It has `.stdout`, `.stderr`, `.exit_code`, `.duration`, `.attempt`, `.truncated`.

        The command's own
        version.
        """,
    ),
    (
        """
        var v = exec { true }
        log(v.exit_‸code)
        """,
        """
        log(v.exit_code)
              ^^^^^^^^^
        ```cai
        .exit_code
        ```
        0 where it succeeded, 128 + n after signal n
        """,
    ),
    (
        """
        try { fail("x") } catch e { log(e.‸kind) }
        """,
        """
        try { fail("x") } catch e { log(e.kind) }
                                          ^^^^
        ```cai
        .kind
        ```
        what kind of error it is, such as exec_failed, timeout, rejected or failed
        """,
    ),
    (
        """
        var region = "eu"
        exec {
            ./switch.sh "$reg‸ion"
        }
        """,
        """
            ./switch.sh "$region"
                          ^^^^^^
        ```cai
        var region = "eu"
        ```
        variable, line 1
        """,
    ),
    (
        """
        return split‸("a b")
        """,
        """
        return split("a b")
               ^^^^^
        ```cai
        split(s, sep = null)
        ```
        The parts of s; null: at runs of white space.
        """,
    ),
    (
        """
        ‸sleep("10s")
        """,
        """
        sleep("10s")
        ^^^^^
        ```cai
        sleep(duration)
        ```
        Waits.

        Gives null.

        - `duration`: a duration such as 30, "10s" or "1h30m", required
        """,
    ),
    (
        """
        exec(on_‸lost: "fail") { true }
        """,
        """
        exec(on_lost: "fail") { true }
             ^^^^^^^
        ```cai
        on_lost: …
        ```
        "fail" or "rerun", by default `"fail"`; when the host died in mid-command
        """,
    ),
    (
        """
        for x in [1] { con‸tinue }
        """,
        """
        for x in [1] { continue }
                       ^^^^^^^^
        ```cai
        continue
        ```
        Goes on with the next item of the loop.
        """,
    ),
    (
        """
        # Where an image is.
        function tag(version) {
            return "app:" + version
        }
        return ta‸g("1")
        """,
        """
        return tag("1")
               ^^^
        ```cai
        function tag(version)
        ```
        function, line 2

        Where an image is.
        """,
    ),
    (
        """
        for key, value in {a: 1} { log(val‸ue) }
        """,
        """
        for key, value in {a: 1} { log(value) }
                                       ^^^^^
        ```cai
        for value in {a: 1}
        ```
        variable of the loop, line 1
        """,
    ),
]


@pytest.mark.parametrize(("drawn", "shown"), HOVERS)
def test_the_hover_is_drawn(drawn: str, shown: str) -> None:
    assert hovered(drawn) == dedent(shown).removeprefix("\n")


def test_the_hover_on_exec_has_its_options_and_fields() -> None:
    shown = hovered("‸exec { true }")
    assert '- `timeout`: a duration such as 30, "10s" or "1h30m", by default `"10m"`' in shown
    assert "`.exit_code`" in shown


@pytest.mark.parametrize(
    "drawn",
    ["# a com‸ment", "return 1‸2", 'return "te‸xt"', "return {ke‸y: 1}", "exec { ec‸ho }", "‸", "x ‸ = 1"],
)
def test_nothing_is_said_where_there_is_nothing_to_say(drawn: str) -> None:
    assert hovered(drawn) == ""


def test_a_hover_works_in_a_statement_that_cannot_be_read() -> None:
    assert "variable, line 1" in hovered('var region = "eu"\nlog(reg‸ion,, )\n')
    assert "variable, line 1" in hovered("var region = (\nlog(reg‸ion)\n")
    assert "a non-zero exit is an error" in hovered("exec(che‸ck: \n")


def test_an_effect_that_is_not_there_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    effect = Effect("dream", (), "null", Performer.CLIENT, available=False, help="dreams")
    monkeypatch.setitem(EFFECTS, "dream", effect)
    assert "Not available in this build." in hovered("drea‸m()")
    assert "dream" not in labels("‸")


def test_every_word_of_the_language_is_described() -> None:
    assert set(KEYWORD_HELP) == KEYWORDS
    assert all(described(word) for word in (*KEYWORDS, *EFFECTS, *BUILTINS))
    assert tuple(EXEC_FIELDS) == ExecValue.FIELDS
    most = ErrorValue("failed", "text", 1, exit_code=1, stderr="", errors=[])
    assert set(most.fields()) == set(ERROR_FIELDS)


def test_the_fields_of_an_effects_result_are_those_of_the_table() -> None:
    assert list(fields("approve")) == ["approved", "by", "comment", "at"]
    assert fields("emit") == fields("no effect") == {}


# Completion


def offered(drawn: str) -> tuple[Completion, ...]:
    source, offset = placed(drawn)
    return complete(read(source), offset).items


def labels(drawn: str, *sorts: Sort) -> list[str]:
    return [one.label for one in offered(drawn) if not sorts or one.sort in sorts]


@pytest.mark.parametrize(
    ("drawn", "sort", "shown"),
    [
        ("var v = exec { true }\nlog(v.‸)", Sort.FIELD, list(EXEC_FIELDS)),
        ("var v = exec { true }\nlog(v.exit‸)", Sort.FIELD, list(EXEC_FIELDS)),
        ("log(exec { true }.‸", Sort.FIELD, list(EXEC_FIELDS)),
        ("try { } catch e { log(e.‸ }", Sort.FIELD, list(ERROR_FIELDS)),
        ('var d = approve("go?")\nif d.‸', Sort.FIELD, ["approved", "by", "comment", "at"]),
        ("undo(‸", Sort.OPTION, ["timeout:", "retry:", "backoff:", "when:", "cwd:", "env:"]),
        ("parallel(limit: 2, ‸) for x in [1] { }", Sort.OPTION, ["on_error:"]),
        ("sleep(‸", Sort.OPTION, ["duration:"]),
        ("return round(1.5, ‸", Sort.OPTION, ["x:", "digits:"]),
        ("function f(a, b) { }\nf(1, ‸)", Sort.OPTION, ["a:", "b:"]),
        ("exec(on_lost: ‸) { true }", Sort.WORD, ['"fail"', '"rerun"']),
        ('exec(on_lost: "‸") { true }', Sort.WORD, ["fail", "rerun"]),
        ('parallel(on_error: "st‸', Sort.WORD, ["stop", "collect"]),
        ('log("‸', Sort.WORD, ["debug", "info", "warn", "warning", "error"]),
        ("if true { }\n‸", Sort.FIELD, []),
    ],
)
def test_what_is_completed(drawn: str, sort: Sort, shown: list[str]) -> None:
    assert labels(drawn, sort) == shown


@pytest.mark.parametrize(
    ("drawn", "names"),
    [
        ("param p\nvar a = 1\n‸\nvar later = 2", ["a", "p"]),
        ("var a = 1\nvar b = ‸", ["a"]),
        ("var a = 1\nif true { var b = 2\n log(‸)\n var c = 3 }\nvar d = 4", ["a", "b"]),
        ("if true { var b = 2 }\n‸", []),
        ("for i, x in [1] { ‸ }", ["i", "x"]),
        ("for x in ‸", []),
        ("try { var a = 1 } catch e { ‸", ["e"]),
        ("try { var a = 1\n ‸", ["a"]),
        ("function f(p) { var v = 1\n return ‸ }\nvar top = 2", ["p", "top", "v"]),
        ("parallel for x in [1] { return ‸ }", ["x"]),
        ('var a = 1\nlog("${‸")', ["a"]),
        ("var a = 1\nexec { echo $‸", ["a"]),
        ("var a = 1\nexec {\n    echo ${a‸}\n}", ["a"]),
        ("var a = 1\nexec { echo ‸", []),
        ('var a = 1\nvar s = "‸"', []),
        ("var a = 1 # ‸", []),
        ("var a = (\nvar b = ‸", ["a"]),
        ("var a = 1\nlog(a a, ‸", ["a"]),
        ("var ‸", []),
        ("var a = 1\nvar a‸", []),
        ("var a = 1\nfor a‸", []),
        ("var a = 12‸", []),
        ("var x = exec { make } undo { unmake $‸ }", ["x"]),
    ],
)
def test_the_names_that_are_offered(drawn: str, names: list[str]) -> None:
    assert sorted(labels(drawn, Sort.NAME)) == names


@pytest.mark.parametrize(
    ("drawn", "there", "not_there"),
    [
        ("‸", {"param", "var", "function", "if", "exec"}, {"else", "catch", "and", "in", "undo"}),
        ("var a = ‸", {"exec", "parallel", "not", "true"}, {"var", "if", "else", "and"}),
        ("var a = 1 ‸", {"and", "or", "in", "var"}, {"else", "undo", "catch"}),
        ("exec { true } ‸", {"undo"}, {"catch", "else"}),
        ("try { } ‸", {"catch"}, {"var", "else"}),
        ("if true { } ‸", {"else", "var"}, {"catch", "undo"}),
        ("for x ‸", {"in"}, {"var", "and"}),
        ("parallel ‸", {"for"}, {"var"}),
    ],
)
def test_the_keywords_are_those_that_the_grammar_takes(
    drawn: str, there: set[str], not_there: set[str]
) -> None:
    found = set(labels(drawn, Sort.KEYWORD))
    assert there <= found and not not_there & found


def test_functions_and_effects_are_offered_where_a_call_may_stand() -> None:
    found = labels("function tag(v) { return v }\nvar a = ‸")
    assert {"tag", "len", "sleep"} <= set(found)
    assert not {"agent", "job"} & {name for name in found if not EFFECTS.get(name, EFFECTS["log"]).available}
    assert labels("exec(‸") == [f"{option.name}:" for option in EFFECTS["exec"].options]


def test_what_is_typed_already_is_replaced() -> None:
    source, offset = placed("var region = 1\nlog(reg‸")
    assert source[complete(read(source), offset).start : offset] == "reg"


# Definition, references, rename, outline, signature


@pytest.mark.parametrize(
    ("drawn", "line"),
    [
        ("var a = 1\nlog(‸a)", 1),
        ("var a = 1\nif a == 1 { var a = 2\n log(a‸) }", 2),
        ("log(f‸(1))\nfunction f(x) { return x }", 2),
        ("function f(x) {\n return ‸x }", 1),
        ("function f(x) {\n return x }\nf(‸x: 1)", 1),
        ("var a = 1\nexec { echo $a‸ }", 1),
        ("var x = exec { make } undo {\n echo $‸x }", 1),
        ("var a = 1\nlog(‸a,,)", 1),
        ("try { }\ncatch e { log(e‸) }", 2),
    ],
)
def test_the_definition_of_a_name(drawn: str, line: int) -> None:
    source, offset = placed(drawn)
    document = read(source)
    name = definition(document, offset)
    assert name is not None and document.source.position(name.start)[0] == line


def test_the_references_of_a_variable_are_in_code_and_commands() -> None:
    source, offset = placed(
        """
        var region = "eu"
        exec { ./switch.sh "$reg‸ion" region }
        for region in ["us"] { log(region) }
        log("in ${region}")
        """
    )
    document = read(source)
    found = [document.source.position(start) for start, _ in references(document, offset)]
    assert found == [(1, 5), (2, 22), (2, 30), (4, 11)]


def renamed(drawn: str, new: str) -> str:
    source, offset = placed(drawn)
    for start, end in reversed(rename(read(source), offset, new)):
        source = source[:start] + new + source[end:]
    return source


def test_a_rename_changes_every_place() -> None:
    assert renamed(
        """
        function f(x) { return x }
        var a = f(x: 1)
        exec { echo "$‸a" ${a} }
        """,
        "b",
    ) == dedent(
        """\
        function f(x) { return x }
        var b = f(x: 1)
        exec { echo "$b" ${b} }
        """
    )
    assert renamed("function f(x‸) { return x } f(x: 1)", "y") == "function f(y) { return y } f(y: 1)"
    assert renamed("function f(x) { return f‸(x) } f(1)", "g") == "function g(x) { return g(x) } g(1)"


@pytest.mark.parametrize(
    ("drawn", "new", "why"),
    [
        ("var ‸a = 1", "1a", '"1a" is no name'),
        ("var ‸a = 1", "while", '"while" is no name'),
        ("var ‸a = 1\nvar b = 2", "b", '"b" is the name of something else here'),
        ("function ‸f() { }", "len", '"len" is the name of something else here'),
        ("var ‸a = 1\nexec { printenv a }", "b", 'the command on line 2 has the bare word "a"'),
        ("var ‸a = 1\nexec { echo $a b }", "b", 'the command on line 2 has the word "b" already'),
        ("var ‸a = 1\nexec { echo $a }", "PATH", 'no command would see a variable "PATH"'),
        ("log(‸1)", "b", "there is no variable or function of the program here"),
        ("‸len([])", "b", "there is no variable or function of the program here"),
    ],
)
def test_a_rename_that_could_change_the_program_is_refused(drawn: str, new: str, why: str) -> None:
    with pytest.raises(Refused) as refused:
        renamed(drawn, new)
    assert str(refused.value).startswith(why)


def test_the_outline() -> None:
    document = read(
        "param p\nvar a = 1\nfunction f(x) {\n    var y = x\n    return y\n}\nif a { var z = 1 }\n"
    )
    assert [(one.name.name, [inner.name.name for inner in one.children]) for one in symbols(document)] == [
        ("p", []),
        ("a", []),
        ("f", ["x", "y"]),
    ]


@pytest.mark.parametrize(
    ("drawn", "shown"),
    [
        ("split(‸", "split(s, sep = null) s"),
        ('split("a", ‸)', "split(s, sep = null) sep = null"),
        ('split("a", sep: ‸', "split(s, sep = null) sep = null"),
        ("merge({}, {a: [1, 2]}, {}, ‸", "merge(a, b, ...) b, ..."),
        ("sleep(len(‸", "len(x) x"),
        ("function f(a, b) { }\nf(1, ‸", "f(a, b) b"),
        ('approve("go?", role: ‸', "approve(text, timeout: …, role: …, allow_self: …, check: …) role: …"),
        ("exec(", ""),
        ("var a = (1 + ‸", ""),
        ("f(‸", ""),
        ('log("a, ‸', "log(level, text) level"),
    ],
)
def test_the_signature_of_the_call_that_is_being_written(drawn: str, shown: str) -> None:
    source, offset = placed(drawn if CARET in drawn else drawn + CARET)
    call = signature(read(source), offset)
    found = ""
    if call is not None and (number := call.parameter(call.forms[0])) is not None:
        found = f"{call.forms[0].label} {call.forms[0].parameters[number].shown}"
    assert found == shown


# What holds for every program


@pytest.mark.parametrize("seed", range(40))
def test_the_names_of_the_editor_are_those_of_the_resolver(seed: int) -> None:
    """By place alone an editor finds what a name means; the resolver follows the program."""
    source = Programs(seed).program() if seed else EVERY_FORM
    document, resolution = read(source), check(source).resolution
    assert resolution is not None
    for identifier, variable in resolution.variables.items():
        name = document.lookup(identifier.name, identifier.start)
        declared = identifier.start == variable.node.start
        assert declared or (name is not None and name.start == variable.node.start), identifier.name


@pytest.mark.parametrize("seed", range(40))
def test_the_mentions_of_a_variable_are_those_that_a_lookup_finds(seed: int) -> None:
    source = Programs(seed).program() if seed % 2 else damaged(EVERY_FORM, random.Random(seed))
    document = read(source)
    for name in document.names:
        found = dict(document.mentions(name))
        shells = [(start, end) for kind, _, start, end in document.tokens if kind == "SHELL"]
        for start, end in shells:
            meant = document.lookup(name, start)
            places = [at for at in found if start <= at < end]
            assert all(found[at] is meant for at in places)
            assert bool(places) == bool(meant and as_word(name).search(document.text, start, end))


def asked(source: str, offset: int) -> None:
    """Every question, at one place."""
    document = read(source)
    for question in (hover, definition, references, signature, complete):
        question(document, offset)
    try:
        for start, end in rename(document, offset, "other"):
            assert 0 <= start < end <= len(document.text)
    except Refused as refused:
        assert str(refused)
    for symbol in symbols(document):
        assert symbol.start <= symbol.name.start < symbol.name.end <= symbol.end


@BOUNDED
@given(some.text(max_size=100), some.integers(0, 100))
def test_any_text_at_any_place(source: str, offset: int) -> None:
    asked(source, min(offset, len(read(source).text)))


@BOUNDED
@given(some.lists(some.sampled_from(PIECES), max_size=40), some.floats(0, 1))
def test_any_pieces_of_programs_at_any_place(pieces: list[str], place: float) -> None:
    source = "".join(pieces)
    asked(source, int(place * len(read(source).text)))


@BOUNDED
@given(some.sampled_from([EVERY_FORM, *SMALL]), some.integers(0, 2**32), some.floats(0, 1))
def test_damaged_programs_at_any_place(source: str, seed: int, place: float) -> None:
    source = damaged(source, random.Random(seed))
    asked(source, int(place * len(read(source).text)))


def test_every_place_of_a_program() -> None:
    document = read(EVERY_FORM)
    for offset in range(len(EVERY_FORM) + 1):
        hover(document, offset)
        complete(document, offset)


# Positions


@pytest.mark.parametrize(("unit", "column"), [(Unit.UTF_8, 14), (Unit.UTF_16, 12), (Unit.UTF_32, 11)])
def test_columns_count_the_units_of_the_editor(unit: Unit, column: int) -> None:
    text = 'return 1\nvar a = "🚀" + b\n'
    positions = Positions(text, unit)
    offset = text.index('"', text.index("🚀"))
    assert positions.position(offset) == (1, column - 1)
    assert positions.offset(1, column - 1) == offset


def test_a_position_within_a_character_is_at_its_start() -> None:
    assert Positions("a🚀b", Unit.UTF_16).offset(0, 2) == 1


@pytest.mark.parametrize(("line", "column", "offset"), [(0, 99, 3), (9, 0, 7), (-1, 5, 0), (0, -1, 0)])
def test_a_position_outside_is_the_nearest_inside(line: int, column: int, offset: int) -> None:
    assert Positions("abc\ndef", Unit.UTF_16).offset(line, column) == offset


@BOUNDED
@given(some.text("a🚀é\r\n\ufeff\u2028\f", max_size=30), some.sampled_from(Unit))
def test_every_offset_has_a_position_and_the_other_way_round(text: str, unit: Unit) -> None:
    positions, source = Positions(text, unit), read(text).text
    for offset in range(len(source) + 1):
        line, column = positions.position(offset)
        assert positions.offset(line, column) == offset
