"""Routes: the permission first, then the body, the arguments, and the answer as JSON."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fastapi import Response
from fastapi.routing import APIRoute
from starlette.routing import Match
from starlette.types import Receive, Scope, Send

from codeai.api.arguments import Arguments, Asked
from codeai.api.bodies import StrictRequest
from codeai.api.dependencies import Gate, Parts
from codeai.api.views import Listing
from codeai.log_context import bind


class Route(APIRoute):
    """A route that checks the permission before it reads the body, and reads the body strictly. FastAPI describes it;
    what it serves, it serves by itself. Its operation is named as its function."""

    def __init__(self, path: str, endpoint: Callable[..., Any], **more: Any) -> None:
        super().__init__(path, endpoint, **more | {"generate_unique_id_function": _name})
        needed = [one.call for one in self.dependant.dependencies]
        self._gates = [one for one in needed if isinstance(one, Gate)]
        self._arguments = Arguments.of(self.dependant, embedded=self._embed_body_fields)
        self._begins = self.path.partition("{")[0]
        self._resource = self.path.split("/")[1]
        self.app = self._serve

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """As Starlette says; what does not even begin like it, which most do not, is seen at once."""
        if not scope["path"].startswith(self._begins):
            return Match.NONE, {}
        return super().matches(scope)

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Says on every log line which operation it is, on what, and counts it while it goes on."""
        bind(operation=self.name)
        if entity := "/".join(scope["path_params"].values()):
            bind(entity=f"{self._resource}/{entity}")
        parts: Parts = scope["app"].state.parts
        with parts.observing.metrics.request_active(scope["method"], self.path):
            await super().handle(scope, receive, send)

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = StrictRequest(scope, receive)
        asked = Asked(request, self.status_code or 200)
        for gate in self._gates:
            asked.known[gate] = await gate(request)
        if self.body_field is not None:
            body = await request.json()
            if await request.body():
                asked.body = body
        answer = await self._arguments.answer(asked)
        response = answer if isinstance(answer, Response) else await self._shown(answer, asked)
        await response(scope, receive, send)

    async def _shown(self, view: Any, asked: Asked) -> Response:
        """The view as JSON, with the status and the headers that were left for it."""
        assert self.response_field is not None, f"{self.name} answers with nothing that can be shown"
        is_list = isinstance(view, Listing)
        text = await view.as_text() if is_list else self.response_field.serialize_json(view)
        shown = Response(text, asked.status, media_type="application/json")
        if (left := asked.left) is not None:
            shown.status_code = left.status_code
            shown.headers.raw.extend(left.headers.raw)
        return shown


def _name(route: APIRoute) -> str:
    return route.name
