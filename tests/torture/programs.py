"""Random programs whose every effect is written to a file, and whose outcome no timing can change.

A line of the file says which fibre did what: `<where> <site>`. Fibres may do their work in any order between them,
each its own in one order. So a failure that stops other fibres is only planted where one runs at a time.
"""

from __future__ import annotations

from codeai.dsl.bind import bind
from codeai.dsl.check import check
from codeai.dsl.compile import compile_program
from codeai.dsl.diagnostics import Severity
from codeai.dsl.machine import Asking, EffectResult, Failed, Finished, Machine
from codeai.dsl.values import ErrorValue, ExecValue
from tests.dsl.random_programs import Programs

CHILD = """
param where
param file
param fails = false
exec { echo "$where child" >> "$file" } undo { echo "$where undo-child" >> "$file" }
sleep("5ms")
if fails { exec { echo "$where child-fails" >> "$file"; exit 9 } }
return "child of ${where}"
"""
"""A config that programs run: its name is torture-child."""

OTHERS = (
    'sleep("20ms")',
    "log(where)",
    "set_status(where)",
    'emit("torture.told", {where: where})',
    'try { wait_event("torture.never", where: {n: 1}, timeout: "60ms") } catch e { log(e.kind) }',
    'approve("go on?", timeout: "40ms", check: false)',
    'try { approve("go on?", timeout: "40ms") } catch e { log(e.kind) }',
    "var drawn = [now(), uuid(), random()]",
    'try { run("torture-child", inputs: {where: where, file: file}) } catch e { log(e.kind) }',
    'try { run("torture-child", inputs: {where: where, file: file, fails: true}) } catch e { log(e.kind) }',
)
"""Effects that are no commands; each leaves the program's values as they are."""
FEWEST, MOST = 4, 40
"""Effects of a program that is worth running."""


class Traceable(Programs):
    """Programs of commands that write down where they ran."""

    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        self.sites = 0

    def program(self) -> str:
        head = ["param file", 'var where = "main"', "var p = 3", "var g = [1, 2]", "var m = {a: 1}"]
        functions = [self.function(number) for number in range(2)]
        body = self.block(["p", "g", "m"], ["p", "g", "m"], depth=0, loop="", length=7)
        return "\n".join([*head, *functions, *body, "return [p, g, m]"])

    def function(self, number: int) -> str:
        return super().function(number).replace("(x, y)", "(where, x, y)", 1)

    def call(self, number: int, left: str, right: str) -> str:
        return f"f{number}(where, {left}, {right})"

    def fibre(self, item: str) -> list[str]:
        inner = self.name()
        return [f'var {inner} = where + "/" + str({item})', f"var where = {inner}"]

    def parallel_options(self, on_error: str) -> str:
        limit = 1 if on_error == "stop" else self.random.randint(1, 3)
        return f'limit: {limit}, on_error: "{on_error}"'

    def command(self, seen: list[str], check: bool) -> str:
        if not check and self.random.random() < 0.3:
            return self.random.choice(OTHERS)
        self.sites += 1
        site, value = f"s{self.sites}", self.random.choice(seen)
        pause = self.random.choice(["", "", " sleep 0.1;"])
        exit_code = self.random.choice(["", "", "", "", " exit 3"])
        retry = self.random.choice(["", ", retry: 1, backoff: 0"])
        option = f"(check: false{retry})" if check or self.random.random() < 0.6 else ""
        undo = self.random.choice(["", f' undo {{ echo "$where undo-{site}" >> "$file" }}'])
        return f'exec{option} {{ echo "$where {site}" >> "$file";{pause} printf %s "${value}";{exit_code} }}{undo}'


def program_of(seed: int) -> str:
    """The program of a seed: the first of its line that is valid and has neither too few nor too many effects."""
    for number in range(1000):
        text = Traceable(seed * 1000 + number).program()
        if FEWEST <= effects_of(text) <= MOST:
            return text
    raise AssertionError(f"no program for seed {seed}")


def effects_of(text: str) -> int:
    """How many effects the program has when each ends as it says; 0 for one that is not valid."""
    checked = check(text)
    if any(one.severity is Severity.ERROR for one in checked.diagnostics):
        return 0
    machine = Machine.start(bind(compile_program(checked)), {"file": "f"})
    for _ in range(10_000):
        answer = machine.advance()
        if isinstance(answer, Finished | Failed):
            return machine.steps
        if isinstance(answer, Asking):
            for step in answer.withdrawn:
                machine.answer(step, EffectResult(error=ErrorValue("cancelled", "cancelled")))
            for request in answer.requests:
                if request.step in machine.pending:
                    failing = "exit 3" in (request.text or "")
                    value = ExecValue("x", "", 3 if failing else 0) if request.effect == "exec" else None
                    machine.answer(request.step, EffectResult(value))
    return 0
