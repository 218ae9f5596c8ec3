"""Random programs that the checker accepts: every statement and effect, nested, with errors now and then."""

from __future__ import annotations

import random

TEXTS = ('"a"', "'b c'", '""', '"${1 + 1}x"', '"ž🚀"')
FIELDS = ("stdout", "exit_code", "nothing")


class Programs:
    """Makes one program; the same seed makes the same."""

    def __init__(self, seed: int, fibres: bool = True) -> None:
        self.random = random.Random(seed)
        self.fibres = fibres
        self.names = 0

    def program(self) -> str:
        head = ["param p = 3", "var g = [1, 2]", "var m = {a: 1}"]
        functions = [self.function(number) for number in range(2)]
        body = self.block(["p", "g", "m"], ["p", "g", "m"], depth=0, loop="", length=7)
        tail = ["return [p, g, m]"]
        return "\n".join([*head, *functions, *body, *tail])

    def function(self, number: int) -> str:
        body = self.block(["x", "y", "g", "m", "p"], ["x", "y"], depth=2, loop="", length=3, calls=number)
        value = self.expression(["x", "y", "g"], 2, number)
        return "\n".join([f"function f{number}(x, y) {{", *body, f"return {value}", "}"])

    def block(
        self, seen: list[str], mine: list[str], depth: int, loop: str, length: int, calls: int = 2
    ) -> list[str]:
        seen, mine = list(seen), list(mine)
        lines: list[str] = []
        for _ in range(self.random.randint(1, length)):
            lines += self.statement(seen, mine, depth, loop, calls)
        return lines

    def name(self) -> str:
        self.names += 1
        return f"v{self.names}"

    def statement(self, seen: list[str], mine: list[str], depth: int, loop: str, calls: int) -> list[str]:
        pick = self.random.choice
        kinds = ["var", "var", "set", "change", "push", "put", "exec", "log", "if", "for", "while", "try"]
        if depth < 3 and self.fibres:
            kinds += ["parallel", "collect"]
        if loop:
            kinds.append(pick(["break", "continue"]) if loop == "loop" else "continue")
        kind = pick(kinds) if depth < 4 else pick(kinds[:8])
        value = self.expression(seen, 3, calls)
        inner = {"depth": depth + 1, "length": 3, "calls": calls}
        if kind == "var":
            name = self.name()
            line = f"var {name} = {pick([value, value, self.command(seen, True)])}"
            seen.append(name)
            mine.append(name)
            return [line]
        if kind == "set":
            return [f"{pick(mine)} = {value}"]
        if kind == "change":
            return [f"try {{ {pick(mine)} {pick(['+=', '-=', '*='])} {value} }} catch e {{ }}"]
        if kind == "push":
            name = pick(mine)
            return [f"try {{ {name} = append({name}, {value}) }} catch e {{ }}"]
        if kind == "put":
            target = pick(mine) + pick(["[0]", "[-1]", ".a", "[0].b", '["k"]'])
            return [f"try {{ {target} {pick(['=', '=', '+='])} {value} }} catch e {{ }}"]
        if kind == "exec":
            return [self.command(seen, False)]
        if kind == "log":
            return [f"log({value})"]
        if kind == "if":
            then = self.block(seen, mine, loop=loop, **inner)
            other = self.block(seen, mine, loop=loop, **inner)
            return [f"if {value} {{", *then, "} else {", *other, "}"]
        if kind == "for":
            name = self.name()
            what = pick(["[1, 2, 3]", "{a: 1, b: [2]}", "range(4)", "g", f"[{value}]"])
            body = self.block([*seen, name], [*mine, name], loop="loop", **inner)
            other = self.name()
            names = pick([name, f"{other}, {name}"])
            return [f"for {names} in {what} {{", *body, "}"]
        if kind == "while":
            name = self.name()
            body = self.block([*seen, name], mine, loop="loop", **inner)
            return [f"var {name} = 0", f"while {name} < 3 {{", f"{name} += 1", *body, "}"]
        if kind == "try":
            body = self.block(seen, mine, loop=loop, **inner)
            handler = self.block(seen, mine, loop=loop, **inner)
            return ["try {", *body, "} catch e {", "log(e.message)", *handler, "}"]
        if kind in ("parallel", "collect"):
            name, result = self.name(), self.name()
            body = self.block([*seen, name], [name], loop="parallel", **inner)
            options = self.parallel_options("stop" if kind == "parallel" else kind)
            head = f"var {result} = parallel({options}) for {name} in [1, 2, 3] {{"
            seen.append(result)
            mine.append(result)
            guarded = pick([True, False])
            if guarded:
                seen.pop()
                mine.pop()
                return [
                    "try {",
                    head,
                    *self.fibre(name),
                    *body,
                    f"return {name}",
                    "}",
                    "} catch e { log(e.kind) }",
                ]
            return [head, *self.fibre(name), *body, f"return {name}", "}"]
        return [kind]

    def parallel_options(self, on_error: str) -> str:
        return f'limit: {self.random.randint(1, 3)}, on_error: "{on_error}"'

    def fibre(self, _item: str) -> list[str]:
        """What stands first in a fibre."""
        return []

    def command(self, seen: list[str], check: bool) -> str:
        exit_code = self.random.choice(["", "", "", " exit 3"])
        option = "(check: false)" if check or self.random.random() < 0.5 else ""
        undo = self.random.choice(["", f" undo {{ back ${self.random.choice(seen)} }}"])
        return f"exec{option} {{ echo ${self.random.choice(seen)}{exit_code} }}{undo}"

    def expression(self, seen: list[str], depth: int, calls: int) -> str:
        pick = self.random.choice
        if depth == 0 or self.random.random() < 0.2:
            return pick(
                [pick(seen), pick(seen), str(self.random.randint(-3, 9)), "2.5", pick(TEXTS), "null", "true"]
            )
        left, right = (self.expression(seen, depth - 1, calls) for _ in range(2))
        kinds = ["sum", "compare", "logic", "array", "map", "index", "text", "builtin", "equal"]
        if calls:
            kinds += ["call", "call"]
        kind = pick(kinds)
        if kind == "sum":
            return f"({left} + {right})"
        if kind == "compare":
            return f"(len([{left}]) < len([{right}, {left}]))"
        if kind == "logic":
            return f"({left} {pick(['and', 'or'])} not {right})"
        if kind == "equal":
            return f"({left} {pick(['==', '!='])} {right})"
        if kind == "array":
            return f"[{left}, {right}]"
        if kind == "map":
            return f"{{a: {left}, b: {right}}}"
        if kind == "index":
            return f"[{left}, {right}][{self.random.randint(-2, 2)}]"
        if kind == "text":
            return f'"<${{{left}}}>"'
        if kind == "builtin":
            return pick(
                [f"str({left})", f"type({left})", f"unique([{left}, {right}])", f"default({left}, {right})"]
            )
        return self.call(self.random.randrange(calls), left, right)

    def call(self, number: int, left: str, right: str) -> str:
        return f"f{number}({left}, {right})"
