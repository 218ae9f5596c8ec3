"""The caller of a request: who he says he is by his token, and what that permits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from codeai.api.auth.permissions import ROLES, Role, allows, inherited, permissions_of


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
        return role in self.roles or "*:*" in self.permissions


def caller_of(
    claims: Mapping[str, Any],
    *,
    roles_claim: str,
    permissions_claim: str,
    roles: Mapping[str, Role] = ROLES,
) -> Caller:
    """The caller that verified claims name. Claims that are not arrays of strings give nothing."""
    named = _texts(claims.get(roles_claim))
    return Caller(
        subject=str(claims["sub"]),
        roles=inherited(named, roles),
        permissions=permissions_of(named, roles) | frozenset(_texts(claims.get(permissions_claim))),
        expires_at=float(claims["exp"]),
    )


def _texts(value: Any) -> list[str]:
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return value
    return []
