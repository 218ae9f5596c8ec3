"""Where a shell body ends and what its text is, checked against bash itself."""

from __future__ import annotations

import random
import subprocess

import pytest

from codeai.dsl.shell_text import Body, Unclosed, read_body

LONG = 200_000


def text(source: str) -> str:
    body = read_body(source, source.index("{"))
    assert isinstance(body, Body)
    assert source[body.end :] == " REST"
    return body.text


@pytest.mark.parametrize(
    ("body", "meant"),
    [
        ("{ echo a } REST", "echo a"),
        ("{echo a} REST", "echo a"),
        ("{} REST", ""),
        ("{\n\n} REST", ""),
        ("{\n    a\n      b\n    c\n} REST", "a\n  b\nc"),
        ("{\n\ta\n\t\tb\n} REST", "a\n\tb"),
        ("{ a\n    b\n      c\n} REST", "a\nb\n  c"),
        ("{\n    a\n\n  \n    b\n} REST", "a\n\n\nb"),
        ("{\n  a\n\tb\n} REST", "  a\n\tb"),
        ("{\n    cat <<E\n    x\n      y }\n    E\n} REST", "cat <<E\nx\n  y }\nE"),
        ("{\n    cat <<-E\n    \tx }\n    \tE\n} REST", "cat <<-E\n\tx }\n\tE"),
        ("{ a \\ } REST", "a \\ "),
        ("{\n    a \\\n} REST", "a \\\n"),
        ("{\n    cat <<''\n    }\n\n} REST", "cat <<''\n}\n\n"),
        ("{ f() { echo {a,b}c{d}; }; f } REST", "f() { echo {a,b}c{d}; }; f"),
    ],
)
def test_the_text_without_shared_indentation(body: str, meant: str) -> None:
    assert text(body) == meant


@pytest.mark.parametrize(
    "inside",
    [
        "'}'",
        '"}"',
        r"\}",
        r"$'\'}'",
        '$"}"',
        "`echo }`",
        "$(echo })",
        "<(echo })",
        "${a:-'}'}",
        '${a:-"}"}',
        r"${a:-\}}",
        "${a:-${b:-}}",
        "$((1 << 2))",
        "$[ ${#a} ]",
        "a#b '}'",
        "$# '}'",
        "# } it's\n",
        "# }\n#}\n",
        "cat <<E\n}\nE\n",
        "cat <<'E F'\n} $(\nE F\n",
        "cat <<\\E; cat <<F\n}\nE\n}\nF\n",
        "cat <<E\n}\\\nE\n}\nE\n",
        "cat <<< '}'",
        "(( 1 << 2 ))",
        "$(case x in x) echo };; esac)",
        "$(case x in (x) echo };; y|z) ;; esac; echo case)",
        "$(cat <<E\n) }\nE\n)",
        "$(cat <<E)\n) }\nE\n",
        '"$(echo ")}" `echo }`)"',
        "$(echo case x in })",
    ],
)
def test_what_does_not_count_as_a_brace(inside: str) -> None:
    source = "{ " + inside + " } REST"
    body = read_body(source, 0)
    assert isinstance(body, Body)
    assert source[body.end :] == " REST"


@pytest.mark.parametrize(
    ("source", "what", "start"),
    [
        ("{ echo", "shell body", 0),
        ("{ echo 'a }", "`'`", 7),
        ('{ echo "a }', '`"`', 7),
        ("{ echo `a }", "backquote", 7),
        ("{ echo $(a }", "`$(`", 7),
        ("{ echo ${a", "`${`", 7),
        ("{ cat <<E\n}\n", "here-document `E`", 9),
        ("{ cat <<'E\n F'\n}\n", "here-document `E F`", 14),
        ("{ # }", "shell body", 0),
    ],
)
def test_what_is_open_at_the_end(source: str, what: str, start: int) -> None:
    assert read_body(source, 0) == Unclosed(what, start)


