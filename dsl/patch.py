"""An edited program for a run under way: whether all that has run is unchanged, and where the run stands in it.

Statements are compared as trees. One that has not run may become any other, and so may the one that failed: the run
goes on there. Of a statement that is under way, or has run in part, what has run of it must be the same: its own
expressions, and the statements of its blocks up to the last that has run.

Where two blocks begin alike, their variables have the same places, and equal statements are equal instructions that
stand elsewhere: so all that changes in a run's state are the numbers of instructions. Nothing here recurses (`drive`).
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate

from codeai.dsl import tree
from codeai.dsl.check import Checked
from codeai.dsl.compile import laid_out
from codeai.dsl.fragments import Task, drive
from codeai.dsl.patched import Moved, Standing
from codeai.dsl.program import Code
from codeai.dsl.ran import from_text, to_text
from codeai.dsl.tree_walk import children, equal, same

Statements = Sequence[tree.Node]
Span = tuple[int, int]


class Differs(ValueError):
    """What has run is not the same: its line, and the line of what stands in its place (None: nothing)."""

    def __init__(self, message: str, line: int, new_line: int | None) -> None:
        super().__init__(message)
        self.line, self.new_line = line, new_line


def patch(old: Checked, new: Checked, standing: Standing) -> tuple[Code, Moved]:
    """The code of the new program, and where the run stands in it. The programs have no errors.

    Raises:
        Differs: a statement that has run is changed; the first one.
    """
    return _Patch(_Side(old), _Side(new), standing).done()


class _Side:
    """One of the two programs."""

    def __init__(self, checked: Checked) -> None:
        assert checked.tree is not None
        self.program = checked.tree
        self.code, self.spans = laid_out(checked)
        self.functions = {
            one.name.name: one for one in self.program.body if isinstance(one, tree.FunctionDecl)
        }
        self._source = checked.source

    def line(self, node: tree.Node) -> int:
        return self._source.position(node.start)[0]

    def text(self, node: tree.Node) -> str:
        return self._source.line(self.line(node)).strip()[:200]

    def alive(self, pc: int) -> list[tuple[int, str]]:
        """The variables that have a place at an instruction."""
        return sorted((slot, name) for slot, name, first, end in self.code.names if first <= pc < end)


class _Patch:
    def __init__(self, old: _Side, new: _Side, standing: Standing) -> None:
        self._old, self._new, self._standing = old, new, standing
        count = len(old.code.code)
        self._ran = from_text(standing.ran, count)
        stands = bytearray(count)
        for pc in standing.all:
            stands[pc] = 1
        self._ran_before = [0, *accumulate(self._ran)]
        self._stands_before = [0, *accumulate(stands)]
        self._ran_there = bytearray(len(new.code.code))
        self._moves: dict[int, int] = {}
        self._restarts: set[int] = set()

    def done(self) -> tuple[Code, Moved]:
        old, new = self._old, self._new
        self._params()
        drive(self._block(old.program, new.program))
        self._unit_end(old.program, new.program)
        for name, function in old.functions.items():
            self._function(function, new.functions.get(name))
        moves = {pc: self._placed(pc) for pc in self._standing.all}
        return new.code, Moved(to_text(self._ran_there), moves, frozenset(self._restarts))

    # What is compared

    def _params(self) -> None:
        old, new = self._old, self._new
        params, others = old.program.params, new.program.params
        for at, param in enumerate(params):
            other = others[at] if at < len(others) else None
            if other is None or not equal(param, other):
                raise self._differs(param, other)
        if len(others) > len(params):
            line = new.line(others[len(params)])
            raise Differs(f"line {line} adds an input, and the run has begun without it", line, line)
        self._same_code((0, old.spans[old.program][0]), (0, new.spans[new.program][0]), old.program)

    def _function(self, function: tree.FunctionDecl, other: tree.FunctionDecl | None) -> None:
        first, end = self._old.spans[function.body]
        if not self._ran_in((first, end + 1)) and not self._stands_in((first, end + 1)):
            return
        if other is None or len(function.params) != len(other.params):
            raise self._differs(function, other)
        if not all(map(equal, function.params, other.params)):
            raise self._differs(function, other)
        drive(self._hole(function.body, other.body, function))
        self._unit_end(function.body, other.body)

    def _unit_end(self, block: tree.Node, other: tree.Node) -> None:
        """The `return` behind the last statement of the program or of a function."""
        here, there = self._old.spans[block][1], self._new.spans[other][1]
        self._same_code((here, here + 1), (there, there + 1), block)

    def _block(self, block: tree.Program | tree.Block, other: tree.Program | tree.Block) -> Task:
        """The statements up to the last that has run; what stands behind them goes on behind them."""
        spans, ends = self._old.spans, self._new.spans
        mine, theirs = _statements(block), _statements(other)
        places = [*(ends[one][0] for one in theirs), ends[other][1]]
        known = max((at + 1 for at, one in enumerate(mine) if self._ran_in(spans[one])), default=0)
        waits = known < len(mine) and self._stands_in((spans[mine[known]][0], spans[mine[known]][0] + 1))
        more, is_edited = 0, False
        for at, one in enumerate(mine[:known]):
            there = theirs[at + more : at + more + 1]
            if self._has_failed(one) and not (there and equal(one, there[0])):
                self._restart(one, places[min(at + more, len(theirs))])
                more += self._more(mine[at + 1 : known + waits], theirs, at + more + 1)
                is_edited = True
            elif there:
                yield self._statement(one, there[0])
            else:
                raise self._differs(one, None)
        behind = known + more
        if waits:
            begun = theirs[behind] if behind < len(theirs) else None
            if is_edited and not (begun is not None and equal(mine[known], begun)):
                raise self._differs(mine[known], begun, "is where another fibre stands")
            self._begin(spans[mine[known]][0], places[min(behind, len(theirs))])
        elif known == len(mine) and behind < len(theirs) and not self._stands_in(spans[block]):
            line = self._new.line(theirs[behind])
            raise Differs(f"line {line} is added where the run has passed already", line, line)

    def _more(self, rest: Statements, theirs: Statements, begin: int) -> int:
        """How many statements more stand in the place of an edited one: what has run behind it, in a loop, is found
        again behind them."""
        places = range(begin - 1, len(theirs) - len(rest) + 1) if rest else ()
        for place in sorted(places, key=lambda place: place != begin):
            pairs = zip(rest, theirs[place:], strict=False)
            if all(self._has_failed(one) or same(one, other) is not None for one, other in pairs):
                return place - begin
        return 0

    def _statement(self, node: tree.Node, other: tree.Node) -> Task:
        """One that has run, at least in part."""
        pairs = same(node, other)
        if pairs is None:
            raise self._differs(node, other)
        spans, ends = self._old.spans, self._new.spans
        here, there = spans[node][0], ends[other][0]
        for mine, theirs in sorted(pairs, key=lambda pair: spans[pair[0]]):
            self._same_code((here, spans[mine][0]), (there, ends[theirs][0]), node)
            yield self._hole(mine, theirs, node)
            here, there = spans[mine][1], ends[theirs][1]
        self._same_code((here, spans[node][1]), (there, ends[other][1]), node)

    def _hole(self, mine: tree.Node, theirs: tree.Node, around: tree.Node) -> Task:
        """A block, or an `else if`, of a statement that has run."""
        first, end = self._old.spans[mine]
        if first == end:
            if not equal(mine, theirs):
                raise self._differs(around, theirs)
        elif not self._ran_in((first, end)):
            self._begin(first, self._new.spans[theirs][0])
        elif isinstance(mine, tree.Block) and isinstance(theirs, tree.Block):
            yield self._block(mine, theirs)
        else:
            yield self._statement(mine, theirs)

    # Where the run stands

    def _ran_in(self, span: Span) -> bool:
        return self._ran_before[span[1]] > self._ran_before[span[0]]

    def _stands_in(self, span: Span) -> bool:
        return self._stands_before[span[1]] > self._stands_before[span[0]]

    def _has_failed(self, node: tree.Node) -> bool:
        """Whether the statement itself has failed, and nothing else stands in it."""
        first, end = self._old.spans[node]
        stands = [pc for pc in self._standing.all if first <= pc < end]
        if not stands or not self._standing.others.isdisjoint(stands):
            return False
        inner = [self._old.spans[hole] for hole in _holes(node)]
        return not any(begin <= pc < over for pc in stands for begin, over in inner)

    def _restart(self, node: tree.Node, place: int) -> None:
        """What failed in an edited statement goes on where what stands in its place begins."""
        first, end = self._old.spans[node]
        for pc in self._standing.failed:
            if first <= pc < end:
                self._moves[pc] = self._new.code.target(place)
                self._restarts.add(pc)

    def _begin(self, pc: int, place: int) -> None:
        """Who stands before what has not run yet stands before what has taken its place."""
        if self._stands_in((pc, pc + 1)):
            self._moves[pc] = self._new.code.target(place)

    def _same_code(self, here: Span, there: Span, node: tree.Node) -> None:
        """Instructions of what has run, which stand elsewhere now."""
        first, end = here
        mine, theirs = self._old.code.code[first:end], self._new.code.code[there[0] : there[1]]
        if [one[0] for one in mine] != [one[0] for one in theirs]:
            line = self._old.line(node)
            raise Differs(
                f"line {line} is unchanged, but with what stands in it now it would run in another way: "
                f"{self._old.text(node)}",
                line,
                None,
            )
        self._ran_there[there[0] : there[1]] = self._ran[first:end]
        if self._stands_in(here):
            for pc in range(first, end):
                self._moves.setdefault(pc, pc - first + there[0])

    def _placed(self, pc: int) -> int:
        """Where who stands at `pc` goes on."""
        there = self._moves.get(pc)
        known = self._old.alive(self._old.code.starts[pc] if pc in self._restarts else pc)
        if there is None or not set(self._new.alive(there)) <= set(known):
            line = self._old.code.lines[pc]
            raise Differs(f"the run stands at line {line}, which is not found again", line, None)
        return there

    def _differs(
        self, node: tree.Node, other: tree.Node | None, why: str = "has run, and is changed"
    ) -> Differs:
        line = self._old.line(node)
        new_line = None if other is None else self._new.line(other)
        now = "it is gone" if other is None else f"line {new_line} is now: {self._new.text(other)}"
        return Differs(f"line {line} {why}: {self._old.text(node)}; {now}", line, new_line)


def _statements(block: tree.Program | tree.Block) -> list[tree.Node]:
    return [one for one in block.body if not isinstance(one, tree.FunctionDecl)]


def _holes(node: tree.Node) -> list[tree.Node]:
    """The blocks of a statement, and the `else if` of an `if`."""
    if isinstance(node, tree.Block):
        return [node]
    found: list[tree.Node] = []
    ahead = list(children(node))
    while ahead:
        one = ahead.pop()
        if isinstance(one, tree.Block | tree.If):
            found.append(one)
        else:
            ahead.extend(children(one))
    return found
