"""Errors as the API answers them: ``{"error": sentence, "code": word}``, never with credentials."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection
from starlette.websockets import WebSocket

from engines import EngineError
from pipeline.errors import PipelineError, SinkError, redact
from pipeline.store.language import UnknownWordsError
from pipeline.web.accounts import ConflictError, NoSuchError

log = logging.getLogger("threadline.web")


class Mistake(BaseModel):
    """How every error is answered."""

    error: str
    code: str
    where: str | None = None
    unknown: list[dict[str, Any]] | None = None


#: Status -> when it is answered; any route may.
_WHEN = (
    (400, "No such request."),
    (401, "Nobody is logged in, or the login is wrong."),
    (403, "Whoever asks may not, or a page of another site asks."),
    (404, "Nothing is there, or not for whoever asks."),
    (405, "Not with this method."),
    (409, "Something else stands against it."),
    (413, "Larger than is taken."),
    (422, "What is asked cannot be; the sentence names the remedy."),
    (429, "Too many tries; wait."),
    (503, "The store, the disk or the service cannot be used now."),
)
#: As the description of the API tells them.
ANSWERS: Mapping[int | str, dict[str, Any]] = MappingProxyType(
    {status: {"model": Mistake, "description": text} for status, text in _WHEN}
)


class RefusedError(Exception):
    """A request that is answered with an error on purpose."""

    def __init__(self, status: int, code: str, text: str, **more: Any) -> None:
        super().__init__(text)
        self.status = status
        self.code = code
        self.more = more


def missing(text: str = "nothing is here") -> RefusedError:
    """What is asked for is not there, or not for whoever asks."""
    return RefusedError(404, "missing", text)


def answer(status: int, code: str, text: str, **more: Any) -> JSONResponse:
    """An error as it is answered."""
    after = more.pop("retry_s", None)
    headers = {} if after is None else {"Retry-After": str(max(round(after), 1))}
    return JSONResponse({"error": redact(text), "code": code, **more}, status, headers)


def explained(error: Exception) -> JSONResponse:
    """The answer to an error that is known."""
    text = str(error)
    if isinstance(error, RefusedError):
        return answer(error.status, error.code, text, **error.more)
    if isinstance(error, UnknownWordsError):
        words = [{"word": word, "near": list(near)} for word, near in error.words.items()]
        return answer(422, "unknown", text.partition("; see")[0], unknown=words)
    if isinstance(error, NoSuchError):
        return answer(404, "missing", text)
    if isinstance(error, ConflictError):
        return answer(409, "conflict", text)
    if isinstance(error, SinkError):
        return answer(503, "away", text)
    return answer(422, "invalid", text)


#: Status of the server's own errors -> their code.
CODES = MappingProxyType({404: "missing", 405: "method", 413: "large"})


def install(app: FastAPI) -> None:
    """Have an app answer errors so."""

    @app.exception_handler(RefusedError)
    @app.exception_handler(PipelineError)
    @app.exception_handler(EngineError)
    async def known(connection: HTTPConnection, error: Exception) -> JSONResponse:
        if isinstance(connection, WebSocket):
            await connection.send_denial_response(explained(error))
        return explained(error)

    @app.exception_handler(RequestValidationError)
    async def malformed(request: Request, error: RequestValidationError) -> JSONResponse:
        first = error.errors()[0]  # its input is not repeated: it may hold a password
        where = ".".join(str(part) for part in first["loc"] if part not in ("body", "query"))
        text = str(first["msg"]).removeprefix("Value error, ")
        return answer(422, "invalid", f"{where}: {text}", where=where)

    @app.exception_handler(HTTPException)
    async def other(request: Request, error: HTTPException) -> JSONResponse:
        code = CODES.get(error.status_code, "bad")
        return answer(error.status_code, code, str(error.detail))

    @app.exception_handler(Exception)
    async def unexpected(request: Request, error: Exception) -> JSONResponse:
        log.error("%s %s: %s", request.method, request.url.path, redact(str(error)), exc_info=error)
        return answer(500, "bad", "an unexpected error; the log says more")