def test_the_end_of_a_here_document_must_stand_where_the_shell_looks_for_it() -> None:
    body = read_body("{\n    cat <<E\n    x\n      E\n}", 0)
    assert isinstance(body, Body)
    assert [(one.word, one.start) for one in body.misplaced] == [("E", 20)]
    dashed = read_body("{\n  cat <<-E\n  \tx\n  \t E\n}", 0)
    assert isinstance(dashed, Body)
    assert [one.word for one in dashed.misplaced] == ["E"]


@pytest.mark.parametrize(
    "piece",
    [
        "((echo ",
        "$(",
        '"',
        "cat <<E\n",
        "${",
        "`\\",
        "<<''\n",
        "#'\n$((",
        "\\\n",
        "case x in ",
        "'",
        "{",
        "<(",
    ],
)
def test_long_texts_take_time_in_proportion(piece: str) -> None:
    """What nests or repeats without end is read once; a quadratic scan would never come back from this."""
    assert read_body("{" + piece * (LONG // len(piece)), 0)


WORDS = (
    *(
        "'}'",
        '"}"',
        "$'\\''",
        "\\}",
        "\\'",
        '${x:-"}"}',
        "${x#'}'}",
        "${#x}",
        "a#b",
        "$#",
        "$$",
        "`echo a`",
        "{a,b}",
    ),
    *("{}", "a{b}c", "case", "esac", "in", "do", "x", "-y", '"${x:-}"', '"$x `echo "b"`"'),
)


class Scripts:
    """Random commands whose braces, outside quoting, come in pairs."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)

    def script(self, depth: int) -> str:
        commands = [self.command(depth) for _ in range(self.random.randint(1, 3))]
        joined = "".join(
            one
            if one.endswith("\n")
            else one + self.random.choice(("; ", "\n", " && :\n", " # c } '\n", " | cat; "))
            for one in commands
        )
        return joined + ":"

    def command(self, depth: int) -> str:
        pick = self.random.choice
        if depth and self.random.random() < 0.5:
            inner = self.script(depth - 1)
            return pick(
                (
                    f"case {self.word(0)} in {pick(('', '('))}a|b) {inner} ;; *) : ;; esac",
                    f"if {inner}; then {inner}; fi",
                    f"( {inner})",
                    f"{{ {inner}; }}",
                    f"f() {{ {inner}; }}",
                    f"cat <<{pick(('E', '-E'))}\nx }}\nE\n",
                    "cat <<'E'; :\nit's } \"open $( `\nE\n",
                )
            )
        if self.random.random() < 0.2:
            return pick(
                (
                    "(( 1 << 2 ))",
                    "for ((i=0;i<3;i++)); do :; done",
                    "[[ a == b && ( x =~ y ) ]]",
                    "a=(b 'c }')",
                )
            )
        return " ".join(["echo", *(self.word(depth) for _ in range(self.random.randrange(4)))])

    def word(self, depth: int) -> str:
        pick = self.random.choice
        if depth and self.random.random() < 0.4:
            inner = self.script(depth - 1)
            return pick(
                (f"$({inner})", f'"a $({inner}) }}"', f"<({inner})", "$(( (1 + 2) * $x ))", "$[ 1 + 2 ]")
            )
        return pick(WORDS)


def test_bodies_end_where_bash_says_that_they_do() -> None:
    scripts = [Scripts(seed).script(3) for seed in range(400)]
    checked = "".join(f"bash -n {name} 2>/dev/null && echo {name}\n" for name in map(str, range(400)))
    for script, valid in zip(scripts, _accepted(scripts, checked), strict=True):
        source = "{\n" + script + "\n}"
        body = read_body(source, 0)
        if valid:
            assert isinstance(body, Body), script
            assert body.end == len(source), script


def _accepted(scripts: list[str], commands: str) -> list[bool]:
    """Which of them bash can read, asked in one process."""
    import tempfile
    from pathlib import Path

    with tempfile.TemporaryDirectory() as folder:
        for number, script in enumerate(scripts):
            (Path(folder) / str(number)).write_text(script, encoding="utf-8")
        done = subprocess.run(
            ["bash", "-c", commands], cwd=folder, capture_output=True, text=True, check=False
        )
    good = set(done.stdout.split())
    assert len(good) > len(scripts) * 0.9
    return [str(number) in good for number in range(len(scripts))]
