"""How fast the language is: the front end against `ast.parse`, the machine against the same loop in CPython.

`python -m tests.bench.bench_language` prints ratios; the two sides of each are measured in turn, the best of
several counts.
"""

from __future__ import annotations

import ast
import time
from collections.abc import Callable

from codeai.dsl.bind import bind
from codeai.dsl.check import check
from codeai.dsl.compile import compile_program, compile_source
from codeai.dsl.machine import Machine
from codeai.dsl.parser import parse
from codeai.dsl.requests import Failed, Finished

ROUNDS = 5

CAI_LINES = """
function deploy_{n}(region, version) {
    var image = "registry.local/${region}:${version}"
    var tries = 0
    while tries < 3 {
        var result = exec(check: false, timeout: "1m") { ./deploy.sh "$image" "$region" }
        if result.exit_code == 0 { return image }
        tries += 1
    }
    fail("could not deploy ${image} after ${tries} tries")
}
var image_{n} = deploy_{n}("eu", "v{n}")
var parts_{n} = split(image_{n}, ":")
var summary_{n} = {name: parts_{n}[0], version: parts_{n}[1], length: len(parts_{n}) + {n}}
"""
PYTHON_LINES = """
def deploy_{n}(region, version):
    image = f"registry.local/{region}:{version}"
    tries = 0
    while tries < 3:
        result = run(check=False, timeout="1m", text='./deploy.sh "$image" "$region"')
        if result.exit_code == 0: return image
        tries += 1
    raise Exception(f"could not deploy {image} after {tries} tries")

image_{n} = deploy_{n}("eu", "v{n}")
parts_{n} = image_{n}.split(":")
summary_{n} = {"name": parts_{n}[0], "version": parts_{n}[1], "length": len(parts_{n}) + {n}}
"""

LOOPS = {
    "while": (
        "var n = 0\nwhile n < 100000 { n += 1 }\nreturn n",
        "n = 0\nwhile n < 100000:\n    n += 1\n",
    ),
    "for, branch": (
        "var s = 0\nfor i in range(100000) { if i % 3 == 0 { s += i } else { s = s - 1 } }\nreturn s",
        "s = 0\nfor i in range(100000):\n    if i % 3 == 0:\n        s += i\n    else:\n        s = s - 1\n",
    ),
    "arrays": (
        "var a = []\nfor i in range(50000) { a = append(a, i * 2) }\nvar s = 0\n"
        "for x in a { s += x }\nfor i in range(50000) { a[i] = s }\nreturn len(a)",
        "a = []\nfor i in range(50000):\n    a.append(i * 2)\ns = 0\n"
        "for x in a:\n    s += x\nfor i in range(50000):\n    a[i] = s\n",
    ),
    "text": (
        'var s = ""\nfor i in range(10000) { s = s + "ab" }\nfor i in range(10000) { s += "c" }\nreturn len(s)',
        's = ""\nfor i in range(10000):\n    s = s + "ab"\nfor i in range(10000):\n    s += "c"\n',
    ),
    "s = s + x": (
        'var s = ""\nfor i in range(20000) { s = s + "x" }\nreturn len(s)',
        's = ""\nfor i in range(20000):\n    s = s + "x"\n',
    ),
    "a += [x]": (
        "var a = []\nfor i in range(50000) { a += [i] }\nreturn len(a)",
        "a = []\nfor i in range(50000):\n    a += [i]\n",
    ),
    "default": (
        'var m = {}\nvar names = split("a b c d e f g h")\n'
        "for i in range(5000) { for k in names { m[k] = default(m, k, 0) + 1 } }\nreturn m",
        'm = {}\nnames = "a b c d e f g h".split()\n'
        "for i in range(5000):\n    for k in names:\n        m[k] = m.get(k, 0) + 1\n",
    ),
    "maps": (
        "var m = {a: 0}\nfor i in range(50000) { m.a = i }\nfor i in range(50000) { m.a += 1 }\nreturn m.a",
        'm = {"a": 0}\nfor i in range(50000):\n    m["a"] = i\nfor i in range(50000):\n    m["a"] += 1\n',
    ),
    "maps and text": (
        'var m = {}\nfor i in range(20000) { m["k${i % 500}"] = upper("value " + i) }\nreturn len(m)',
        'm = {}\nfor i in range(20000):\n    m[f"k{i % 500}"] = ("value " + str(i)).upper()\n',
    ),
    "calls": (
        "function f(a, b) { return a + b }\nvar s = 0\nfor i in range(50000) { s = f(s, i) }\nreturn s",
        "def f(a, b): return a + b\ns = 0\nfor i in range(50000):\n    s = f(s, i)\n",
    ),
    "recursion": (
        "function fib(n) { if n < 2 { return n } return fib(n - 1) + fib(n - 2) }\nreturn fib(20)",
        "def fib(n):\n    if n < 2: return n\n    return fib(n - 1) + fib(n - 2)\nfib(20)\n",
    ),
}
NESTED = "var x = []\nfor i in range(1000) { x += [[1]] }\nvar a = []\nfor i in range(195) { a += [x] }\n"
HEAVY = {
    "compare": NESTED + "var z = " + " and ".join(["a == a"] * 12),
    "unique": NESTED + "var z = [" + ", ".join(["len(unique(a))"] * 12) + "]",
    "sort": "var a = []\nfor i in range(90000) { a += [str((i * 7919) % 90001)] }\n"
    "var z = [" + ", ".join(["len(sort(a))"] * 12) + "]",
    "decode": "var s = json_encode(range(45000))\nvar z = [" + ", ".join(["len(json_decode(s))"] * 12) + "]",
}
"""Expressions over as much as a state holds."""


