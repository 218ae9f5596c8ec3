"""A program's bytes to its text: UTF-8, one line end, a size; what is wrong with them as diagnostics."""

from __future__ import annotations

import re

from codeai.dsl.diagnostics import Findings, Source

MOST_BYTES = 1 << 20
LINE_END = re.compile("(?<!\r)\r++\n")
_SURROGATE = re.compile("[\ud800-\udfff]")


def read_source(source: bytes | str) -> tuple[Findings, bool]:
    """The text (BOM dropped, CR LF as LF) with what is wrong in it; False where it is not to be read on."""
    text, size, wrong = _decoded(source)
    if size > MOST_BYTES:
        findings = Findings(Source(""))
        findings.add(
            "too_large",
            0,
            0,
            "move data out of the program, into files of its workspace",
            found=size,
            most=MOST_BYTES,
        )
        return findings, False
    text = LINE_END.sub("\n", text.removeprefix("\ufeff"))
    findings = Findings(Source(text))
    if wrong:
        at = text.find("\ufffd")
        findings.add("not_utf8", max(at, 0), max(at, 0) + 1, "save it as UTF-8", found=wrong)
        return findings, False
    nul = text.find("\0")
    if nul >= 0:
        findings.add("nul", nul, nul + 1)
        return findings, False
    return findings, True


def _decoded(source: bytes | str) -> tuple[str, int, str]:
    """The text, its size in bytes, and what is no UTF-8 in it (then the text ends with that)."""
    if isinstance(source, str):
        lone = _SURROGATE.search(source)
        if lone is None:
            return source, len(source.encode()), ""
        return source[: lone.start()] + "\ufffd", len(source), f"a lone surrogate U+{ord(lone[0]):04X}"
    if len(source) > MOST_BYTES:
        return "", len(source), ""
    try:
        return source.decode("utf-8"), len(source), ""
    except UnicodeDecodeError as error:
        before = source[: error.start].decode("utf-8")
        return before + "\ufffd", len(source), f"the byte 0x{source[error.start]:02X}"
