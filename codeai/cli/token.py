"""`codeai token`: tokens for the API, signed with this machine's secret."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from codeai.cli.commands import new
from codeai.cli.exits import Exit, Stop
from codeai.cli.options import AsOutput
from codeai.cli.terminal import Output, put_line

app = new("Tokens for the API.", no_args_is_help=True)

LONGEST = 90 * 86400
"""Seconds for which a token may be valid."""


@app.callback()
def token() -> None:
    """Tokens for the API."""


@app.command("create")
def create_token(
    role: Annotated[
        list[str], typer.Option("--role", help="viewer, editor, admin or one of yours; may be given again.")
    ],
    ttl: Annotated[str, typer.Option("--ttl", help="How long it is valid: 30m, 12h, 90d.")] = "12h",
    subject: Annotated[str | None, typer.Option("--subject", help="Whom it names; default: you.")] = None,
    output: AsOutput = Output.TABLE,
) -> None:
    """Prints a token.

    Example: codeai token create --role editor --ttl 30d
    """
    import getpass

    from codeai.settings import BadSettings, load
    from codeai.settings_values import duration
    from codeai.stack.locate import data_folder
    from codeai.stack.tokens import AUDIENCE, ISSUER, sign

    try:
        seconds = duration(ttl)
        jwt = load(os.environ).jwt
    except BadSettings as error:
        raise Stop(str(error)) from None
    except ValueError as error:
        raise Stop(f"--ttl {ttl!r} {error}", Exit.INVALID) from None
    if jwt.public_key or jwt.jwks_url:
        raise Stop(
            "this platform takes the tokens of its issuer only (JWT_PUBLIC_KEY, JWKS_URL), none signed with a secret"
        )
    if not 1 <= seconds <= LONGEST:
        raise Stop("--ttl is between 1s and 90d", Exit.INVALID)
    secret = jwt.secret
    if secret is None:
        folder = data_folder()
        file = folder.jwt_secret if folder else None
        try:
            secret = file.read_text().strip() if file else None
        except OSError as error:
            raise Stop(f"cannot read the secret that signs tokens: {error}") from None
    if not secret:
        raise Stop("no secret to sign with: set JWT_SECRET, or start a platform here with: codeai up")
    token = sign(
        secret,
        subject=subject or getpass.getuser(),
        roles=role,
        lifetime=seconds,
        issuer=jwt.issuer or ISSUER,
        audience=jwt.audience or AUDIENCE,
    )
    put_line(token, {"token": token}, output)
