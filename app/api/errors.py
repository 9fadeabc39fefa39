"""Errors of the API as RFC 9457 problems: application/problem+json with title, status and a detail in plain words."""

from http import HTTPStatus

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from app.errors import StoreError

MEDIA_TYPE = "application/problem+json"


def problem(status: int, detail: str) -> JSONResponse:
    """Return a problem as an answer."""
    body = {"type": "about:blank", "title": HTTPStatus(status).phrase, "status": status, "detail": detail}
    return JSONResponse(body, status, media_type=MEDIA_TYPE)


def add_problem_answers(app: FastAPI) -> None:
    """Turn every exception that routes let through into a problem; nothing of the program's inside is shown."""

    async def http_error(_request: Request, error: Exception) -> JSONResponse:
        if not isinstance(error, HTTPException):
            return problem(500, "the server failed; its log says more")
        response = problem(error.status_code, str(error.detail))
        response.headers.update(error.headers or {})
        return response

    async def invalid(_request: Request, error: Exception) -> JSONResponse:
        first = error.errors()[0] if isinstance(error, RequestValidationError) else {"loc": (), "msg": "is not valid"}
        where = ".".join(str(part) for part in first["loc"][1:])
        return problem(422, f"{where}: {first['msg']}")

    async def no_history(_request: Request, _error: Exception) -> JSONResponse:
        return problem(503, "the history cannot be read now; try again")

    app.add_exception_handler(StoreError, no_history)
    app.add_exception_handler(HTTPException, http_error)
    app.add_exception_handler(RequestValidationError, invalid)
    app.add_exception_handler(Exception, http_error)
