"""The caller of a request: who he says he is by his token, and what that permits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from codeai.workflows.contracts.permissions import EVERYTHING, Role, allows, inherited, permissions_of


@dataclass(frozen=True, slots=True)
class ClaimNames:
    """Which claims have roles and permissions: a name, or a path with dots (`realm_access.roles`)."""

    roles: str = "roles"
    permissions: str = "permissions"


@dataclass(frozen=True, slots=True)
class Caller:
    """`expires_at` in seconds since 1970."""

    subject: str
    roles: frozenset[str]
    permissions: frozenset[str]
    expires_at: float

    def may(self, permission: str) -> bool:
        return allows(self.permissions, permission)

    def holds(self, role: str) -> bool:
        """Whether he is `role`: holds it, a role that inherits it, or everything."""
        return role in self.roles or EVERYTHING in self.permissions


def caller_of(
    claims: Mapping[str, Any], named: list[str], permissions: list[str], roles: Mapping[str, Role]
) -> Caller:
    """The caller that verified claims name, with the roles and permissions that they give him."""
    return Caller(
        subject=str(claims["sub"]),
        roles=inherited(named, roles),
        permissions=permissions_of(named, roles) | frozenset(permissions),
        expires_at=float(claims["exp"]),
    )


def texts_at(claims: Mapping[str, Any], path: str) -> list[str]:
    """The array of strings at a claim. What is anything else gives nothing. A claim whose own name has dots, such as
    `https://example.com/roles`, comes before a path."""
    value: Any = claims
    for name in [path] if path in claims else path.split("."):
        value = value.get(name) if isinstance(value, Mapping) else None
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return value
    return []
