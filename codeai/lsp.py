"""The language server: programs in editors over the Language Server Protocol, on standard input and output.

Reading and checking run in a thread of their own, one after the other. A text that was changed meanwhile is given
up before it is read, so an answer waits at most for the one program that is being read.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from typing import Any, BinaryIO, TypeVar

from lsprotocol import types
from pygls.exceptions import JsonRpcException, JsonRpcInvalidRequest
from pygls.lsp.server import LanguageServer
from pygls.protocol import LanguageServerProtocol

from codeai.dsl.editor import definition, hover, references, symbols
from codeai.dsl.editor_calls import signature
from codeai.dsl.editor_completion import complete
from codeai.dsl.editor_positions import Unit
from codeai.dsl.editor_rename import Refused, rename
from codeai.dsl.format import format_source
from codeai.lsp_views import Reading, shown_signature

PAUSE = 0.2
"""Seconds without a change before a text is checked."""
TRIGGERS = [".", "$", "(", '"']

Answer = TypeVar("Answer")


@dataclass(slots=True, eq=False)
class _Text:
    """An open program at one version: its reading, and the task that publishes what is wrong with it."""

    text: str
    version: int | None
    reading: asyncio.Future[Reading] | None = None
    publishing: asyncio.Task[None] | None = None

    def give_up(self) -> None:
        for one in (self.reading, self.publishing):
            if one is not None:
                one.cancel()


class _Protocol(LanguageServerProtocol):
    """Answers requests whose parameters are wrong, and those after `shutdown`; pygls leaves their callers waiting."""

    def handle_message(self, message: Any) -> None:
        id = getattr(message, "id", None)
        if self._shutdown and id is not None and hasattr(message, "method"):
            error = JsonRpcInvalidRequest("the server is shut down").to_response_error()
            self._send_response(id, error=error)
        else:
            super().handle_message(message)

    def structure_message(self, data: dict[str, Any]) -> Any:
        try:
            return super().structure_message(data)
        except JsonRpcException as error:
            if "id" in data and "method" in data:
                self._send_response(data["id"], error=error.to_response_error())
            raise


class Server(LanguageServer):
    """Holds the open programs."""

    def __init__(self) -> None:
        super().__init__(
            "codeai",
            version("codeai"),
            types.TextDocumentSyncKind.Full,
            protocol_cls=_Protocol,
        )
        self.texts: dict[str, _Text] = {}
        self.was_shut_down = False
        self._worker = ThreadPoolExecutor(1, "read")

    def report_server_error(self, error: Exception, source: Any) -> None:  # noqa: ARG002 (as its base has it)
        """A message that cannot be obeyed is named in the editor's log, not in a window."""
        said = f"{type(error).__name__}: {error}"
        self.window_log_message(types.LogMessageParams(types.MessageType.Error, said))

    def opened(self, uri: str, text: str, number: int | None, pause: float) -> None:
        """A text is there, or another one in its place."""
        self.closed(uri)
        self.texts[uri] = one = _Text(text, number)
        one.publishing = asyncio.create_task(self._publish(uri, one, pause))

    def closed(self, uri: str) -> None:
        before = self.texts.pop(uri, None)
        if before is not None:
            before.give_up()

    async def _publish(self, uri: str, one: _Text, pause: float) -> None:
        await asyncio.sleep(pause)
        reading = await self._reading(one)
        found = await self._work(reading.diagnostics)
        self.text_document_publish_diagnostics(types.PublishDiagnosticsParams(uri, found, one.version))

    async def _reading(self, one: _Text) -> Reading:
        if one.reading is None:
            unit = Unit(self.workspace.position_encoding or Unit.UTF_16)
            one.reading = asyncio.ensure_future(self._work(partial(Reading.of, one.text, unit)))
        return await asyncio.shield(one.reading)

    async def _work(self, question: Callable[[], Answer]) -> Answer:
        return await asyncio.get_running_loop().run_in_executor(self._worker, question)

    async def ask(self, uri: str, question: Callable[[Reading], Answer]) -> Answer | None:
        """The answer to a question on an open program; None where it is not open."""
        one = self.texts.get(uri)
        if one is None:
            return None
        reading = await self._reading(one)
        return await self._work(partial(question, reading))


def serve(incoming: BinaryIO, outgoing: BinaryIO) -> bool:
    """Serves one editor until it leaves; whether it took its leave in order."""
    server = Server()
    for method, (answer, options) in _FEATURES.items():
        server.feature(method, options)(answer)
    server.start_io(incoming, outgoing)
    return server.was_shut_down


# Texts. The first parameter is named `ls` because pygls finds it by that.


def _did_open(ls: Server, params: types.DidOpenTextDocumentParams) -> None:
    document = params.text_document
    ls.opened(document.uri, document.text, document.version, pause=0)


