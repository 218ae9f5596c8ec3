"""`codeai lsp` as an editor speaks to it: the real process, the protocol's own messages."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from typing import Any

import pytest

from tests.platform import CODEAI

NUMBERS = count(1)
PROGRAM = """\
param service
var image = "registry/${service}"
exec(timeout: "1m") { docker push "$image" }
return image
"""


class Editor:
    """One end of the protocol, with a program of its own."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self.process = process
        self.uri = f"file:///work/{next(NUMBERS)}.cai"
        self.waiting: list[dict[str, Any]] = []

    def begins(self, **capabilities: Any) -> Any:
        """What the server says of itself."""
        answer = self.result("initialize", processId=None, rootUri=None, capabilities=capabilities)
        self.tell("initialized")
        return answer

    def send(self, message: dict[str, Any]) -> None:
        self.send_bytes(json.dumps({"jsonrpc": "2.0"} | message).encode())

    def send_bytes(self, body: bytes) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(b"Content-Length: %d\r\n\r\n" % len(body) + body)
        self.process.stdin.flush()

    def tell(self, method: str, **params: Any) -> None:
        self.send({"method": method, "params": params})

    def ask(self, method: str, **params: Any) -> Any:
        """The whole answer: a result or an error."""
        number = next(NUMBERS)
        self.send({"id": number, "method": method, "params": params})
        return self.until("id", number)

    def result(self, method: str, **params: Any) -> Any:
        answer = self.ask(method, **params)
        assert "result" in answer, answer
        return answer["result"]

    def at(self, method: str, line: int, character: int, **params: Any) -> Any:
        place = {"textDocument": {"uri": self.uri}, "position": {"line": line, "character": character}}
        return self.result(f"textDocument/{method}", **place, **params)

    def until(self, key: str, value: Any) -> Any:
        """The next message with this value; others that come before are kept."""
        for number, message in enumerate(self.waiting):
            if message.get(key) == value:
                return self.waiting.pop(number)
        while True:
            message = self.read()
            if message.get(key) == value:
                return message
            self.waiting.append(message)

    def read(self) -> Any:
        assert self.process.stdout is not None
        size = 0
        while line := self.process.stdout.readline().strip():
            name, _, value = line.partition(b": ")
            size = int(value) if name == b"Content-Length" else size
        assert size, "the server wrote something else than the protocol, or has ended"
        return json.loads(self.process.stdout.read(size))

    def opens(self, text: str) -> list[dict[str, Any]]:
        """What is wrong with a text that is opened."""
        item = {"uri": self.uri, "languageId": "cai", "version": 1, "text": text}
        self.tell("textDocument/didOpen", textDocument=item)
        return self.published(1)

    def changes(self, text: str, version: int) -> None:
        self.tell(
            "textDocument/didChange",
            textDocument={"uri": self.uri, "version": version},
            contentChanges=[{"text": text}],
        )

    def published(self, version: int | None) -> list[dict[str, Any]]:
        while True:
            params = self.until("method", "textDocument/publishDiagnostics")["params"]
            if params["uri"] == self.uri and params.get("version") == version:
                return list(params["diagnostics"])

    def leaves(self) -> int:
        self.ask("shutdown")
        self.tell("exit")
        return self.process.wait(30)


