"""The caller of a request: who he says he is by his token, and what that permits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from codeai.workflows.contracts.permissions import EVERYTHING, Role, allows, inherited, permissions_of


@dataclass(frozen=True, slots=True)
class ClaimNames:
    """Which claims have roles and permissions: a name, or a path with dots (`realm_access.roles`)."""

    roles: str = "roles"
    permissions: str = "permissions"


@dataclass(frozen=True, slots=True)
class Caller:
    """`expires_at` in seconds since 1970; `named` are the roles and `given` the permissions of his token itself."""

    subject: str
    roles: frozenset[str]
    permissions: frozenset[str]
    expires_at: float
    named: tuple[str, ...] = ()
    given: frozenset[str] = frozenset()

    def may(self, permission: str) -> bool:
        return allows(self.permissions, permission)

    def with_roles(self, roles: Mapping[str, Role]) -> Caller:
        """The caller where these are the roles in force."""
        held = inherited(self.named, roles)
        return replace(self, roles=held, permissions=permissions_of(self.named, roles) | self.given)

    def holds(self, role: str) -> bool:
        """Whether he is `role`: holds it, a role that inherits it, or everything."""
        return role in self.roles or EVERYTHING in self.permissions


def caller_of(
    claims: Mapping[str, Any], named: list[str], permissions: list[str], roles: Mapping[str, Role]
) -> Caller:
    """The caller that verified claims name, with the roles and permissions that they give him."""
    return Caller(
        subject=str(claims["sub"]),
        roles=frozenset(),
        permissions=frozenset(),
        expires_at=float(claims["exp"]),
        named=tuple(named),
        given=frozenset(permissions),
    ).with_roles(roles)


def texts_at(claims: Mapping[str, Any], path: str) -> list[str]:
    """The array of strings at a claim. What is anything else gives nothing. A claim whose own name has dots, such as
    `https://example.com/roles`, comes before a path."""
    value: Any = claims
    for name in [path] if path in claims else path.split("."):
        value = value.get(name) if isinstance(value, Mapping) else None
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return value
    return []
