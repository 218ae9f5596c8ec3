"""What roles permit (★): `resource:action`, `*` on either side, roles that inherit."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

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
    "admin": Role(frozenset({"*:*"})),
}


def inherited(names: Iterable[str], roles: Mapping[str, Role]) -> frozenset[str]:
    """The names of all roles that somebody with `names` holds; unknown ones give nothing."""
    held: set[str] = set()
    open_names = list(names)
    while open_names:
        name = open_names.pop()
        if name in roles and name not in held:
            held.add(name)
            open_names.extend(roles[name].inherits)
    return frozenset(held)


def permissions_of(names: Iterable[str], roles: Mapping[str, Role]) -> frozenset[str]:
    """The permissions of all these roles together."""
    return frozenset(permission for name in inherited(names, roles) for permission in roles[name].permissions)


def allows(held: frozenset[str], wanted: str) -> bool:
    """Whether `held` covers `wanted`, a permission without wildcards."""
    resource, _, action = wanted.partition(":")
    return not held.isdisjoint({wanted, f"{resource}:*", f"*:{action}", "*:*"})
