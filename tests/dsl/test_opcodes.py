"""The tables of instructions and words are what compiler and binder know."""

from __future__ import annotations

from codeai.dsl.bind import HEADS
from codeai.dsl.compile import compile_source
from codeai.dsl.expressions import BINDERS as WORD_BINDERS
from codeai.dsl.instructions import BINDERS
from codeai.dsl.opcodes import OPCODES, WORDS
from codeai.dsl.program import Code, pack, unpack
from tests.dsl.random_programs import Programs


def test_every_row_has_its_closure() -> None:
    assert BINDERS.keys() == OPCODES.keys()
    assert WORD_BINDERS.keys() == WORDS.keys()
    assert all(not OPCODES[name].simple for name in HEADS)


def test_the_compiler_makes_no_other() -> None:
    seen: set[str] = set()
    for seed in range(80):
        code = compile_source(Programs(seed).program()).code
        assert code is not None
        for name, *operands in code.code:
            assert len(operands) == len(OPCODES[name].operands), name
            seen.add(name)
    extra = compile_source(
        'var i = 1\ni = i + 1\nwhile f() { i = -i }\nfunction f() { fail("x") }\nlen("x")'
    ).code
    assert extra is not None
    seen |= {instruction[0] for instruction in extra.code}
    assert seen == OPCODES.keys()


def test_a_packed_program_is_the_same() -> None:
    code = compile_source(Programs(3).program()).code
    assert code is not None
    assert unpack(pack(code)) == code
    assert Code.from_json(code.to_json()) == code
