"""A secret is masked in every form that it usually takes, however the output is cut into pieces."""

from __future__ import annotations

import base64
import json
import random
import re
import subprocess
import textwrap
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codeai.activities.masking import Masker, forms
from codeai.activities.shell.masks import KEY, Forms, Mask

SECRET = "S3cr3t+pack/value=1 & more's ü"
PEM = (
    "-----BEGIN KEY-----\n" + "\n".join(base64.b64encode(bytes((n,)) * 48).decode() for n in range(9)) + "\n"
)


@pytest.mark.parametrize(
    ("shown", "masked"),
    [
        (SECRET, "***"),
        (json.dumps({"token": SECRET}), '{"token": "***"}'),
        (json.dumps({"token": SECRET}, ensure_ascii=False), '{"token": "***"}'),
        (r'{"token":"S3cr3t+pack\/value=1 & more' + r"'s \u00fc" + '"}', '{"token":"***"}'),
        ("https://a/?t=" + quote(SECRET, safe=""), "https://a/?t=***"),
        ("https://a/?t=" + quote(SECRET), "https://a/?t=***"),
        ("https://a/?t=" + quote_plus(SECRET) + "&b", "https://a/?t=***&b"),
        ("t=S3cr3t%2bpack%2fvalue%3d1%20%26%20more%27s%20%c3%bc", "t=***"),
        (base64.b64encode(SECRET.encode()).decode(), "***"),
        (base64.urlsafe_b64encode(SECRET.encode()).decode().rstrip("="), "***"),
        (r"+ curl -u 'S3cr3t+pack/value=1 & more'\''s ü'", "+ curl -u '***'"),
        (f"{SECRET}{SECRET} S3cr3t+pack/value", "****** S3cr3t+pack/value"),
        ("nothing of it", "nothing of it"),
    ],
)
def test_what_people_see_of_a_secret(shown: str, masked: str) -> None:
    assert Masker([SECRET]).mask(shown) == masked


@pytest.mark.parametrize("before", ["", "u:", "usr", "user:", "a longer name with blanks:"])
@pytest.mark.parametrize("after", ["", "\n", "@host", " and so on " * 9])
@pytest.mark.parametrize("width", [20, 64, 76, 10_000])
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_base64_wherever_it_begins_and_is_wrapped(before: str, after: str, width: int, newline: str) -> None:
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        encoded = encode((before + SECRET + after).encode()).decode()
        wrapped = newline.join(textwrap.wrap(encoded, width))
        shown = "".join(Masker([SECRET]).mask(wrapped).split())
        bare = "".join(encode(SECRET.encode()).decode().rstrip("=")[2:-2])
        assert "***" in shown and not any(bare[at : at + 8] in shown for at in range(len(bare) - 8))
        assert len(shown) <= len(encoded) - len(bare) + 3


def test_every_long_line_of_a_secret_is_masked_by_itself() -> None:
    masker = Masker([PEM])
    assert masker.mask(PEM) == "***"
    lines = PEM.splitlines()
    assert masker.mask("\r\n".join(f"  {line}" for line in lines)) == "\r\n".join(["  ***"] * len(lines))
    assert Masker(["ab\ncd\nlong enough"]).mask("ab cd long enough") == "ab cd ***"


@pytest.mark.parametrize("value", [SECRET, 'a\ttab, it\'s "quoted" ü', "back\\slash\x01 it's"])
@pytest.mark.parametrize("before", ["", "Bearer ", '"', "'"])
def test_what_python_prints_of_a_value_is_masked(value: str, before: str) -> None:
    shown = Masker([value]).mask(repr([before + value, {"token": value}]))
    assert shown.count("***") == 2 and value[-6:] not in shown and value[:6] not in shown


