"""Queries and filters of requests: understood, permitted, and their errors as problems."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import Depends, Request
from fastapi import Query as Parameter
from sqlalchemy import ColumnElement

from codeai.api.auth.caller import Caller
from codeai.api.dependencies import caller_known
from codeai.api.problems import Refused
from codeai.dsl.diagnostics import to_json
from codeai.dsl.query.check import check_filter, entity_of
from codeai.dsl.query.diagnostics import BadQuery
from codeai.dsl.query.parser import read_filter, read_query
from codeai.dsl.query.tree import Update, columns_of
from codeai.persistence.entities import ENTITIES, Entity
from codeai.persistence.query import Query, asked
from codeai.persistence.query_sql import condition


@dataclass(frozen=True, slots=True)
class Filter:
    """A dependency: the condition of the request's `filter`, on the rows of the entity; None without one."""

    of: str

    def __call__(
        self,
        request: Request,
        filter: Annotated[
            str | None, Parameter(description="a condition, such as `name:~app` (docs/query.md)")
        ] = None,
    ) -> ColumnElement[bool] | None:
        if filter is None:
            return None
        entity = ENTITIES[self.of]
        try:
            where = check_filter(*read_filter(filter), entity.shape)
        except BadQuery as bad:
            raise refused(bad) from None
        permit(caller_known(request), entity, columns_of(where))
        return None if where is None else condition(entity, where)


def filter_of(entity: str) -> Any:
    """The `filter` of a list of this entity."""
    return Depends(Filter(entity))


def permitted(caller: Caller, text: str, params: Mapping[str, Any]) -> Query:
    """The query, which the caller may ask. Whether he may is decided before anything of the entity is told.

    Raises Refused: forbidden, or invalid_query with what is wrong and where.
    """
    try:
        statement, findings = read_query(text)
        entity = ENTITIES[entity_of(statement, findings, list(ENTITIES))]
        action = "write" if isinstance(statement, Update) else "read"
        _must_have(caller, f"{entity.resource}:{action}")
        query = asked(statement, findings, text, params)
    except BadQuery as bad:
        raise refused(bad) from None
    permit(caller, entity, query.columns())
    return query


def permit(caller: Caller, entity: Entity, columns: Iterable[str]) -> None:
    """Raises Refused(forbidden) where one of the columns needs a permission that the caller has not."""
    for name in sorted(columns):
        needs = entity.columns[name].needs
        if needs is not None:
            _must_have(caller, needs, f"the column {name} needs the permission {needs}")


def hidden_from(caller: Caller, entity: Entity) -> frozenset[str]:
    """The columns that the caller may not see."""
    return frozenset(
        name for name, column in entity.columns.items() if column.needs and not caller.may(column.needs)
    )


def refused(bad: BadQuery) -> Refused:
    """What is wrong with a query, as a problem."""
    return Refused("invalid_query", str(bad), diagnostics=to_json(bad.diagnostics))


def _must_have(caller: Caller, permission: str, why: str | None = None) -> None:
    if not caller.may(permission):
        raise Refused("forbidden", why or f"this needs the permission {permission}")
