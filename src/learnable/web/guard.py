"""The guard around the whole course: who asks, from where, and how much.

The server runs code, so a page of somebody else's must not be able to speak to it, and nobody else on this machine
either. One pure-ASGI wrapper sees every request, WebSockets included, before any route does:

* Host        one of this machine's names with our port (a foreign name that leads here is DNS rebinding)
* Origin      ours, where there is one; a WebSocket must have one
* Sec-Fetch-Site   same-origin or none for whatever changes something, and for WebSockets
* token       a random one for each start, given once in the address and kept in a cookie that scripts cannot read
* size        of a body, and the time that it may take

What it protects from is other web pages and other users; a program of the same user can read this process anyway.
"""

import asyncio
import secrets
from collections.abc import Mapping
from urllib.parse import parse_qsl, urlencode

from starlette.types import ASGIApp, Message, Receive, Scope, Send

BODY = 2_000_000  # bytes that a request may have: a photograph to be looked at by a model is the largest
SECONDS = 30.0  # that it may take to arrive
SAFE = frozenset({"GET", "HEAD"})
MUST_BE_JSON = "application/json"

POLICY = "; ".join((
    "default-src 'self'",
    "style-src 'self' 'unsafe-inline'",
    "img-src 'self' data: blob:",
    "font-src 'self' data:",
    "worker-src 'self' blob:",
    "object-src 'none'",
    "base-uri 'none'",
    "form-action 'self'",
    "frame-ancestors 'none'",
))  # fmt: skip

HEADERS = (
    (b"content-security-policy", POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), microphone=(), geolocation=()"),
)


class Refusal(Exception):
    """Why a request goes no further; status and reason."""

    def __init__(self, status: int, reason: str):
        super().__init__(reason)
        self.status = status
        self.reason = reason


