"""Errors of the API as RFC 9457 problems: application/problem+json with title, status and a detail in plain words.

What is wrong with a request is told field by field in `errors`, beside the detail.
"""

from collections.abc import Iterable
from http import HTTPStatus

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from app.errors import StoreError

MEDIA_TYPE = "application/problem+json"
TOLD = 20  # faults of one request at most


class WrongField(Exception):
    """A field of a request cannot be what it is.

    Args:
        field: as the asker wrote it: of the query, the path or the body.
        detail: what is wrong with it, and what would be right.
    """

    def __init__(self, field: str, detail: str) -> None:
        self.field, self.detail = field, detail
        super().__init__(f"{field}: {detail}")


def problem(status: int, detail: str, errors: Iterable[tuple[str, str]] = ()) -> JSONResponse:
    """Return a problem as an answer; `errors` are fields and what is wrong with each."""
    body = {"type": "about:blank", "title": HTTPStatus(status).phrase, "status": status, "detail": detail}
    fields = [{"field": field, "detail": wrong} for field, wrong in errors]
    return JSONResponse({**body, **({"errors": fields} if fields else {})}, status, media_type=MEDIA_TYPE)


def add_problem_answers(app: FastAPI) -> None:
    """Turn every exception that routes let through into a problem; nothing of the program's inside is shown."""

    async def http_error(_request: Request, error: Exception) -> JSONResponse:
        if not isinstance(error, HTTPException):
            return problem(500, "the server failed; its log says more")
        response = problem(error.status_code, str(error.detail))
        response.headers.update(error.headers or {})
        return response

    async def invalid(_request: Request, error: Exception) -> JSONResponse:
        faults = [("", "is not valid")]
        if isinstance(error, WrongField):
            faults = [(error.field, error.detail)]
        elif isinstance(error, RequestValidationError):
            faults = [
                (".".join(str(part) for part in fault["loc"][1:]), fault["msg"]) for fault in error.errors()[:TOLD]
            ]
        field, wrong = faults[0]
        return problem(422, f"{field}: {wrong}" if field else wrong, faults)

    async def no_history(_request: Request, _error: Exception) -> JSONResponse:
        return problem(503, "the history cannot be read now; try again")

    app.add_exception_handler(StoreError, no_history)
    app.add_exception_handler(HTTPException, http_error)
    app.add_exception_handler(RequestValidationError, invalid)
    app.add_exception_handler(WrongField, invalid)
    app.add_exception_handler(Exception, http_error)
