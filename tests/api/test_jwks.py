"""Keys from a JWKS URL: real keys on a real server, rotated and taken away under way."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import ECKey, OctKey, RSAKey

from codeai.api.auth.jwks import COOL_DOWN, FRESH, RemoteKeys, Unread, fetched_by, keys_in
from codeai.api.auth.keys import InvalidToken, KeysAway
from codeai.integration.client import outbound_client
from codeai.settings import JwtSettings, OutboundSettings
from codeai.stack.postgres import free_port
from codeai.targets import Target
from tests.activities.sites import Asked, Site, answer, site
from tests.api.conftest import AUDIENCE, ISSUER, Served, serving
from tests.api.test_edge import problem

KEYS = {name: RSAKey.generate_key(2048) for name in ("one", "two")}


def member(name: str, **more: Any) -> dict[str, Any]:
    return dict(KEYS[name].as_dict(private=False)) | {"kid": name} | more


@dataclass
class Issuer:
    """Publishes keys; answers with `status`."""

    keys: list[dict[str, Any]] = field(default_factory=lambda: [member("one")])
    status: int = 200
    pause: float = 0.0
    held: asyncio.Event | None = None

    async def reply(self, _number: int, _asked: Asked) -> bytes:
        await asyncio.sleep(self.pause)
        if self.held is not None:
            await self.held.wait()
        return answer(self.status, json.dumps({"keys": self.keys}))


@dataclass
class Known:
    """Keys that are kept, by a clock that only a test moves."""

    issuer: Issuer
    site: Site
    keys: RemoteKeys = field(init=False)
    time: float = 0.0

    async def has(self, key_id: object) -> bool:
        try:
            return await self.keys.key(key_id) is not None
        except InvalidToken:
            return False


@contextlib.asynccontextmanager
async def known() -> AsyncIterator[Known]:
    issuer = Issuer()
    async with site(issuer.reply) as made:
        allow = (Target.read(f"127.0.0.1:{made.port}"),)
        async with outbound_client(OutboundSettings(allow=allow)) as client:
            kept = Known(issuer, made)
            kept.keys = RemoteKeys(fetched_by(client, f"{made.origin}/keys"), clock=lambda: kept.time)
            yield kept


async def test_many_requests_ask_once() -> None:
    async with known() as kept:
        kept.issuer.pause = 0.05
        assert all(await asyncio.gather(*(kept.has("one") for _ in range(50))))
        assert len(kept.site.asked) == 1


async def test_a_set_is_asked_for_again_when_it_is_old() -> None:
    async with known() as kept:
        assert await kept.has("one")
        kept.issuer.keys = [member("two")]
        kept.time = FRESH - 1
        assert await kept.has("one") and len(kept.site.asked) == 1
        kept.time = FRESH
        assert not await kept.has("one")
        assert await kept.has("two")


async def test_a_new_key_is_found_at_once_and_made_up_ones_do_not_make_us_ask() -> None:
    async with known() as kept:
        assert await kept.has("one")
        kept.issuer.keys = [member("one"), member("two")]
        assert await kept.has("two") and len(kept.site.asked) == 2
        for number in range(20):
            assert not await kept.has(f"made up {number}")
        assert len(kept.site.asked) == 2
        kept.time += COOL_DOWN
        assert not await kept.has("made up")
        assert len(kept.site.asked) == 3


async def test_keys_are_kept_while_the_url_does_not_answer() -> None:
    async with known() as kept:
        assert await kept.has("one")
        kept.issuer.status = 500
        kept.time += 10 * FRESH
        for _ in range(5):
            assert await kept.has("one")
        assert len(kept.site.asked) == 2
        kept.issuer.status = 200
        kept.issuer.keys = [member("two")]
        kept.time += COOL_DOWN
        assert await kept.has("two") and not await kept.has("one")


async def test_a_slow_url_holds_up_nobody_whose_key_is_known() -> None:
    async with known() as kept:
        assert await kept.has("one")
        kept.issuer.keys, kept.issuer.held = [member("two")], asyncio.Event()
        kept.time += FRESH
        assert await kept.has("one")  # while the URL has not answered yet: else it would be gone
        kept.issuer.held.set()
        assert await kept.has("two") and not await kept.has("one")
        assert len(kept.site.asked) == 2


async def test_without_any_set_no_token_is_judged() -> None:
    async with known() as kept:
        kept.issuer.status = 503
        with pytest.raises(KeysAway):
            await kept.has("one")
        kept.issuer.status = 200
        kept.time += 1
        assert await kept.has("one")


async def test_a_token_without_kid_means_the_only_key() -> None:
    async with known() as kept:
        assert await kept.has(None) and not await kept.has(7)
        kept.issuer.keys = [member("one"), member("two")]
        kept.time += FRESH
        assert not await kept.has(None)


@pytest.mark.parametrize(
    "jwk",
    [
        member("one", use="enc"),
        member("one", key_ops=["encrypt"]),
        member("one", alg="HS256"),
        member("one", alg="PS256"),
        member("one", kid=7),
        {"kty": "RSA", "kid": "one", "n": "AQAB"},
        {"kty": "RSA", "kid": "one", "n": 1, "e": "AQAB"},
        OctKey.generate_key(256).as_dict() | {"kid": "one"},
        ECKey.generate_key("P-256").as_dict(private=False) | {"kid": "one"},
        {"kty": "RSA", "kid": "one", "n": "wRdRKzZ_aNs", "e": "AQAB"},
        "text",
    ],
)
def test_what_is_no_key_of_ours_is_left_out(jwk: Any) -> None:
    found = keys_in(json.dumps({"keys": [jwk, member("two", use="sig", alg="RS384")]}).encode())
    assert {name: key.algorithms for name, key in found.items()} == {"two": ("RS384",)}


def test_of_a_private_key_only_the_public_half_is_taken() -> None:
    published = KEYS["one"].as_dict(private=True) | {"kid": "one"}
    (key,) = keys_in(json.dumps({"keys": [published]}).encode()).values()
    assert not key.key.is_private


async def test_a_redirect_leads_to_no_other_keys() -> None:
    async def elsewhere(number: int, _asked: Asked) -> bytes:
        if number == 1:
            return answer(302, location="/other")
        return answer(200, json.dumps({"keys": [member("one")]}))

    async with site(elsewhere) as made:
        allow = (Target.read(f"127.0.0.1:{made.port}"),)
        async with outbound_client(OutboundSettings(allow=allow)) as client:
            with pytest.raises(Unread, match="302"):
                await fetched_by(client, f"{made.origin}/keys")()
        assert len(made.asked) == 1


def test_a_set_of_countless_keys_is_not_looked_at() -> None:
    with pytest.raises(Unread, match="100 keys"):
        keys_in(json.dumps({"keys": [member("one")] * 101}).encode())


@pytest.mark.parametrize("text", ["", "[]", '{"keys": {}}', '{"keys": [], "keys": []}', "<html>"])
def test_what_is_no_set_is_not_read(text: str) -> None:
    with pytest.raises(Unread):
        keys_in(text.encode())


def bearer(name: str, algorithm: str = "RS256", **header: Any) -> dict[str, str]:
    now = int(time.time())
    access = {"access": {"roles": ["viewer"]}}
    claims = {"iss": ISSUER, "aud": AUDIENCE, "sub": "eve", "iat": now, "exp": now + 600} | access
    head = {"alg": algorithm, "kid": name} | header
    return {"Authorization": f"Bearer {jwt.encode(head, claims, KEYS[name], algorithms=[algorithm])}"}


async def test_an_api_takes_the_tokens_of_its_issuer_and_follows_a_rotation(served: Served) -> None:
    issuer = Issuer(status=503)
    async with site(issuer.reply) as made:
        settings = replace(
            served.settings,
            server=replace(served.settings.server, port=free_port()),
            jwt=JwtSettings(
                jwks_url=f"{made.origin}/keys", issuer=ISSUER, audience=AUDIENCE, roles_claim="access.roles"
            ),
        )
        here = replace(served, url=f"http://127.0.0.1:{settings.server.port}")
        async with serving(settings), here.client() as client:
            away = problem(await client.get("/me", headers=bearer("one")), "no_keys")
            assert "JWKS_URL" in away["detail"]
            issuer.status = 200
            while (me := await client.get("/me", headers=bearer("one"))).status_code == 503:
                await asyncio.sleep(0.1)
            assert me.json()["roles"] == ["viewer"]
            problem(await client.get("/me", headers=bearer("two")), "unauthenticated")
            problem(await client.get("/me", headers=served_by_secret(served)), "unauthenticated")
            elsewhere = bearer("two", kid="one", jku=f"{made.origin}/others")
            problem(await client.get("/me", headers=elsewhere), "unauthenticated")
            assert all(asked.target == "/keys" for asked in made.asked)
        async with serving(settings), here.client() as client:
            assert (await client.get("/me", headers=bearer("one"))).status_code == 200
            issuer.keys = [member("two")]
            assert (await client.get("/me", headers=bearer("two"))).status_code == 200
            problem(await client.get("/me", headers=bearer("one")), "unauthenticated")


def served_by_secret(served: Served) -> dict[str, str]:
    return {"Authorization": dict(served.client("admin").headers)["authorization"]}
