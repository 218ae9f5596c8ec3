"""The page on queries: entities with their columns, operators, functions, what is wrong with a query."""

from __future__ import annotations

from codeai.dsl.query.diagnostics import CODES, DEPTH, MOST_BYTES, MOST_VALUES
from codeai.dsl.query.operators import FUNCTIONS, OPERATORS, Type
from codeai.persistence.entities import ENTITIES, Column
from codeai.persistence.query import MOST_CHANGED, MOST_ROWS, TIME_LIMIT
from tests.reference.markdown import code, size, table


def queries() -> str:
    """All that queries may be about and say."""
    parts = [
        "What queries may ask about and say; [Queries](../query.md) shows how. A query has at most "
        f"{size(MOST_BYTES)} of text, {DEPTH}\nlevels of brackets and NOT, {MOST_VALUES:,} values in an IN; a page "
        f"has {MOST_ROWS} rows, an UPDATE changes at most {MOST_CHANGED:,},\nand a statement takes at most "
        f"{TIME_LIMIT:g} s.\n\n## Operators\n",
        table(
            ("operator", "also written", "types", "is true where the column"),
            (
                (
                    code(operator.value),
                    " ".join(code(one) for one in row.spellings if one != operator.value),
                    ", ".join(type.value for type in Type if type in row.types),
                    row.help,
                )
                for operator, row in OPERATORS.items()
            ),
        ),
        "## Functions\n",
        table(
            ("function", "types"),
            (
                (code(name), ", ".join(type.value for type in Type if type in types))
                for name, types in FUNCTIONS.items()
            ),
        ),
    ]
    for entity in ENTITIES.values():
        about = entity.about[0].upper() + entity.about[1:]
        parts += [
            f"## {entity.name}\n\n{about}. Needs {code(entity.resource + ':read')}; "
            f"in the order of {', '.join(map(code, entity.keys))}{', newest first' if entity.newest_first else ''}.\n",
            table(
                ("column", "type", "besides"),
                (
                    (code(name), column.field.type.value, _besides(column))
                    for name, column in entity.columns.items()
                ),
            ),
        ]
    parts += [
        "## What can be wrong\n",
        table(
            ("code", "message"),
            ((code(row.code), row.message.replace("{", "`{").replace("}", "}`")) for row in CODES.values()),
        ),
    ]
    return "\n".join(parts)


def _besides(column: Column) -> str:
    field = column.field
    said = [f"needs {code(column.needs)}"] if column.needs else []
    if field.writable:
        said.append(
            "an UPDATE may set it" + (f" to {', '.join(map(code, field.choices))}" if field.choices else "")
        )
    if field.longest is not None:
        said.append(f"at most {field.longest} characters")
    if field.above is not None:
        said.append(f"above {field.above:g}")
    if field.most is not None:
        said.append(f"at most {field.most:.0f}")
    if field.optional:
        said.append("or NULL")
    return "; ".join(said)
