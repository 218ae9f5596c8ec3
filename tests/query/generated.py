"""Random rows and random queries: every type, form and operator, values that meet, and text that is wrong."""

from __future__ import annotations

import random
import uuid
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Table, delete, insert

from codeai.dsl.query.check import Field
from codeai.dsl.query.operators import FUNCTIONS, OPERATORS, Operator, Type
from codeai.persistence.deployments import STATUS
from codeai.persistence.engine import Database
from codeai.persistence.entities import ENTITIES, Entity

Rows = Mapping[str, list[dict[str, Any]]]
EPOCH = datetime(2026, 1, 1, tzinfo=UTC)
TEXTS = [
    *(
        "",
        "a",
        "A",
        "b",
        "ab",
        "aB",
        "a%",
        "a_b",
        "a\\b",
        "é",
        "É",
        "ä",
        "z",
        "Z",
        "ß",
        "漢",
        "\U0001f600",
        " ",
    ),
    *(
        "it's",
        'say "a"',
        "10",
        "null",
        "line\nbreak",
        "--",
        "; DROP TABLE configs",
        "complete",
        "@p",
        "$1",
        ":x",
    ),
]
STATUSES = [status for status in STATUS if status is not None]
COUNTS = {"executions": 230, "deployments": 40}
ASKED = (
    "configs",
    "deployments",
    "executions",
    "execution_steps",
    "execution_logs",
    "secrets",
    "roles",
    "events",
)
"""The entities that are asked: together they have columns of every type."""


def rows_of(chance: random.Random) -> Rows:
    """Rows by entity, with all their public columns."""
    ids = [str(uuid.UUID(int=chance.getrandbits(128))) for _ in range(400)]
    found: dict[str, list[dict[str, Any]]] = {name: [] for name in ASKED}
    for name in ASKED:
        table = ENTITIES[name].table.__table__
        assert isinstance(table, Table)
        for number in range(COUNTS.get(name, 25)):
            row = {
                column: _value(chance, of.field.type, table.c[_attribute(name, column)].nullable, ids)
                for column, of in ENTITIES[name].columns.items()
                if column != "status" or name != "deployments"
            }
            found[name].append(row | _own(chance, name, number, ids, found))
    for row in found["deployments"]:
        runs = [run for run in found["executions"] if run["deployment_id"] == row["id"]]
        newest = max(runs, key=lambda run: (run["started_at"], run["id"]), default=None)
        row["status"] = STATUS[newest["status"] if newest else None]
    return found


def _own(
    chance: random.Random, name: str, number: int, ids: list[str], found: dict[str, list[dict[str, Any]]]
) -> dict[str, Any]:
    """What is not left to chance alone: keys, and what has to be there."""
    new = str(uuid.UUID(int=chance.getrandbits(128)))
    unique = f"{chance.choice(TEXTS)}{number}"
    if name in ("configs", "deployments"):
        config = (
            {"config_id": chance.choice([None, found["configs"][0]["id"]])} if name == "deployments" else {}
        )
        return {"id": new, "name": unique, **config}
    if name == "executions":
        owners = [row["id"] for row in found["deployments"]][:20]
        return {"id": new, "deployment_id": chance.choice([None, *owners]), "status": chance.choice(STATUSES)}
    if name in ("secrets", "roles"):
        return {"name": unique}
    if name == "execution_logs":
        return {"execution_id": ids[number % 3], "offset": number - 5}
    return {"id": new}


def _value(chance: random.Random, type: Type, nullable: bool, ids: Sequence[str]) -> Any:
    if nullable and chance.random() < 0.3:
        return None
    if type is Type.LIST:
        return [chance.choice(TEXTS) for _ in range(chance.randrange(3))]
    values: Mapping[Type, Callable[[], Any]] = {
        Type.TEXT: lambda: chance.choice(TEXTS),
        Type.UUID: lambda: chance.choice(ids[:6]),
        Type.INTEGER: lambda: chance.choice([-1, 0, 1, 2, 3, 7, 1000, 2**31 - 1]),
        Type.NUMBER: lambda: chance.choice([-1.5, 0.0, 0.5, 1.0, 2.0, 1e100]),
        Type.BOOLEAN: lambda: chance.random() < 0.5,
        Type.TIME: lambda: EPOCH + timedelta(hours=chance.randrange(-5, 5), microseconds=chance.randrange(2)),
    }
    return values[type]()


def _attribute(entity: str, column: str) -> str:
    return ENTITIES[entity].columns[column].read.key or column


async def store(database: Database, rows: Rows) -> None:
    """Writes the rows, with something in the columns that nobody sees."""
    async with database.transaction() as session:
        for name in ASKED:
            table = ENTITIES[name].table.__table__
            assert isinstance(table, Table)
            await session.execute(delete(table))  # the roles that a new database has
            for number, row in enumerate(rows[name]):
                values = {
                    _attribute(name, column): value
                    for column, value in row.items()
                    if (name, column) != ("deployments", "status")
                }
                for column in table.c:
                    if column.key not in values and not column.nullable and column.server_default is None:
                        values[column.key] = number if column.type.python_type is int else "x"
                await session.execute(insert(table).values(values))