@contextmanager
def started() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(
        [CODEAI, "lsp", "--stdio"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        yield process
        process.kill()


@pytest.fixture(scope="module")
def shared() -> Iterator[subprocess.Popen[bytes]]:
    with started() as process:
        Editor(process).begins()
        yield process


@pytest.fixture
def editor(shared: subprocess.Popen[bytes]) -> Editor:
    """An editor with a server that other tests use, too."""
    return Editor(shared)


@pytest.fixture
def alone() -> Iterator[Editor]:
    """An editor with a server of its own, which knows nothing of it yet."""
    with started() as process:
        yield Editor(process)


def where(range: dict[str, Any]) -> tuple[int, int, int, int]:
    start, end = range["start"], range["end"]
    return start["line"], start["character"], end["line"], end["character"]


def test_the_server_says_what_it_can(alone: Editor) -> None:
    answer = alone.begins()
    can = answer["capabilities"]
    assert answer["serverInfo"]["name"] == "codeai"
    assert can["positionEncoding"] == "utf-16"
    assert can["textDocumentSync"]["change"] == 1
    assert can["completionProvider"]["triggerCharacters"] == [".", "$", "(", '"']
    for name in ("rename", "hover", "definition", "references", "documentSymbol", "documentFormatting"):
        assert can[f"{name}Provider"]


def test_what_is_wrong_is_shown_at_its_place_with_code_hint_and_page(editor: Editor) -> None:
    found = editor.opens('var region = "🚀" + regoin\nfunction f() { var unused = 1 }\n')
    assert [one["code"] for one in found] == ["unknown_name", "unused"]
    assert found[0]["message"] == 'unknown name "regoin"'
    assert where(found[0]["range"]) == (0, 20, 0, 26)  # the rocket has two UTF-16 units
    assert [one["severity"] for one in found] == [1, 2]
    assert found[1]["tags"] == [1]
    assert found[0]["source"] == "codeai"
    assert found[0]["codeDescription"]["href"].endswith("docs/reference/diagnostics.md#unknown_name")


def test_a_hint_stands_behind_the_message(editor: Editor) -> None:
    (found,) = editor.opens("exec(timeot: 1) { }")
    assert found["message"].endswith('has no option "timeot"; did you mean "timeout"?')


def test_a_change_is_checked_again_and_a_close_clears(editor: Editor) -> None:
    assert len(editor.opens("return nowhere")) == 1
    for version in range(2, 20):
        editor.changes(f"return {version}", version)
    editor.changes("return nowhere + nobody", 20)
    assert len(editor.published(20)) == 2
    editor.tell("textDocument/didClose", textDocument={"uri": editor.uri})
    assert editor.published(None) == []
    assert editor.at("hover", 0, 0) is None


def test_hover_definition_references(editor: Editor) -> None:
    editor.opens(PROGRAM)
    hovered = editor.at("hover", 3, 8)
    assert where(hovered["range"]) == (3, 7, 3, 12)
    assert hovered["contents"]["kind"] == "markdown"
    assert "variable, line 2" in hovered["contents"]["value"]
    defined = editor.at("definition", 2, 38)  # in the command
    assert defined["uri"] == editor.uri and where(defined["range"]) == (1, 4, 1, 9)
    found = editor.at("references", 3, 8, context={"includeDeclaration": False})
    assert [where(one["range"])[0] for one in found] == [2, 3]
    assert editor.at("definition", 0, 0) is None


def test_completion_replaces_what_is_typed(editor: Editor) -> None:
    editor.opens("exec(ti")
    found = editor.at("completion", 0, 7)
    items = {one["label"]: one for one in found["items"]}
    assert items["timeout:"]["textEdit"]["newText"] == "timeout: "
    assert where(items["timeout:"]["textEdit"]["range"]) == (0, 5, 0, 7)
    editor.changes('var v = exec { true }\nlog("🚀", v.', 2)
    found = editor.at("completion", 1, 12)
    assert [one["label"] for one in found["items"]][:2] == ["stdout", "stderr"]


def test_rename_changes_the_file_or_says_why_not(editor: Editor) -> None:
    editor.opens(PROGRAM)
    assert where(editor.at("prepareRename", 3, 8)) == (3, 7, 3, 12)
    edits = editor.at("rename", 3, 8, newName="target")["changes"][editor.uri]
    assert [where(one["range"])[:2] for one in edits] == [(1, 4), (2, 36), (3, 7)]
    refused = editor.ask(
        "textDocument/rename",
        textDocument={"uri": editor.uri},
        position={"line": 3, "character": 8},
        newName="while",
    )
    assert refused["error"]["message"] == '"while" is no name'


def test_outline_and_signature(editor: Editor) -> None:
    editor.opens("function f(a, b) { return a }\nvar x = split(1, ")
    function, _ = editor.result("textDocument/documentSymbol", textDocument={"uri": editor.uri})
    assert function["name"] == "f" and [one["name"] for one in function["children"]] == ["a", "b"]
    signature = editor.at("signatureHelp", 1, 17)
    assert signature["signatures"][0]["label"] == "split(s, sep = null)"
    assert signature["signatures"][0]["parameters"][1]["label"] == [9, 19]
    assert signature["activeParameter"] == 1


def formatted(editor: Editor) -> list[Any]:
    options = {"tabSize": 2, "insertSpaces": True}
    return list(editor.result("textDocument/formatting", textDocument={"uri": editor.uri}, options=options))


def test_formatting_is_that_of_fmt(editor: Editor) -> None:
    editor.opens("var   a=1\r\nreturn    a")
    (edit,) = formatted(editor)
    assert edit["newText"] == "var a = 1\nreturn a\n"
    assert where(edit["range"]) == (0, 0, 1, 11)
    editor.changes(edit["newText"].replace("\n", "\r\n"), 2)
    assert formatted(editor) == []
    editor.changes("return (", 3)
    assert formatted(editor) == []


def test_an_editor_that_counts_bytes_gets_bytes(alone: Editor) -> None:
    answer = alone.begins(general={"positionEncodings": ["utf-8"]})
    assert answer["capabilities"]["positionEncoding"] == "utf-8"
    (found,) = alone.opens('return "🚀" + nowhere')
    assert where(found["range"]) == (0, 16, 0, 23)


def test_bad_messages_are_survived(editor: Editor) -> None:
    editor.opens(PROGRAM)
    editor.send_bytes(b"{no json")
    editor.send_bytes(b"[]")
    editor.send_bytes(b'{"jsonrpc": "1.0", "id": "old", "method": "x"}')
    editor.send_bytes(b'"\xff"')
    editor.tell("textDocument/didChange", textDocument={"uri": "file:///other.cai", "version": 1})
    editor.tell("no/such/notification")
    editor.tell("$/cancelRequest", id=12345)
    assert editor.ask("no/such/method")["error"]["code"] == -32601
    assert editor.ask("textDocument/hover", textDocument=5)["error"]["code"] == -32602
    assert (
        editor.result("textDocument/hover", textDocument={"uri": "x:y"}, position={"line": 0, "character": 0})
        is None
    )
    for line, character in ((10**9, 10**9), (0, 10**9)):
        editor.at("hover", line, character)
        editor.at("completion", line, character)
    assert "line 2" in editor.at("hover", 3, 8)["contents"]["value"]


@pytest.mark.parametrize(
    "text", ["\ud800", "\0", "a" * (1 << 20) + "b", "", "\ufeffreturn nowhere", "\r\r\n"]
)
def test_a_text_that_is_no_program_has_its_diagnostics(editor: Editor, text: str) -> None:
    found = editor.opens(text)
    assert bool(found) == (text not in ("", "\r\r\n"))
    assert all(where(one["range"])[0] >= 0 for one in found)
    editor.at("hover", 0, 0)
    editor.at("completion", 0, 1)


def test_changes_of_a_large_program_that_are_overtaken_are_not_read(alone: Editor) -> None:
    alone.begins()
    large, small = Editor(alone.process), alone
    item = {"uri": large.uri, "languageId": "cai", "version": 1, "text": "var a = [\n" * 90_000}
    large.tell("textDocument/didOpen", textDocument=item)
    for version in range(2, 30):
        large.changes("x = (" * 100_000, version)
    assert len(small.opens("return nowhere")) == 1
    large.waiting = small.waiting
    read = [one["params"].get("version") for one in large.waiting if "params" in one]
    assert len(read) < 10
    assert read[-1:] == [29] or large.published(29)


def test_a_request_can_be_cancelled(editor: Editor) -> None:
    text = "".join(f"var a{number} = {number}\n" for number in range(20_000))
    item = {"uri": editor.uri, "languageId": "cai", "version": 1, "text": text}
    editor.tell("textDocument/didOpen", textDocument=item)
    place = {"textDocument": {"uri": editor.uri}, "position": {"line": 0, "character": 4}}
    editor.send({"id": "gone", "method": "textDocument/hover", "params": place})
    editor.tell("$/cancelRequest", id="gone")
    assert editor.until("id", "gone")["error"]["code"] == -32800
    assert "line 1" in editor.at("hover", 0, 4)["contents"]["value"]


def test_it_ends_with_zero_when_told_and_with_one_when_left(alone: Editor) -> None:
    alone.begins()
    assert alone.leaves() == 0
    assert alone.process.stderr is not None and alone.process.stderr.read() == b""


def test_a_request_after_the_leave_is_refused(alone: Editor) -> None:
    alone.begins()
    assert alone.ask("shutdown")["result"] is None
    place = {"textDocument": {"uri": "x:y"}, "position": {"line": 0, "character": 0}}
    assert alone.ask("textDocument/hover", **place)["error"]["code"] == -32600
    alone.tell("exit")
    assert alone.process.wait(30) == 0


def test_an_editor_that_is_gone_ends_it(alone: Editor) -> None:
    alone.begins()
    assert alone.process.stdin is not None
    alone.process.stdin.close()
    assert alone.process.wait(30) == 1


def test_other_commands_do_not_load_the_protocol() -> None:
    program = (
        "import sys; sys.argv = ['codeai', 'check', '-']; from codeai.cli.main import _run; _run(sys.argv[1:]);"
        "print([one for one in sys.modules if one.split('.')[0] in ('pygls', 'lsprotocol', 'cattrs')])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], input="return 1", text=True, capture_output=True, check=True
    )
    assert done.stdout == "[]\n"
