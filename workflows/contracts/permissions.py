"""What roles permit (★): `resource:action`, `*` on either side, roles that inherit; and who may change them how."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

PERMISSION = r"^(\*|[a-z][a-z0-9_-]{0,62}):(\*|[a-z][a-z0-9_-]{0,62})$"
ROLE_NAME = r"^[A-Za-z][A-Za-z0-9._-]{0,63}$"
MOST_PERMISSIONS, MOST_INHERITED = 1000, 100
"""That one role has of its own, and roles that it inherits itself."""
EVERYTHING = "*:*"
ADMIN = "admin"
"""The role that always permits everything, so that there is always somebody who may."""
SHARED = ("configs", "executions", "deployments", "jobs", "schedules", "workflows", "events")
"""What viewers read and editors work with."""


@dataclass(frozen=True, slots=True)
class Role:
    """A set of permissions with a name, on top of those of the roles that it inherits."""

    permissions: frozenset[str]
    inherits: tuple[str, ...] = ()


ROLES: Mapping[str, Role] = {
    "viewer": Role(frozenset({*(f"{resource}:read" for resource in SHARED), "health:read"})),
    "editor": Role(frozenset(f"{resource}:*" for resource in SHARED), ("viewer",)),
    ADMIN: Role(frozenset({EVERYTHING})),
}
"""The roles of a new database."""


def inherited(names: Iterable[str], roles: Mapping[str, Role]) -> frozenset[str]:
    """The names of all roles that somebody with `names` holds. One that there is not permits nothing, and is held
    all the same: an approval may ask for it."""
    held: set[str] = set()
    open_names = list(names)
    while open_names:
        name = open_names.pop()
        if name not in held:
            held.add(name)
            open_names.extend(roles[name].inherits if name in roles else ())
    return frozenset(held)


def permissions_of(names: Iterable[str], roles: Mapping[str, Role]) -> frozenset[str]:
    """The permissions of all these roles together."""
    held = inherited(names, roles)
    return frozenset(permission for name in held if name in roles for permission in roles[name].permissions)


def allows(held: frozenset[str], wanted: str) -> bool:
    """Whether `held` covers `wanted`. Where that is a wildcard itself, only one as wide covers it."""
    resource, _, action = wanted.partition(":")
    return not held.isdisjoint({wanted, f"{resource}:*", f"*:{action}", EVERYTHING})


def cycle_of(name: str, inherits: Iterable[str], roles: Mapping[str, Role]) -> tuple[str, ...] | None:
    """The way from the role back to itself, if it inherited these: `(a, b, a)`; None where there is none."""
    ways: list[tuple[str, ...]] = [(name, one) for one in inherits]
    seen: set[str] = set()
    while ways:
        way = ways.pop()
        last = way[-1]
        if last == name:
            return way
        if last in roles and last not in seen:
            seen.add(last)
            ways.extend((*way, one) for one in roles[last].inherits)
    return None


def beyond(role: Role, roles: Mapping[str, Role], held: frozenset[str]) -> tuple[str, ...]:
    """What the role would permit, by itself or what it inherits, that somebody who has `held` may not himself."""
    given = role.permissions | permissions_of(role.inherits, roles)
    return tuple(sorted(permission for permission in given if not allows(held, permission)))
