"""How long it takes to know a caller by his token: signature, claims, roles. The promise is 100 µs.

`python -m tests.bench.bench_tokens` prints the best of several rounds, in microseconds of the processor: all of it is
computing.
"""

from __future__ import annotations

import asyncio
import json
import time

from joserfc import jwt
from joserfc.jwk import OctKey, RSAKey

from codeai.api.auth.caller import caller_of, texts_at
from codeai.api.auth.jwks import RemoteKeys
from codeai.api.auth.keys import Keys, public_key, shared_secret
from codeai.api.auth.tokens import Verifier
from codeai.workflows.contracts.permissions import ROLES

MOST = 100.0
"""Microseconds."""
ROUNDS, CHECKS = 5, 2000
SECRET = "a secret of this benchmark, long enough for HS256"


async def microseconds(keys: Keys, header: str) -> float:
    """One check, at its best: what a request pays before its route is asked."""
    verifier = Verifier(keys, "bench", "codeai")
    best = float("inf")
    for _ in range(ROUNDS):
        began = time.process_time()
        for _ in range(CHECKS):
            claims = await verifier.claims(header)
            caller = caller_of(claims, texts_at(claims, "roles"), texts_at(claims, "permissions"), ROLES)
            assert caller.may("configs:read")
        best = min(best, (time.process_time() - began) / CHECKS * 1e6)
    return best


async def measured() -> dict[str, float]:
    now = int(time.time())
    claims = {"iss": "bench", "aud": "codeai", "sub": "ann", "iat": now, "exp": now + 3600}
    claims |= {"jti": "one of many", "roles": ["editor"]}
    rsa = RSAKey.generate_key(2048)
    published = json.dumps({"keys": [rsa.as_dict(private=False) | {"kid": "one"}]}).encode()

    async def fetch() -> bytes:
        return published

    def header(algorithm: str, key: OctKey | RSAKey) -> str:
        head = {"alg": algorithm, "kid": "one"}
        return f"Bearer {jwt.encode(head, claims, key, algorithms=[algorithm])}"

    by_secret = header("HS256", OctKey.import_key(SECRET))
    by_issuer = header("RS256", rsa)
    return {
        "HS256, secret": await microseconds(shared_secret(SECRET), by_secret),
        "RS256, PEM": await microseconds(public_key(rsa.as_pem(private=False).decode()), by_issuer),
        "RS256, JWKS": await microseconds(RemoteKeys(fetch), by_issuer),
    }


def main() -> None:
    for name, taken in asyncio.run(measured()).items():
        print(f"{name:16} {taken:6.1f} µs of {MOST:.0f}{'' if taken < MOST else '   TOO SLOW'}")


if __name__ == "__main__":
    main()
