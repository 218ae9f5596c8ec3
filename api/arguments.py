"""What a route's signature asks for, taken from a request.

FastAPI reads the signatures, and describes them in the OpenAPI. Its solver finds out anew at every request what they
ask for, which takes longer than most answers; here that is a plan, made once. It knows what our routes use: functions
that are called in the event loop, with parameters of path, query, headers and body, or with the request itself."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from fastapi import Request, Response
from fastapi.dependencies.models import Dependant
from fastapi.dependencies.utils import request_body_to_args, request_params_to_args
from fastapi.exceptions import RequestValidationError
from pydantic_core import PydanticUndefined

Values = dict[str, Any]
Errors = list[Any]
Field = Any
"""A parameter as FastAPI has read it."""
NO_QUERY: Mapping[str, str] = {}
NO_BODY = PydanticUndefined
"""What FastAPI takes for a body that is not there."""


@dataclass(slots=True)
class Asked:
    """One request while its arguments are made, and the `status` of its answer."""

    request: Request
    status: int
    body: Any = NO_BODY
    errors: Errors = field(default_factory=list)
    known: dict[Callable[..., Any], Any] = field(default_factory=dict)
    """What dependencies have answered already."""
    left: Response | None = None
    """Where whoever asks for the response has left another status, and headers."""
    query: Mapping[str, str] = field(init=False)

    def __post_init__(self) -> None:
        self.query = self.request.query_params if self.request.scope["query_string"] else NO_QUERY

    def response(self) -> Response:
        """What is made into an answer when there is something to show."""
        if self.left is None:
            self.left = Response(status_code=self.status)
            del self.left.headers["content-length"]
        return self.left


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter of path, query or headers, which is one text."""

    name: str
    sent_as: str
    place: tuple[str, str]
    field: Field
    left_out: tuple[Values, Errors]
    """Its value where the request does not have it, which nobody may change, or what is wrong with that."""

    @classmethod
    def of(cls, kind: str, field: Field) -> Parameter:
        return cls(field.name, field.alias, (kind, field.alias), field, request_params_to_args([field], {}))

    def fill(self, values: Values, errors: Errors, received: Mapping[str, str]) -> None:
        """Adds its value, or what is wrong with it."""
        given = received.get(self.sent_as)
        if given is None:
            values.update(self.left_out[0])
            errors.extend(self.left_out[1])
            return
        value, wrong = self.field.validate(given, loc=self.place)
        if wrong:
            errors.extend(wrong)
        else:
            values[self.name] = value


@dataclass(frozen=True, slots=True)
class Arguments:
    """How the parameters of `call` are filled: `needs` are dependencies, by the names of what takes their answers."""

    call: Callable[..., Any]
    awaited: bool
    needs: tuple[tuple[str | None, Arguments], ...]
    path: tuple[Parameter, ...]
    query: tuple[Parameter, ...]
    headers: tuple[Parameter, ...]
    body: tuple[Field, ...]
    embedded: bool
    request_name: str | None
    response_name: str | None

    @classmethod
    def of(cls, signature: Dependant, *, embedded: bool = False) -> Arguments:
        """`embedded`: whether a body has its parameters as fields, rather than being the only one of them."""
        call = signature.call
        assert call is not None
        assert not signature.cookie_params, f"{call}: cookies are never read"
        return cls(
            call,
            inspect.iscoroutinefunction(call) or inspect.iscoroutinefunction(type(call).__call__),
            tuple((one.name, cls.of(one)) for one in signature.dependencies),
            tuple(Parameter.of("path", one) for one in signature.path_params),
            tuple(Parameter.of("query", one) for one in signature.query_params),
            tuple(Parameter.of("header", one) for one in signature.header_params),
            tuple(signature.body_params),
            embedded,
            signature.request_param_name,
            signature.response_param_name,
        )

    async def values(self, asked: Asked) -> Values:
        """What the function is called with; not whole where that adds to the errors of `asked`."""
        values: Values = {}
        for name, needed in self.needs:
            if needed.call not in asked.known:
                before = len(asked.errors)
                given = await needed.values(asked)
                if len(asked.errors) > before:
                    continue
                asked.known[needed.call] = await needed.called(given)
            if name is not None:
                values[name] = asked.known[needed.call]
        request = asked.request
        for one in self.path:
            one.fill(values, asked.errors, request.path_params)
        for one in self.query:
            one.fill(values, asked.errors, asked.query)
        for one in self.headers:
            one.fill(values, asked.errors, request.headers)
        if self.body:
            taken, errors = await request_body_to_args(
                body_fields=list(self.body), received_body=asked.body, embed_body_fields=self.embedded
            )
            values |= taken
            asked.errors += errors
        if self.request_name is not None:
            values[self.request_name] = request
        if self.response_name is not None:
            values[self.response_name] = asked.response()
        return values

    async def called(self, values: Values) -> Any:
        """What the function answers."""
        answer = self.call(**values)
        return await answer if self.awaited else answer

    async def answer(self, asked: Asked) -> Any:
        """What the function answers to a request. Raises RequestValidationError."""
        values = await self.values(asked)
        if asked.errors:
            raise RequestValidationError(asked.errors)
        return await self.called(values)
