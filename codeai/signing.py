"""Signing a decision: by the API alone, so that a run can tell one that came by the API from one that says so."""

from __future__ import annotations

import base64
import binascii
import json
import time
from collections.abc import Iterable

from nacl.exceptions import BadSignatureError
from nacl.signing import SigningKey, VerifyKey

from codeai.sealing import read_key
from codeai.workflows.contracts.commands import DecideInput


def signed(private: str, execution_id: str, decision: DecideInput, *, approved: bool) -> DecideInput:
    """The decision with the time and an Ed25519 signature over all that it is: for this approval of this run, by this
    person, with this comment. ValueError where the key is none."""
    timed = decision.model_copy(update={"signed_at": int(time.time())})
    made = SigningKey(read_key(private)).sign(_said(execution_id, timed, approved)).signature
    return timed.model_copy(update={"signature": base64.b64encode(made).decode()})


def is_signed(public: Iterable[str], execution_id: str, decision: DecideInput, *, approved: bool) -> bool:
    """Whether the holder of a private key that belongs to one of these has signed just that."""
    try:
        made = base64.b64decode(decision.signature or "", validate=True)
    except (binascii.Error, ValueError):
        return False
    said = _said(execution_id, decision, approved)
    return any(_fits(VerifyKey(read_key(key)), said, made) for key in public)


def public_of(private: str) -> str:
    """The key that shows what a private one has signed."""
    return base64.b64encode(bytes(SigningKey(read_key(private)).verify_key)).decode()


def _fits(key: VerifyKey, said: bytes, made: bytes) -> bool:
    try:
        key.verify(said, made)
    except (BadSignatureError, ValueError):
        return False
    return True


def _said(execution_id: str, decision: DecideInput, approved: bool) -> bytes:
    parts = (execution_id, decision.step, approved, decision.by, decision.comment, decision.signed_at)
    return json.dumps(["codeai decision v1", *parts]).encode()