@pytest.mark.parametrize(
    "value", [SECRET, "pa$$word`with` 'all' of \"them\" \\ [ü]{x}", "it's #1, ~/(a|b);c&d!e<f>?*^"]
)
def test_what_a_shell_prints_of_a_variable_is_masked(value: str) -> None:
    script = (
        'export -p; declare -p token; set; printf "%q\\n" "$token"; echo "${token@Q}"; set -x; : "$token"'
    )
    printed = subprocess.run(
        ["bash", "--noprofile", "--norc", "-c", script],
        env={"token": value, "LC_ALL": "C.UTF-8"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=True,
    ).stdout
    shown = [line for line in Masker([value]).mask(printed).splitlines() if "***" in line]
    assert len(shown) == 6, printed
    for line in shown:
        assert re.fullmatch(r"""(declare -x token=|token=|\+ : )?["']?\\?[#~]?\*\*\*["']?""", line), line


@pytest.mark.parametrize("value", ["schlüssel-à-côté", "ключ 'и' \"ещё\" \\"])
def test_what_python_prints_of_a_value_beyond_ascii_is_masked(value: str) -> None:
    shown = Masker([value]).mask(f"{value!a} {value.encode()!r} {[value]!r}")
    assert shown.count("***") == 3 and "\\" not in shown


def test_forms_that_overlap_are_masked_to_the_last_byte() -> None:
    assert Masker(["abcdefgh", "efghijkl"]).mask("-abcdefghijkl-") == "-***-"
    assert Masker(["abcabcab"]).mask("abcabcabcabcX") == "***cX"
    assert Masker(["abcdefgh", "abcdefghijkl"]).mask("abcdefghij abcdefghijkl") == "***ij ***"


def test_without_secrets_nothing_is_masked() -> None:
    assert Masker([]).mask("text \ud800") == "text \ud800"
    assert Masker(["12345678"]).mask("\ud800 12345678") == "\ud800 ***"


def test_no_more_is_held_back_than_could_begin_a_secret() -> None:
    mask = Mask(Forms(*forms([SECRET])))
    assert mask.feed(b"Password: ") == b"Password: "
    assert mask.feed(b"a line that ends like it: S3c") == b"a line that ends like it: "
    assert mask.feed(b"ond\n") == b"S3cond\n"
    assert mask.feed(SECRET.encode()) == b"***"
    assert mask.feed(SECRET.encode()[:9]) == b""
    assert mask.feed(b"", last=True) == SECRET.encode()[:9]


_VALUES = st.text(st.sampled_from("ab+/é\n %\"'9"), min_size=8, max_size=24) | st.text(
    st.characters(exclude_characters="*", exclude_categories=["Cs"]), min_size=8, max_size=40
)


@st.composite
def outputs(draw: st.DrawFn) -> tuple[list[str], bytes]:
    """Secrets, and an output with many of their forms, whole and in part, one upon the other."""
    values = [value for value in draw(st.lists(_VALUES, min_size=1, max_size=3)) if len(value.encode()) >= 8]
    values = values or ["12345678"]
    found = sorted(set().union(*forms(values)))
    piece = (
        st.sampled_from(found) | st.binary(max_size=6) | st.sampled_from([b"\n", b"\r\n", b" ", b"a", b"+"])
    )
    halves = st.builds(lambda form, at: form[: at % len(form)], st.sampled_from(found), st.integers(0, 99))
    wrapped = st.builds(
        lambda form, at: form[:at] + b"\n" + form[at:], st.sampled_from(found), st.integers(KEY, 60)
    )
    return values, b"".join(draw(st.lists(piece | halves | wrapped, max_size=12)))


@settings(max_examples=400)
@given(outputs(), st.randoms(use_true_random=False))
def test_however_it_is_cut_the_output_is_masked_alike_and_holds_no_secret(
    made: tuple[list[str], bytes], chance: random.Random
) -> None:
    values, output = made
    plain, wrapping = forms(values)
    index = Forms(plain, wrapping)
    whole = Mask(index).feed(output, last=True)
    assert not [form for form in plain | wrapping if len(form) >= KEY and form in whole]
    mask, shown, at = Mask(index), bytearray(), 0
    while at < len(output):
        size = chance.choice((1, 1, 2, 3, 7, 40))
        shown += mask.feed(output[at : at + size])
        at += size
    assert bytes(shown + mask.feed(b"", last=True)) == whole


@given(st.text(min_size=8, max_size=60), st.text(max_size=20))
def test_a_text_without_secrets_stays_as_it_is(value: str, text: str) -> None:
    value = value.encode("utf-8", "replace").decode()
    found = set().union(*forms([value]))
    data = text.encode("utf-8", "replace")
    unwrapped = data.replace(b"\r", b"").replace(b"\n", b"")
    if not any(form in data or form in unwrapped for form in found):
        assert Mask(Forms(*forms([value]))).feed(data, last=True) == data