class Queries:
    """Random queries with their parameters."""

    def __init__(self, chance: random.Random, rows: Rows) -> None:
        self.chance = chance
        self.rows = rows
        self.params: dict[str, Any] = {}

    def query(self) -> tuple[str, dict[str, Any]]:
        """One query. One in ten has something wrong in its text."""
        self.params = {}
        entity = ENTITIES[self.chance.choice(ASKED)]
        text = self.select(entity) if self.chance.random() < 0.6 else self.aggregate(entity)
        if self.chance.random() < 0.1:
            text = self.broken(text)
        return text, self.params

    def select(self, entity: Entity) -> str:
        chance, names = self.chance, list(entity.columns)
        some = chance.sample(names, chance.randrange(1, min(4, len(names)) + 1))
        text = f"SELECT {'*' if chance.random() < 0.2 else ', '.join(some)} FROM {entity.name}{self.where(entity)}"
        if chance.random() < 0.5:
            by = chance.sample(
                [name for name in names if entity.columns[name].field.type is not Type.LIST],
                chance.randrange(1, 3),
            )
            text += " ORDER BY " + ", ".join(name + chance.choice(["", " ASC", " DESC"]) for name in by)
        if chance.random() < 0.4:
            text += f" LIMIT {self.number([0, 1, 5, 100, 150])}"
        if chance.random() < 0.3:
            text += f" OFFSET {self.number([0, 1, 50, 2**40])}"
        return text

    def number(self, among: Sequence[int]) -> str:
        value = self.chance.choice(among)
        return str(value) if self.chance.random() < 0.7 else self.param(value)

    def aggregate(self, entity: Entity) -> str:
        chance = self.chance
        function = chance.choice(list(FUNCTIONS))
        fitting = [
            name for name, column in entity.columns.items() if column.field.type in FUNCTIONS[function]
        ]
        if chance.random() < 0.05:
            fitting = list(entity.columns)
        target = (
            f"({chance.choice(fitting)})"
            if fitting and (function != "COUNT" or chance.random() < 0.5)
            else ""
        )
        if not target:
            function = "COUNT"
        begins = "SELECT " if target and chance.random() < 0.3 else ""
        return f"{begins}{function}{target} FROM {entity.name}{self.where(entity)}"

    def where(self, entity: Entity) -> str:
        return "" if self.chance.random() < 0.1 else f" WHERE {self.condition(entity, 3)}"

    def condition(self, entity: Entity, depth: int) -> str:
        chance = self.chance
        way = chance.random() if depth else 0.0
        if way < 0.4:
            return self.comparison(entity)
        if way < 0.55:
            return f"NOT {self.condition(entity, depth - 1)}"
        if way < 0.7:
            return f"({self.condition(entity, depth - 1)})"
        word = chance.choice([" AND ", " OR ", " and ", " "])
        return word.join(self.condition(entity, depth - 1) for _ in range(chance.randrange(2, 4)))

    def comparison(self, entity: Entity) -> str:
        chance = self.chance
        field = chance.choice(list(entity.columns.values())).field
        fitting = [operator for operator, row in OPERATORS.items() if field.type in row.types]
        operator = chance.choice(list(OPERATORS) if chance.random() < 0.03 else fitting)
        negated = chance.choice(["", "NOT "])
        if operator is Operator.IS_NULL:
            return f"{field.name} " + chance.choice(["IS NULL", "IS NOT NULL"])
        if operator is Operator.BETWEEN:
            return (
                f"{field.name} {negated}BETWEEN {self.value(entity, field)} AND {self.value(entity, field)}"
            )
        if operator is Operator.IN:
            if chance.random() < 0.3:
                values = [self.plain(entity, field) for _ in range(chance.randrange(4))]
                return f"{field.name} {negated}IN {self.param([_json(one) for one in values])}"
            values = [self.value(entity, field) for _ in range(chance.randrange(1, 4))]
            return f"{field.name} {negated}IN ({', '.join(values)})"
        if operator in (Operator.LIKE, Operator.ILIKE):
            pattern = "".join(
                chance.choice(["%", "_", "a", "A", "b", "é", "\\%", "\\\\", "ä"]) for _ in range(3)
            )
            return f"{field.name} {negated}{operator} {_quoted(pattern)}"
        sign = chance.choice(OPERATORS[operator].spellings)
        return f"{field.name} {sign} {self.value(entity, field)}"

    def plain(self, entity: Entity, field: Field) -> Any:
        """A value that a row may have; null now and then."""
        known = [row[field.name] for row in self.chance.sample(self.rows[entity.name], 3)]
        values = [one for value in known for one in (value if isinstance(value, list) else [value])]
        return self.chance.choice(values) if values else "a"

    def value(self, entity: Entity, field: Field) -> str:
        """A value as it stands in a query: bare, quoted, or as a parameter."""
        chance = self.chance
        value = self.plain(entity, field)
        if value is None or chance.random() < 0.2:
            return self.param(_json(value))
        if chance.random() < 0.02:
            return chance.choice(["1", "'x'", "true", "banana", "@nobody", "NULL"])
        if isinstance(value, datetime):
            return chance.choice([value.isoformat(), value.strftime("%Y-%m-%d"), _quoted(value.isoformat())])
        if isinstance(value, str):
            return value if value.isalpha() and chance.random() < 0.5 else _quoted(value)
        return str(value).lower()

    def param(self, value: Any) -> str:
        name = f"p{len(self.params)}"
        self.params[name] = value
        return f"@{name}"

    def broken(self, text: str) -> str:
        """The text with a word left out, doubled, or put elsewhere."""
        words = text.split(" ")
        at = self.chance.randrange(len(words))
        word = words.pop(at)
        for _ in range(self.chance.randrange(3)):
            words.insert(self.chance.randrange(len(words) + 1), word)
        return " ".join(words)


def _json(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime) else value


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
