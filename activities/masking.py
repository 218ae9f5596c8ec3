"""What of a secret must not be shown: its value, its lines, and how these look escaped or encoded."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterable
from urllib.parse import quote, quote_plus

from codeai.activities.shell.masks import KEY, Forms, Mask
from codeai.workflows.contracts.secrets import LEAST

_URL_SAFE = ("", "/", "!~*'()")  # what encoders leave as it is: all of Python's, curl's and JavaScript's
_HTML = str.maketrans({one: f"\\u{ord(one):04x}" for one in "<>&\u2028\u2029"})


class Masker:
    """Takes the forms of these secrets out of whole texts. Without secrets it leaves every text as it is."""

    def __init__(self, values: Iterable[str]) -> None:
        plain, wrapping = forms(values)
        self._forms = Forms(plain, wrapping) if plain else None

    def mask(self, text: str) -> str:
        """The text with `***` for every form."""
        if self._forms is None:
            return text
        shown = Mask(self._forms).feed(text.encode("utf-8", "surrogatepass"), last=True)
        return shown.decode("utf-8", "surrogatepass")


def forms(values: Iterable[str]) -> tuple[set[bytes], set[bytes]]:
    """How the secrets may look in an output, and how they look in base64, which is often wrapped."""
    plain: set[bytes] = set()
    wrapping: set[bytes] = set()
    for value in values:
        for text in _texts(value):
            plain.update(one.encode() for one in (text, *_escaped(text), *_in_urls(text)))
            wrapping.update(_in_base64(text.encode()))
    return plain, wrapping


def _texts(value: str) -> set[str]:
    """The value and each of its lines that is long enough to be told from others."""
    lines = (line.strip() for line in re.split(r"[\r\n]", value))
    return {value, *(line for line in lines if len(line.encode()) >= LEAST)}


def _escaped(text: str) -> Iterable[str]:
    for ascii_only in (True, False):
        escaped = json.dumps(text, ensure_ascii=ascii_only)[1:-1]
        yield from (escaped, escaped.replace("/", "\\/"), escaped.translate(_HTML))
    yield text.replace("'", "'\\''")  # as `set -x` shows it
    yield re.sub(r'(["$`\\])', r"\\\1", text)  # as `export -p` and `declare -p` do
    yield re.sub(r"""([ !"$&'()*,;<>?[\\\]^`{|}])""", r"\\\1", text)  # as `printf %q` does
    # As a list or a traceback has it: where both kinds of quotes are there, one is escaped.
    for in_python in (repr('"' + text)[2:-1], ascii('"' + text)[2:-1], repr(b'"' + text.encode())[3:-1]):
        yield from (in_python, in_python.replace("\\'", "'"))


def _in_urls(text: str) -> Iterable[str]:
    for encoded in (*(quote(text, safe) for safe in _URL_SAFE), quote_plus(text)):
        yield encoded
        yield re.sub("%[0-9A-F]{2}", lambda found: found[0].lower(), encoded)


def _in_base64(data: bytes) -> Iterable[bytes]:
    """At the three offsets, wherever the line that it begins on is wrapped."""
    for offset, skipped in ((0, 0), (1, 2), (2, 3)):
        encoded = base64.b64encode(bytes(offset) + data)[skipped:]
        whole = (offset + len(data)) * 8 // 6 - skipped  # characters that do not depend on what follows
        for form in {encoded[:whole], encoded.rstrip(b"="), encoded}:
            for at in range(KEY):
                yield form[at:]
                yield form[at:].translate(bytes.maketrans(b"+/", b"-_"))