class Guard:
    """Stands around the application; nothing reaches it that has not passed here.

    Args:
        token: what the address must bring once; it becomes a cookie named after the port, because browsers share
            cookies among all ports of a host.
        port: ours; None in tests that have none: any port is right.
    """

    def __init__(
        self, app: ASGIApp, token: str, port: int | None = None, body_limit: int = BODY, seconds: float = SECONDS
    ):
        self.app = app
        self.token = token
        self.port = port
        self.cookie = f"learnable-{port or 0}"
        self.body_limit = body_limit
        self.seconds = seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)  # the server's own beginning and end
            return
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        try:
            self.check_host(headers)
            self.check_origin(scope, headers)
            if scope["type"] == "http" and self.opens(scope, headers):
                await self.welcome(scope, send)
                return
            self.check_token(headers)
            if scope["type"] == "http":
                receive = await self.whole_body(scope, headers, receive)
        except Refusal as refusal:
            await refuse(scope, receive, send, refusal)
            return
        await self.app(scope, receive, with_headers(send) if scope["type"] == "http" else send)

    def check_host(self, headers: Mapping[str, str]) -> None:
        """The browser says which name it was asked for; a page that rebinds its name to us cannot hide it."""
        if not self.is_ours(headers.get("host", "")):
            raise Refusal(403, "expected this machine's own name (127.0.0.1 or localhost) and the port of this server "
                               f"in the Host header, came {headers.get('host', '')[:80]!r}")  # fmt: skip

    def check_origin(self, scope: Scope, headers: Mapping[str, str]) -> None:
        """Whoever may change something, or keep a socket open, must be a page of ours."""
        origin = headers.get("origin")
        socket = scope["type"] == "websocket"
        if origin is not None and not (origin.startswith("http://") and self.is_ours(origin.removeprefix("http://"))):
            raise Refusal(403, f"expected a page of this course to ask, came one of {origin[:80]!r}")
        if socket and origin is None:
            raise Refusal(403, "expected an Origin header with a WebSocket, came none")
        site = headers.get("sec-fetch-site")
        if (socket or scope["method"] not in SAFE) and site not in (None, "same-origin", "none"):
            raise Refusal(403, f"expected a page of this course to ask, came a {site[:40]!r} one")
        if not socket and scope["method"] not in SAFE and not self._said_what(headers):
            raise Refusal(415, f"expected Content-Type {MUST_BE_JSON}, or application/octet-stream for a picture, "
                               f"came {headers.get('content-type', 'none')[:80]!r}")  # fmt: skip

    @staticmethod
    def _said_what(headers: Mapping[str, str]) -> bool:
        """A form of another page can send three kinds of bodies without being asked first; none of them is taken."""
        kind = headers.get("content-type", "").partition(";")[0].strip().lower()
        return kind in (MUST_BE_JSON, "application/octet-stream") or kind.startswith("image/")

    def is_ours(self, name: str) -> bool:
        host, _, port = name.rpartition(":") if not name.endswith("]") else (name, "", "")
        if not host:
            host, port = name, "80"
        return host in ("127.0.0.1", "localhost", "[::1]") and (self.port is None or port == str(self.port))

    def opens(self, scope: Scope, headers: Mapping[str, str]) -> bool:
        """Whether the address brings the token, and the right one."""
        given = dict(parse_qsl(scope["query_string"].decode("latin-1"))).get("token")
        if given is None:
            return False
        if not secrets.compare_digest(given.encode(), self.token.encode()):
            if self._known(headers):  # an old address in a browser that has been let in already
                return True
            raise Refusal(403, WRONG_TOKEN)
        return True

    async def welcome(self, scope: Scope, send: Send) -> None:
        """Put the token into a cookie, and lead on to the same address without it."""
        rest = [(k, v) for k, v in parse_qsl(scope["query_string"].decode("latin-1"), True) if k != "token"]
        # One leading slash: //evil.example would lead to another machine.
        path = "/" + scope.get("raw_path", scope["path"].encode()).decode("latin-1").partition("?")[0].lstrip("/\\")
        where = path + ("?" + urlencode(rest) if rest else "")
        cookie = f"{self.cookie}={self.token}; HttpOnly; SameSite=Strict; Path=/"
        await send({
            "type": "http.response.start", "status": 303,
            "headers": [(b"location", where.encode("latin-1")), (b"set-cookie", cookie.encode()),
                        (b"cache-control", b"no-store"), (b"content-length", b"0"), *HEADERS],
        })  # fmt: skip
        await send({"type": "http.response.body", "body": b""})

    def check_token(self, headers: Mapping[str, str]) -> None:
        if not self._known(headers):
            raise Refusal(403, NO_TOKEN)

    def _known(self, headers: Mapping[str, str]) -> bool:
        for pair in headers.get("cookie", "").split(";"):
            name, _, value = pair.strip().partition("=")
            if name == self.cookie and secrets.compare_digest(value.encode(), self.token.encode()):
                return True
        return False

    async def whole_body(self, scope: Scope, headers: Mapping[str, str], receive: Receive) -> Receive:
        """Read the body here, counted, so that no route sees one that is too long or never ends."""
        too_long = Refusal(413, f"expected at most {self.body_limit:,} bytes")
        announced = headers.get("content-length", "0")
        if not announced.isdigit() or int(announced[:19]) > self.body_limit:
            raise too_long
        if scope["method"] in SAFE and announced == "0" and "transfer-encoding" not in headers:
            return receive
        chunks, size = [], 0
        try:
            async with asyncio.timeout(self.seconds):
                while True:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        raise Refusal(400, "the request ended before its body did")
                    chunks.append(message.get("body", b""))
                    size += len(chunks[-1])
                    if size > self.body_limit:
                        raise too_long
                    if not message.get("more_body"):
                        break
        except TimeoutError:
            raise Refusal(408, f"the request did not arrive within {self.seconds:g} seconds") from None
        given = False

        async def again() -> Message:
            nonlocal given
            if given:
                return await receive()
            given = True
            return {"type": "http.request", "body": b"".join(chunks), "more_body": False}

        return again


NO_TOKEN = (
    "this is a course of somebody on this machine, and the address lacks its token; "
    "open the address that 'learnable open' printed, it begins with http://127.0.0.1 and has ?token= in it"
)
WRONG_TOKEN = (
    "the token in the address is of another start of the server; open the address that 'learnable open' printed last"
)


def with_headers(send: Send) -> Send:
    """Every answer carries the policy."""

    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            message = {**message, "headers": [*message.get("headers", ()), *HEADERS]}
        await send(message)

    return sending


async def refuse(scope: Scope, receive: Receive, send: Send, refusal: Refusal) -> None:
    """Say no, in words; a socket is closed before it is opened, which a browser reports as 403."""
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.close", "code": 1008, "reason": refusal.reason[:120]})
        return
    body = (refusal.reason + "\n").encode()
    headers = [
        (b"content-type", b"text/plain; charset=utf-8"),
        (b"content-length", str(len(body)).encode()),
        (b"connection", b"close"),
        (b"cache-control", b"no-store"),
        *HEADERS,
    ]
    await send({"type": "http.response.start", "status": refusal.status, "headers": headers})
    await send({"type": "http.response.body", "body": body if scope.get("method") != "HEAD" else b""})