def _did_change(ls: Server, params: types.DidChangeTextDocumentParams) -> None:
    document = params.text_document
    if document.uri in ls.texts and params.content_changes:
        ls.opened(document.uri, params.content_changes[-1].text, document.version, PAUSE)


def _did_close(ls: Server, params: types.DidCloseTextDocumentParams) -> None:
    uri = params.text_document.uri
    ls.closed(uri)
    ls.text_document_publish_diagnostics(types.PublishDiagnosticsParams(uri, []))


def _shutdown(ls: Server, _: None) -> None:
    ls.was_shut_down = True


# Questions


async def _hover(ls: Server, params: types.HoverParams) -> types.Hover | None:
    def answer(at: Reading) -> types.Hover | None:
        return at.hover(hover(at.document, at.offset(params.position)))

    return await ls.ask(params.text_document.uri, answer)


async def _complete(ls: Server, params: types.CompletionParams) -> types.CompletionList | None:
    def answer(at: Reading) -> types.CompletionList:
        return at.completions(complete(at.document, at.offset(params.position)), params.position)

    return await ls.ask(params.text_document.uri, answer)


async def _define(ls: Server, params: types.DefinitionParams) -> types.Location | None:
    uri = params.text_document.uri

    def answer(at: Reading) -> types.Location | None:
        name = definition(at.document, at.offset(params.position))
        return at.location(uri, (name.start, name.end)) if name else None

    return await ls.ask(uri, answer)


async def _refer(ls: Server, params: types.ReferenceParams) -> list[types.Location] | None:
    uri = params.text_document.uri
    first = 0 if params.context.include_declaration else 1

    def answer(at: Reading) -> list[types.Location]:
        return [
            at.location(uri, span) for span in references(at.document, at.offset(params.position))[first:]
        ]

    return await ls.ask(uri, answer)


async def _rename(ls: Server, params: types.RenameParams) -> types.WorkspaceEdit | None:
    uri = params.text_document.uri

    def answer(at: Reading) -> types.WorkspaceEdit:
        spans = rename(at.document, at.offset(params.position), params.new_name)
        edits = [types.TextEdit(at.range(*span), params.new_name) for span in spans]
        return types.WorkspaceEdit(changes={uri: edits})

    try:
        return await ls.ask(uri, answer)
    except Refused as refused:
        raise JsonRpcInvalidRequest(str(refused)) from None


async def _prepare_rename(ls: Server, params: types.PrepareRenameParams) -> types.Range | None:
    def answer(at: Reading) -> types.Range | None:
        offset = at.offset(params.position)
        for start, end in references(at.document, offset):
            if start <= offset <= end:
                return at.range(start, end)
        return None

    return await ls.ask(params.text_document.uri, answer)


async def _outline(ls: Server, params: types.DocumentSymbolParams) -> list[types.DocumentSymbol] | None:
    def answer(at: Reading) -> list[types.DocumentSymbol]:
        return [at.symbol(one) for one in symbols(at.document)]

    return await ls.ask(params.text_document.uri, answer)


async def _sign(ls: Server, params: types.SignatureHelpParams) -> types.SignatureHelp | None:
    def answer(at: Reading) -> types.SignatureHelp | None:
        call = signature(at.document, at.offset(params.position))
        return shown_signature(call) if call else None

    return await ls.ask(params.text_document.uri, answer)


async def _format(ls: Server, params: types.DocumentFormattingParams) -> list[types.TextEdit] | None:
    def answer(at: Reading) -> list[types.TextEdit]:
        text = at.document.text
        formatted = format_source(text).text
        return [] if formatted in (None, text) else [types.TextEdit(at.range(0, len(text)), formatted)]

    return await ls.ask(params.text_document.uri, answer)


_FEATURES: dict[str, tuple[Callable[..., Any], Any]] = {
    types.TEXT_DOCUMENT_DID_OPEN: (_did_open, None),
    types.TEXT_DOCUMENT_DID_CHANGE: (_did_change, None),
    types.TEXT_DOCUMENT_DID_CLOSE: (_did_close, None),
    types.SHUTDOWN: (_shutdown, None),
    types.TEXT_DOCUMENT_HOVER: (_hover, None),
    types.TEXT_DOCUMENT_COMPLETION: (_complete, types.CompletionOptions(trigger_characters=TRIGGERS)),
    types.TEXT_DOCUMENT_DEFINITION: (_define, None),
    types.TEXT_DOCUMENT_REFERENCES: (_refer, None),
    types.TEXT_DOCUMENT_RENAME: (_rename, types.RenameOptions(prepare_provider=True)),
    types.TEXT_DOCUMENT_PREPARE_RENAME: (_prepare_rename, None),
    types.TEXT_DOCUMENT_DOCUMENT_SYMBOL: (_outline, None),
    types.TEXT_DOCUMENT_SIGNATURE_HELP: (_sign, types.SignatureHelpOptions(trigger_characters=["(", ","])),
    types.TEXT_DOCUMENT_FORMATTING: (_format, None),
}
