"""The API as the commands use it: one connection, repeated while it is safe, problems as one line."""

from __future__ import annotations

import http.client
import json
import time
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from codeai.cli.exits import Exit, Stop

TIME_LIMIT = 70.0
"""Seconds for one answer: the API's own limit is 60."""
REPEAT_FOR = 15.0
"""Seconds for which a request is repeated while the server or what is behind it is away."""
_AWAY = (ConnectionError, http.client.HTTPException, TimeoutError)


class StreamCut(Exception):
    """A stream broke off, or could not begin: it can be asked for again."""


class ProblemAnswer(Stop):
    """The API refused: its problem document."""

    def __init__(self, problem: Mapping[str, Any], status: int) -> None:
        self.problem = dict(problem)
        self.status = status
        self.problem_code = str(problem.get("code", ""))
        super().__init__(str(problem.get("detail") or f"the API answered {status}"))


@dataclass(frozen=True, slots=True)
class Event:
    """One server-sent event."""

    name: str
    data: dict[str, Any]
    id: str | None


@dataclass(frozen=True, slots=True)
class Answer:
    """`body` is decoded JSON, or None. `headers` are found whatever the case of their names (RFC 9110, 5.1)."""

    status: int
    headers: http.client.HTTPMessage
    body: Any


@dataclass(slots=True)
class Api:
    """A connection to the API at `url` (with or without a path) as who `token` names."""

    url: str
    token: str
    _connection: http.client.HTTPConnection | None = field(default=None, init=False)

    def get(self, path: str, **query: Any) -> Any:
        """The body of a GET."""
        return self.ask("GET", _with_query(path, query)).body

    def ask(
        self, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None
    ) -> Answer:
        """One request. It carries an Idempotency-Key, so it may be repeated while something is away.

        Raises ProblemAnswer, and Stop where nobody answers.
        """
        sent = dict(headers or {})
        if method != "GET":
            sent.setdefault("Idempotency-Key", str(uuid.uuid4()))
        data = None if body is None else json.dumps(body).encode()
        if data is not None:
            sent["Content-Type"] = "application/json"
        until = time.monotonic() + REPEAT_FOR
        refused = 0
        while True:
            try:
                response = self._send(method, path, data, sent)
                answer = Answer(response.status, response.headers, _decoded(response.read()))
            except ConnectionRefusedError:
                refused += 1
                self.close()
                # A server that restarts is back within a second; one that is not there is told of at once.
                if refused > 3:
                    raise self._nobody() from None
            except _AWAY as error:
                self.close()
                if time.monotonic() > until:
                    raise Stop(f"{self.url} does not answer: {error or type(error).__name__}") from None
            else:
                if not _goes_away(answer) or time.monotonic() > until:
                    return _accepted(answer)
            time.sleep(0.3)

    def change(
        self, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None
    ) -> Any:
        """Makes a change and waits until it holds; the body of the resource, or None."""
        answer = self.ask(method, path, body, headers)
        if answer.status != 202:
            return answer.body
        place = answer.headers["Location"]
        while True:
            operation = self.get(place)
            if operation["status"] == "failed":
                raise ProblemAnswer(operation["problem"], int(operation["problem"].get("status", 422)))
            if operation["status"] == "completed":
                return self.get(operation["resource"]) if operation.get("resource") else None
            time.sleep(0.5)

    def everything(self, path: str, limit: int | None = None, **query: Any) -> list[dict[str, Any]]:
        """The items of all pages of a list, at most `limit`."""
        return list(self.each(path, limit, **query))

    def each(self, path: str, limit: int | None = None, **query: Any) -> Iterator[dict[str, Any]]:
        """The same one by one, page by page as they are taken."""
        cursor = None
        while limit is None or limit > 0:
            wanted = 100 if limit is None else min(100, limit)
            try:
                page = self.get(path, limit=wanted, cursor=cursor, **query)
            except ProblemAnswer as refused:
                raise _with_caret(refused, query.get("filter")) from None
            yield from page["items"]
            limit = None if limit is None else limit - len(page["items"])
            cursor = page["next_cursor"]
            if cursor is None:
                break

    def query(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        """The answer to a query. Of an UPDATE that was only accepted nobody tells how many rows it changed."""
        try:
            answer = self.change("POST", "/query", dict(asked))
        except ProblemAnswer as refused:
            raise _with_caret(refused, str(asked["query"])) from None
        column = {"name": "updated", "type": "integer"}
        return answer or {"columns": [column], "rows": [[None]], "next_cursor": None}

    def events(self, path: str, last: str | None = None) -> Iterator[Event]:
        """The events of one stream until it ends. It has a connection of its own: what is asked meanwhile does not end
        it. Raises StreamCut where it breaks off, ProblemAnswer."""
        stream = Api(self.url, self.token)
        headers = {"Accept": "text/event-stream"} | ({"Last-Event-ID": last} if last else {})
        try:
            response = stream._send("GET", path, None, headers)
            if response.status != 200:
                _accepted(Answer(response.status, response.headers, _decoded(response.read())))
            name, data, id = "message", "", None
            while raw := response.readline():
                line = raw.decode("utf-8", "replace").rstrip("\r\n")
                key, _, value = line.partition(":")
                value = value.removeprefix(" ")
                if not line:
                    if data:
                        yield Event(name, json.loads(data), id)
                    name, data, id = "message", "", None
                elif key == "event":
                    name = value
                elif key == "data":
                    data += value
                elif key == "id":
                    id = value
        except (OSError, http.client.HTTPException) as error:
            raise StreamCut(str(error) or type(error).__name__) from error
        finally:
            stream.close()

    def lines(self, path: str, media_type: str, **query: Any) -> Iterator[str]:
        """The lines of a long answer as they come. Raises Stop where it breaks off."""
        self.close()
        try:
            response = self._send("GET", _with_query(path, query), None, {"Accept": media_type})
            if response.status != 200:
                _accepted(Answer(response.status, response.headers, _decoded(response.read())))
            # A broken chunk ends `readline` as an end would: only `read` says that something is missing.
            rest = b""
            while piece := response.read1(1 << 16):
                *whole, rest = (rest + piece).split(b"\n")
                yield from (line.decode("utf-8", "replace") for line in whole)
        except ProblemAnswer as refused:
            raise _with_caret(refused, query.get("filter")) from None
        except ConnectionRefusedError:
            raise self._nobody() from None
        except _AWAY as error:
            raise Stop(f"{self.url} broke off its answer: {error or type(error).__name__}") from None
        finally:
            self.close()

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _send(
        self, method: str, path: str, data: bytes | None, headers: Mapping[str, str]
    ) -> http.client.HTTPResponse:
        base = urlsplit(self.url)
        if self._connection is None:
            if base.scheme not in ("http", "https") or not base.hostname:
                raise Stop(f"{self.url!r} is no http or https URL")
            kind = http.client.HTTPSConnection if base.scheme == "https" else http.client.HTTPConnection
            self._connection = kind(base.hostname, base.port, timeout=TIME_LIMIT)
        sent = {"Authorization": f"Bearer {self.token}", "Accept": "application/json", **headers}
        try:
            self._connection.request(method, base.path.rstrip("/") + path, data, sent)
            return self._connection.getresponse()
        except (OSError, UnicodeEncodeError) as error:
            self.close()
            if isinstance(error, _AWAY):
                raise
            raise Stop(f"cannot reach {self.url}: {error}") from None

    def _nobody(self) -> Stop:
        return Stop(f"nothing answers at {self.url}; start it with: codeai up")


def connect(url: str | None = None) -> Api:
    """The API at `url`, at CODEAI_URL, or of this folder's platform. Raises Stop where nothing runs."""
    from codeai.stack.errors import StackError
    from codeai.stack.locate import locate

    try:
        server = locate(url)
    except StackError as error:
        raise Stop(str(error)) from None
    if server.token is None:
        raise Stop(f"no token for {server.url}; set CODEAI_TOKEN (codeai token create makes one)")
    return Api(server.url, server.token)


def segment(text: str) -> str:
    """An id or a name as one part of a path."""
    if not text:
        raise Stop("an id or a name must not be empty")
    return quote(text, safe="")


def _with_query(path: str, query: Mapping[str, Any]) -> str:
    given = {name: str(value) for name, value in query.items() if value is not None}
    return f"{path}?{urlencode(given)}" if given else path


def _with_caret(refused: ProblemAnswer, text: str | None) -> Stop:
    """What is wrong with the text of a query or filter, with the place in it."""
    if refused.problem_code != "invalid_query" or text is None:
        return refused
    from codeai.dsl.diagnostics import Diagnostic, Source, render_text

    found = [Diagnostic(**one) for one in refused.problem.get("diagnostics", ())]
    return Stop(render_text(found, Source(text), "query").rstrip("\n"), Exit.INVALID)


def _goes_away(answer: Answer) -> bool:
    """Whether the problem is one that a moment later is over: Postgres or Temporal restarts, or many commands of
    this user ask at once."""
    code = answer.body.get("code") if isinstance(answer.body, dict) else None
    return code in ("no_database", "no_temporal", "busy", "rate_limited")


def _accepted(answer: Answer) -> Answer:
    if answer.status < 400:
        return answer
    raise ProblemAnswer(answer.body if isinstance(answer.body, dict) else {}, answer.status)


def _decoded(data: bytes) -> Any:
    try:
        return json.loads(data) if data else None
    except ValueError:
        return None