def main() -> None:
    front_end()
    for name in LOOPS:
        loop(name)
    for name in HEAVY:
        activation(name)


def activation(name: str) -> None:
    """The longest time for which a run keeps the others of its worker waiting: 0.5 s is promised."""
    compiled = compile_source(HEAVY[name]).code
    assert compiled is not None
    machine, longest = Machine.start(bind(compiled), {}), 0.0
    outcome = None
    while not isinstance(outcome, Finished):
        start = time.process_time()
        outcome = machine.advance()
        longest = max(longest, time.process_time() - start)
        assert not isinstance(outcome, Failed), outcome
    print(f"{name:14} at most {longest * 1000:.0f} ms at a time")


def front_end(lines: int = 10_000) -> None:
    """Lines a second of reading, checking and compiling, against `ast.parse` on a like file."""
    copies = lines // CAI_LINES.count("\n")
    ours = "".join(CAI_LINES.replace("{n}", str(n)) for n in range(copies))
    theirs = "".join(PYTHON_LINES.replace("{n}", str(n)) for n in range(copies))
    python = best(lambda: ast.parse(theirs))
    checked = check(ours)
    code = compile_source(ours).code
    assert code is not None, checked.errors
    stages: dict[str, Callable[[], object]] = {
        "parse": lambda: parse(ours),
        "check": lambda: check(ours),
        "compile": lambda: compile_program(checked),
        "bind": lambda: bind(code),
    }
    for name, stage in stages.items():
        taken = best(stage)
        print(f"{name:14} {lines} lines in {taken:.3f} s: {taken / python:.1f} x ast.parse")


def loop(name: str) -> None:
    """One program against the same in CPython."""
    ours, theirs = LOOPS[name]
    compiled = compile_source(ours).code
    assert compiled is not None
    bound = bind(compiled)
    code = compile(f"def main():\n{_indented(theirs)}", "<python>", "exec")
    scope: dict[str, Callable[[], None]] = {}
    exec(code, scope)

    def run() -> None:
        machine = Machine.start(bound, {})
        while not isinstance(outcome := machine.advance(), Finished):
            assert not isinstance(outcome, Failed), outcome

    python, machine = best(scope["main"]), best(run)
    print(f"{name:14} {machine * 1000:.1f} ms: {machine / python:.1f} x CPython")


def _indented(text: str) -> str:
    return "".join(f"    {line}\n" for line in text.splitlines())


def best(work: Callable[[], object]) -> float:
    """Seconds of the fastest of several rounds."""
    found = []
    for _ in range(ROUNDS):
        start = time.process_time()
        work()
        found.append(time.process_time() - start)
    return min(found)


if __name__ == "__main__":
    main()
