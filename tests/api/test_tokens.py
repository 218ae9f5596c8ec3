"""Who is let in: tokens and what is wrong with them."""

from __future__ import annotations

import base64
import json
import time
from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import OctKey, RSAKey

from codeai.api.auth.caller import Caller, caller_of, texts_at
from codeai.api.auth.keys import InvalidToken, shared_secret
from codeai.api.auth.tokens import Verifier
from codeai.workflows.contracts.permissions import ROLES

SECRET = "a secret that is long enough for every algorithm there is, with 64 bytes and more"
NOW = int(time.time())
CLAIMS = {"iss": "tests", "aud": "codeai", "sub": "ada", "iat": NOW, "exp": NOW + 3600, "roles": ["viewer"]}
VERIFIER = Verifier(shared_secret(SECRET), "tests", "codeai")


def signed(claims: dict[str, Any], algorithm: str = "HS256", secret: str = SECRET, **header: Any) -> str:
    key = OctKey.import_key(secret)
    return jwt.encode({"alg": algorithm, **header}, claims, key, algorithms=[algorithm])


def by_hand(header: str, claims: str, signature: str = "") -> str:
    return ".".join(
        [
            *(base64.urlsafe_b64encode(one.encode()).decode().rstrip("=") for one in (header, claims)),
            signature,
        ]
    )


@pytest.mark.parametrize("algorithm", ["HS256", "HS384", "HS512"])
async def test_a_good_token_names_its_caller(algorithm: str) -> None:
    claims = await VERIFIER.claims(f"Bearer {signed(CLAIMS, algorithm)}")
    assert claims["sub"] == "ada"


def changed(**changes: Any) -> str:
    return signed({name: value for name, value in (CLAIMS | changes).items() if value is not None})


REFUSED = {
    "expired": changed(exp=NOW - 1),
    "without an end": changed(exp=None),
    "ends as text": changed(exp="tomorrow"),
    "ends as true": changed(exp=True),
    "valid for over 90 days": changed(exp=NOW + 91 * 86400),
    "not yet valid": changed(nbf=NOW + 3600),
    "issued in the future": changed(iat=NOW + 3600),
    "of another issuer": changed(iss="somebody else"),
    "without an issuer": changed(iss=None),
    "for another audience": changed(aud="others"),
    "for other audiences": changed(aud=["others", "more"]),
    "without an audience": changed(aud=None),
    "without a subject": changed(sub=None),
    "signed by another secret": signed(CLAIMS, secret="another secret that is long enough for HS256"),
    "with a critical extension": by_hand('{"alg":"HS256","crit":["exp"]}', json.dumps(CLAIMS), "AAAA"),
    "unencoded": by_hand('{"alg":"HS256","b64":false}', json.dumps(CLAIMS), "AAAA"),
    "compressed": by_hand('{"alg":"HS256","zip":"DEF"}', json.dumps(CLAIMS), "AAAA"),
    "unsigned": by_hand('{"alg":"none"}', json.dumps(CLAIMS)),
    "unsigned in capitals": by_hand('{"alg":"NONE"}', json.dumps(CLAIMS)),
    "with two algorithms": by_hand('{"alg":"HS256","alg":"none"}', json.dumps(CLAIMS), "AAAA"),
    "with two ends": by_hand('{"alg":"HS256"}', '{"exp":1,"exp":2}', "AAAA"),
    "signed by RSA": jwt.encode({"alg": "RS256"}, CLAIMS, RSAKey.generate_key(2048), algorithms=["RS256"]),
    "no JWT": "hello",
    "empty parts": "..",
    "with a tail": signed(CLAIMS) + ".more",
    "no base64": "ä.ö.ü",
    "too long": "a" * 9000,
}


@pytest.mark.parametrize("token", REFUSED.values(), ids=REFUSED.keys())
async def test_a_bad_token_is_refused(token: str) -> None:
    with pytest.raises(InvalidToken):
        await VERIFIER.claims(f"Bearer {token}")


@pytest.mark.parametrize("header", ["", "Bearer", "Bearer ", "Basic YTpi", signed(CLAIMS)])
async def test_only_a_bearer_header_is_read(header: str) -> None:
    with pytest.raises(InvalidToken):
        await VERIFIER.claims(header)


async def test_a_token_for_several_audiences_is_taken() -> None:
    assert await VERIFIER.claims(f"bearer {changed(aud=['others', 'codeai'])}")


def named(claims: dict[str, Any]) -> Caller:
    return caller_of(claims, texts_at(claims, "roles"), texts_at(claims, "permissions"), ROLES)


@pytest.mark.parametrize(
    ("roles", "permissions", "may", "may_not"),
    [
        (["viewer"], None, "configs:read", "configs:write"),
        (["viewer"], None, "health:read", "executions:inspect"),
        (["editor"], None, "executions:control", "roles:read"),
        (["editor"], None, "health:read", "secrets:use"),
        (["admin"], None, "secrets:use", None),
        ("admin", None, None, "configs:read"),
        (["admin", 1], None, None, "configs:read"),
        (["no such role"], None, None, "configs:read"),
        (None, ["configs:*"], "configs:write", "jobs:read"),
        (None, ["*:read"], "audit:read", "audit:write"),
        (None, ["*"], None, "audit:read"),
    ],
)
def test_roles_and_permissions_come_from_claims(
    roles: object, permissions: object, may: str | None, may_not: str | None
) -> None:
    caller = named(CLAIMS | {"roles": roles, "permissions": permissions})
    assert may is None or caller.may(may)
    assert may_not is None or not caller.may(may_not)


def test_an_editor_is_a_viewer_and_an_admin_is_everything() -> None:
    def caller(role: str) -> Caller:
        return named(CLAIMS | {"roles": [role]})

    assert caller("editor").holds("viewer")
    assert not caller("viewer").holds("editor")
    assert caller("admin").holds("whatever")
    assert caller("release-managers").holds("release-managers")


@pytest.mark.parametrize(
    ("path", "claims", "found"),
    [
        ("realm_access.roles", {"realm_access": {"roles": ["a"]}}, ["a"]),
        ("https://example.com/roles", {"https://example.com/roles": ["a"]}, ["a"]),
        ("a.b.c", {"a": {"b": {"c": ["x"]}}, "a.b.c": ["y"]}, ["y"]),
        ("a.b.c", {"a": {"b": ["c"]}}, []),
        ("a.b", {"a": "b"}, []),
        ("roles", {"roles": "admin"}, []),
        ("roles", {}, []),
    ],
)
def test_claims_are_found_by_their_path(path: str, claims: dict[str, Any], found: list[str]) -> None:
    assert texts_at(claims, path) == found
