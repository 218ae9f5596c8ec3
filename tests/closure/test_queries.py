"""Queries: every table is an entity, nothing hidden is a column, every code has its example."""

from __future__ import annotations

import pytest

from codeai.dsl.query.diagnostics import CODES, BadQuery
from codeai.dsl.query.operators import BY_SPELLING, OPERATORS, Operator
from codeai.persistence.entities import ENTITIES
from codeai.persistence.query import understood
from codeai.persistence.roles import HIDDEN
from codeai.persistence.tables import TABLES
from codeai.workflows.contracts.changes import BODIES
from codeai.workflows.contracts.decoding import InvalidInput, validated

BODY_OF = {"deployments": "deployment"}
"""The kind of change by whose body an UPDATE of an entity is judged."""
WRITABLE = [
    (entity.name, column.field)
    for entity in ENTITIES.values()
    for column in entity.columns.values()
    if column.field.writable
]


def test_every_table_is_an_entity() -> None:
    asked = {entity.table.__tablename__ for entity in ENTITIES.values()}
    assert {table.__tablename__ for table in TABLES} == asked, (
        "name its public columns in persistence/entities.py"
    )


def test_nothing_that_the_api_must_not_read_is_a_column() -> None:
    for table, hidden in HIDDEN.items():
        if table in ENTITIES:
            read = [column.read.key or "" for column in ENTITIES[table].columns.values()]
            assert [key for key in read if key.startswith(hidden)] == []


def test_rows_come_in_an_order_that_is_one() -> None:
    for entity in ENTITIES.values():
        assert set(entity.keys) <= set(entity.columns), entity.name
        fields = [entity.columns[name].read for name in entity.keys]
        unique = {column.key for column in entity.table.__table__.primary_key}
        assert unique <= {field.key for field in fields}, entity.name


@pytest.mark.parametrize("code", CODES)
def test_the_example_of_a_code_has_it(code: str) -> None:
    with pytest.raises(BadQuery) as refused:
        understood(CODES[code].example, {})
    assert [one.code for one in refused.value.diagnostics] == [code]


def test_every_operator_is_written_in_one_way_at_least_and_means_one_thing() -> None:
    assert set(OPERATORS) == set(Operator)
    spellings = [spelling for row in OPERATORS.values() for spelling in row.spellings]
    assert len(spellings) == len(set(spellings)) == len(BY_SPELLING)


def fits(entity: str, name: str, value: object) -> bool:
    try:
        validated({"name": "x", name: value}, BODIES[BODY_OF[entity]])
    except InvalidInput:
        return False
    return True


@pytest.mark.parametrize(("entity", "field"), WRITABLE, ids=lambda one: getattr(one, "name", one))
def test_what_an_update_may_set_is_what_a_change_may_set(entity: str, field: object) -> None:
    columns = {name: column.field for name, column in ENTITIES[entity].columns.items()}
    field = columns[field.name]  # type: ignore[attr-defined]
    assert fits(entity, field.name, None) is field.optional
    for choice in field.choices:
        assert fits(entity, field.name, choice)
    if field.choices:
        assert not fits(entity, field.name, "another")
    if field.longest is not None:
        assert fits(entity, field.name, "x" * field.longest)
        assert not fits(entity, field.name, "x" * (field.longest + 1))
    if field.above is not None:
        assert fits(entity, field.name, field.above + 0.1) and not fits(entity, field.name, field.above)
