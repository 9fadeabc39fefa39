"""A route of the API: it names the permission that it needs, and does not send again what a client has already.

Answers of GET carry a weak ETag made of their content; who asks with If-None-Match is told 304 when nothing changed.
Knows nothing of what is asked.
"""

import hashlib
from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import Request, Response
from fastapi.routing import APIRoute

from app.api.permissions import permissions

PRIVATE = "private, no-cache"  # may be kept by the asker alone, and must be asked for anew before it is used
TAG_BYTES = 12


class Route(APIRoute):
    """A route with exactly one permission."""

    def __init__(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:  # noqa: ANN401 - FastAPI's own
        names = permissions(options.get("dependencies"))
        if len(names) != 1:
            raise TypeError(f"{path} names {len(names)} permissions; it must name one")
        options["openapi_extra"] = {**(options.get("openapi_extra") or {}), "x-permission": names[0]}
        super().__init__(path, endpoint, **options)

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return what answers a request."""
        answer = super().get_route_handler()

        async def tagged(request: Request) -> Response:
            response = await answer(request)
            response.headers.setdefault("cache-control", PRIVATE)
            if request.method != "GET" or response.status_code != 200 or not hasattr(response, "body"):
                return response
            return unchanged(request, response)

        return tagged


def tag(body: bytes) -> str:
    """Return the weak ETag of an answer's content; weak, because the same content may be sent packed."""
    return f'W/"{hashlib.blake2b(body, digest_size=TAG_BYTES).hexdigest()}"'


def unchanged(request: Request, response: Response) -> Response:
    """Return an answer with its tag, or 304 without content where the asker has it already."""
    etag = response.headers.setdefault("etag", tag(bytes(response.body)))
    known = request.headers.get("if-none-match", "")
    if etag.removeprefix("W/") not in (one.strip().removeprefix("W/") for one in known.split(",")):
        return response
    kept = {name: value for name, value in response.headers.items() if name in {"etag", "cache-control", "vary"}}
    return Response(status_code=304, headers=kept)
