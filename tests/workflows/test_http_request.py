"""A program's `http` as its activity is asked for it: secrets stay handles, and nobody is shown one."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from codeai.dsl.check import check
from codeai.dsl.faults import Fault
from codeai.dsl.requests import Request, effect_arguments
from codeai.dsl.values import ExecValue, SecretHandle, from_plain
from codeai.workflows.contracts.http import HttpInput
from codeai.workflows.contracts.steps import SecretText, StepBegun
from codeai.workflows.effects.http_request import http_input, url_shown
from tests.tree import ROOT

TOKEN = SecretHandle((("secret", "token"),))
SIGNED = SecretHandle((("text", "v1 "), ("secret", "token")))
BEARER = SecretHandle((("text", 'Bearer "'), ("secret", "token"), ("text", "\n")))


def asked(method: str = "GET", url: Any = "https://a.test/x", **more: Any) -> HttpInput:
    given = {name: from_plain(value) for name, value in {"method": method, "url": url, **more}.items()}
    request = Request(4, "http", 7, 1, effect_arguments("http", given))

    def begun(line: str, arguments: dict[str, Any]) -> StepBegun:
        return StepBegun(
            step_id="s", seq=4, kind="http", line=7, command=line, arguments=arguments, started_at=0.0
        )

    return http_input(request, begun, execution_id="e", use_secrets=True)


def refusal(**more: Any) -> tuple[str, str]:
    with pytest.raises(Fault) as caught:
        asked(**more)
    return caught.value.kind, caught.value.message


def text(*parts: tuple[str, str]) -> SecretText:
    return SecretText.model_validate({"parts": parts})


def test_what_is_not_given_has_its_default() -> None:
    made = asked()
    assert (made.method, made.url, made.headers, made.body) == ("GET", "https://a.test/x", {}, None)
    assert (made.timeout, made.retry, made.check) == (30.0, None, True)
    assert made.step.command == "GET https://a.test/x"


@pytest.mark.parametrize(
    ("body", "sent", "is_json"),
    [
        (None, None, False),
        ("text", "text", False),
        (ExecValue(stdout="said"), "said", False),
        (TOKEN, text(("secret", "token")), False),
        ({"a": [1, 2.0, True, None, "\u00fc"]}, '{"a":[1,2.0,true,null,"\u00fc"]}', True),
        ([ExecValue(stdout="said")], '["said"]', True),
        (5, "5", True),
        (False, "false", True),
        ([TOKEN], text(("text", '["'), ("secret_in_json", "token"), ("text", '"]')), True),
        (
            {"a": BEARER, "b": ["\\u00000\\u0000", TOKEN]},
            text(
                ("text", '{"a":"Bearer \\"'),
                ("secret_in_json", "token"),
                ("text", '\\n","b":["\\\\u00000\\\\u0000","'),
                ("secret_in_json", "token"),
                ("text", '"]}'),
            ),
            True,
        ),
    ],
)
def test_a_body_is_text_or_becomes_json(body: Any, sent: str | SecretText | None, is_json: bool) -> None:
    made = asked("POST", body=body)
    found = made.body
    if isinstance(found, SecretText):  # what stands beside each other is one text
        joined: list[tuple[str, str]] = []
        for kind, part in found.parts:
            if kind == "text" and joined and joined[-1][0] == "text":
                joined[-1] = ("text", joined[-1][1] + part)
            else:
                joined.append((kind, part))
        found = text(*joined)
    assert found == sent
    assert made.headers == ({"content-type": "application/json"} if is_json else {})


def test_a_content_type_that_is_given_stays() -> None:
    made = asked("PATCH", body={}, headers={"Content-Type": "application/merge-patch+json"})
    assert made.headers == {"content-type": "application/merge-patch+json"}


def test_headers_are_texts_by_lower_case_names() -> None:
    made = asked(headers={"X-A": "1", "x-n": 2, "X-F": 1.5, "X-B": True, "X-No": None, "X-S": TOKEN})
    assert made.headers == {
        "x-a": "1",
        "x-n": "2",
        "x-f": "1.5",
        "x-b": "true",
        "x-s": text(("secret", "token")),
    }


@pytest.mark.parametrize(
    ("given", "kind", "words"),
    [
        ({"url": 5}, "type_error", "url takes a string, not an integer"),
        ({"url": None}, "type_error", "url takes a string, not null"),
        ({"headers": {"X": ["a"]}}, "type_error", '"X" in headers takes a string, not an array'),
        ({"headers": {"a b": "x"}}, "value_error", "no name of a header"),
        ({"headers": {"": "x"}}, "value_error", "no name of a header"),
        ({"headers": {"X": "a\r\nHost: b"}}, "value_error", "line end or control character"),
        ({"headers": {"X": SecretHandle((("text", "a\nb"), ("secret", "t")))}}, "value_error", "line end"),
        ({"headers": {"Host": "b"}}, "value_error", "set by the platform"),
        ({"headers": {"Content-Length": "5"}}, "value_error", "set by the platform"),
        ({"headers": {"Transfer-Encoding": "chunked"}}, "value_error", "set by the platform"),
        ({"headers": {"X": "1", "x": "2"}}, "value_error", "given twice"),
        ({"method": "BREW"}, "value_error", "method is one of GET, HEAD"),
        ({"retry": -1}, "value_error", "not negative"),
        ({"timeout": "soon"}, "value_error", "timeout"),
    ],
)
def test_what_cannot_be_sent_is_an_error_of_the_program(given: dict[str, Any], kind: str, words: str) -> None:
    found, message = refusal(**given)
    assert found == kind and words in message


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://a.test/x?key=1#y", "https://a.test/x"),
        ("https://a.test#y?z", "https://a.test"),
        ("https://user:pw@a.test/x", "https://a.test/x"),
        (
            text(("text", "https://a.test/"), ("secret", "t"), ("text", "/x?k="), ("secret", "u")),
            "https://a.test/***/x",
        ),
        (
            text(
                ("secret", "t"),
            ),
            "***",
        ),
    ],
)
def test_a_url_is_shown_without_query_login_and_secret(url: str | SecretText, shown: str) -> None:
    assert url_shown(url) == shown


def test_a_steps_row_shows_no_secret() -> None:
    made = asked(
        "POST",
        SecretHandle((("text", "https://a.test/?k="), ("secret", "token"))),
        headers={"Authorization": "Basic cXVpZXQ=", "X-Api-Key": "quiet", "X-S": SIGNED, "Accept": "a/b"},
        body={"t": BEARER, "long": "x" * 5000},
    )
    seen = made.step.arguments
    assert made.step.command == "POST https://a.test/"
    assert seen["headers"] == {
        "authorization": "***",
        "x-api-key": "***",
        "x-s": "v1 ***",
        "accept": "a/b",
        "content-type": "application/json",
    }
    assert seen["body"].startswith('{"t":"***"') and len(seen["body"]) == 500
    assert "quiet" not in json.dumps(seen) and "cXVpZXQ" not in json.dumps(seen)


@pytest.mark.parametrize(
    ("program", "code"),
    [
        ('http("get", "https://a.test")', "bad_option"),
        ('http("GET", "https://a.test", retries: 1)', "unknown_option"),
        ('http("GET", "https://a.test", retry: -1)', "bad_option"),
        ('http("GET", "https://a.test", headers: 5)', "bad_option"),
        ('http("GET")', "wrong_arguments"),
    ],
)
def test_what_is_wrong_in_the_text_is_found_before_the_start(program: str, code: str) -> None:
    assert [one.code for one in check(program).diagnostics] == [code]


def test_the_programs_of_the_documentation_are_right() -> None:
    page = (ROOT / "docs" / "requests.md").read_text(encoding="utf-8")
    programs = re.findall(r"```cai\n(.*?)```", page, re.DOTALL)
    assert programs
    assert [one for program in programs for one in check(program).diagnostics] == []
