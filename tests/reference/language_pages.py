"""The pages on the language: effects, built-in functions, diagnostics, limits, names of the environment."""

from __future__ import annotations

from codeai.activities.shell.commands import ALLOWED
from codeai.dsl.builtins import BUILTINS
from codeai.dsl.check import check
from codeai.dsl.diagnostics import CODES, Code, Topic, render_text
from codeai.dsl.editor_words import default_of, effect_label
from codeai.dsl.effects import (
    EFFECTS,
    EXEC_OPTIONS,
    PARALLEL_OPTIONS,
    UNDO_OPTIONS,
    Kind,
    Option,
    Performer,
)
from codeai.dsl.envnames import RESERVED
from codeai.dsl.limits import LIMITS, SLICE, VARIABLE_TO_SHELL
from codeai.dsl.trace_entries import KINDS
from tests.reference.markdown import block, code, duration, literal, size, table

TAKES = {
    Kind.ANY: "any value",
    Kind.BOOL: "`true` or `false`",
    Kind.COUNT: "an integer from 0",
    Kind.POSITIVE: "an integer from 1",
    Kind.DURATION: "a duration",
    Kind.TEXT: "text",
    Kind.MAP: "a map",
    Kind.ARRAY: "an array",
}
PERFORMED = {
    Performer.MACHINE: "the program itself",
    Performer.WORKFLOW: "the workflow",
    Performer.RECORD: "the database",
    Performer.HOST: "the run's host",
    Performer.CLIENT: "a client of other systems",
    Performer.CHILD: "a workflow of its own",
}
TOPICS = {
    Topic.SYNTAX: "Syntax",
    Topic.NAME: "Names",
    Topic.REDECLARED: "Said twice",
    Topic.PLACEMENT: "In the wrong place",
    Topic.OPTION: "Options",
    Topic.ARGUMENTS: "Arguments",
    Topic.STYLE: "Warnings",
}


def effects() -> str:
    """Every effect with its options."""
    rows = [
        (
            code(one.name),
            one.help,
            one.result,
            PERFORMED[one.performer],
            "yes" if one.available else "not yet",
        )
        for one in EFFECTS.values()
    ]
    parts = [
        "What a program can ask of the world. Each is recorded, so that a run that goes on after a crash reads its\n"
        "result again and does not repeat it.\n\n"
        'A duration is a number of seconds or text such as `"250ms"`, `"10s"`, `"1h30m"` or `"2d"`. Text also '
        "takes the\nresult of an `exec`, which stands for its stdout. A program that uses an effect of which the "
        "table says *not yet*\nis refused by `codeai check`.\n",
        table(("effect", "what it does", "result", "answered by", "available"), rows),
        "## exec\n\n`exec(option: value, …) { shell }`\n",
        _options(EXEC_OPTIONS),
        "### undo\n\n`exec { … } undo(option: value, …) { shell }`: how the command before it is taken back.\n",
        _options(UNDO_OPTIONS),
    ]
    for one in EFFECTS.values():
        if one.options and one.name != "exec" and one.available:
            parts += [f"## {one.name}\n\n{code(effect_label(one))}\n", _options(one.options)]
    parts += [
        "## parallel\n\n`parallel(option: value, …) for item in array { … }` is a statement of the language, and its "
        "options are read like\nthose of an effect.\n",
        _options(PARALLEL_OPTIONS),
        "## Not yet available\n\nTheir names are taken, and this is how they will be called.\n",
        table(
            ("call", "result"),
            ((code(effect_label(one)), one.result) for one in EFFECTS.values() if not one.available),
        ),
    ]
    return "\n".join(parts)


def _options(options: tuple[Option, ...]) -> str:
    return table(
        ("option", "takes", "default", "notes"),
        ((code(one.name), _takes(one), _default(one), one.help) for one in options),
    )


def _takes(option: Option) -> str:
    if option.words:
        return ", ".join(code(literal(word)) for word in option.words)
    most = option.most
    if most is None:
        return TAKES[option.kind]
    return (
        f"{TAKES[option.kind]}, at most {duration(most) if option.kind is Kind.DURATION else f'{most:,.0f}'}"
    )


def _default(option: Option) -> str:
    return "required" if option.required else code(default_of(option)) or "none"


def builtins() -> str:
    """Every built-in function."""
    return (
        "Functions without effects: they compute, and give the same answer on every run. Arguments stand by position "
        "or by\nthe names below; `= value` is a default, `...` stands for any number of further arguments.\n\n"
    ) + table(
        ("function", "gives"),
        (
            (" or ".join(code(form) for form in one.signature.split(" or ")), one.help)
            for one in BUILTINS.values()
        ),
    )


def diagnostics() -> str:
    """Every diagnostic, with a program that has it."""
    parts = [
        "What `codeai check` finds before a program runs. An error keeps it from running, a warning does not; `codeai "
        "check\n--format json` gives the code in the field `code`.\n",
        table(
            ("code", "severity", "example"),
            ((f"[{code(row.code)}](#{row.code})", row.severity, _first(row)) for row in CODES.values()),
        ),
    ]
    for topic, title in TOPICS.items():
        parts.append(f"## {title}\n")
        for row in CODES.values():
            if row.topic is topic:
                parts += [f"### {row.code}\n", block("cai", row.example), block("text", printed(row))]
    return "\n".join(parts)


def printed(row: Code) -> str:
    """What `codeai check` says of the row's example."""
    checked = check(row.example)
    found = [one for one in checked.diagnostics if one.code == row.code]
    return render_text(found, checked.source, "example.cai")


def _first(row: Code) -> str:
    """The message that the row's example is answered by, without its hint."""
    found = [one for one in check(row.example).diagnostics if one.code == row.code]
    return found[0].message if found else ""


def trace() -> str:
    """What a trace tells of."""
    said = "What `codeai trace` and `GET /executions/{id}/trace` tell of: the `kind` of each entry."
    return (
        f"{said}\n\n{table(('kind', 'what happened'), [(code(kind), text) for kind, text in KINDS.items()])}"
    )


def limits() -> str:
    """Every limit of a run."""
    return (
        "What one run may use. The number itself is still allowed; going over it is an error of kind `limit`, which "
        "`try`\ncannot catch.\n\n"
        + table(
            ("limit", "most", "what its error says", "what to do"),
            ((row.name, f"{row.most:,}", row.what, row.advice) for row in LIMITS),
        )
        + f"\nSizes are bytes of JSON; a string's size is its UTF-8 bytes. A value of more than "
        f"{size(VARIABLE_TO_SHELL)} reaches no command as an\nenvironment variable: give it by `files:`. After "
        f"{SLICE:,} instructions a program lets others have their turn and\ngoes on; that is no limit.\n"
    )


def environment_names() -> str:
    """The names that a command gets only by `env:`, and what it has of the worker's."""
    return (
        "A command sees a variable of the program because its text mentions it. These names are the exception: a "
        "shell or a\ntool would take such a variable as its own setting, so a command gets them only by `env:`, and "
        "`codeai check` warns.\n\n"
        + table(
            ("read by", "names"),
            ((who, " ".join(map(code, names.split()))) for who, names in RESERVED.items()),
        )
        + "\n`X*` stands for every name that begins with `X`, `*X` for every name that ends with it. Names that begin "
        "with\n`CODEAI_` are the platform's; `env:` cannot set them.\n\n"
        "## From the worker\n\nOf the worker's own environment a command has these, where they are set, and those "
        "that the setting\n`worker.environment` names: " + ", ".join(map(code, ALLOWED)) + ".\n"
    )
