"""Who may speak to the server: known host names, no foreign page over WebSocket, and what browsers may do with answers.

There are no accounts yet: whoever reaches the address may see everything, so the address is this machine's alone unless
its operator says otherwise. A page of another site cannot read from it: HTTP answers carry no CORS headers, WebSockets
are refused where Origin is not the host that was asked, and Host must be a known name, so that no foreign name that is
made to point here (DNS rebinding) passes for this one.
"""

import ipaddress
from collections.abc import Iterable
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.api.errors import problem

CONTENT_POLICY = (
    "default-src 'self'; img-src 'self' blob: data:; connect-src 'self'; object-src 'none'; "
    "frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
)
HEADERS = {
    "content-security-policy": CONTENT_POLICY,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), microphone=(), geolocation=()",
}
SAFE = frozenset({"GET", "HEAD", "OPTIONS"})  # methods that change nothing: RFC 9110, 9.2.1
THIS_MACHINE = frozenset({"localhost", "127.0.0.1", "::1"})


class Guard:
    """ASGI middleware that refuses foreign hosts and origins, and adds security headers to every answer.

    Args:
        app: what is guarded.
        hosts: names under which the server may be asked, lower case.
        any_address: whether it may be asked under any IP address too; no DNS name can stand for one of those.
    """

    def __init__(self, app: ASGIApp, hosts: Iterable[str] = THIS_MACHINE, *, any_address: bool = False) -> None:
        self._app = app
        self._hosts = frozenset(hosts)
        self._any_address = any_address

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] not in {"http", "websocket"}:
            await self._app(scope, receive, send)
            return
        refusal = self._refusal(scope)
        if refusal is not None and scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.close", "code": 1008, "reason": refusal})
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        app = self._app if refusal is None else problem(400, refusal)
        await app(scope, receive, send_with_headers)

    def _refusal(self, scope: Scope) -> str | None:
        """Return why a connection is refused; None if it is not."""
        headers = Headers(scope=scope)
        host = headers.get("host", "")
        if not self._known(host):
            return "this server does not go by that name; ask for 127.0.0.1 or localhost"
        origin = headers.get("origin")
        if origin is None or _same_host(origin, host):
            return None
        if scope["type"] == "websocket":
            return "a page of another site may not watch"
        return None if scope["method"] in SAFE else "a page of another site may not change anything"

    def _known(self, host: str) -> bool:
        try:
            name = urlsplit(f"//{host}").hostname or ""
        except ValueError:
            return False
        if name in self._hosts:
            return True
        return self._any_address and _is_address(name)


def _same_host(origin: str, host: str) -> bool:
    try:
        parts = urlsplit(origin)
    except ValueError:
        return False
    return parts.scheme in {"http", "https"} and parts.netloc.lower() == host.lower()


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
