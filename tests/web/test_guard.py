"""The guard: who may speak to the course, from where, and how much at once."""

import asyncio
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.testclient import TestClient
from starlette.websockets import WebSocket, WebSocketDisconnect

from learnable.web.guard import Guard

TOKEN = "the-right-one"
HERE = "http://127.0.0.1:8765"
TALK = "ws://127.0.0.1:8765/talk"  # the client would otherwise call a host of its own


async def echo(request: Request) -> Response:
    return PlainTextResponse(f"{request.method} {request.url.path}?{request.url.query} {len(await request.body())}")


async def talk(socket: WebSocket) -> None:
    await socket.accept()
    await socket.send_text("hello")
    await socket.close()


def guarded(**more: Any) -> Guard:
    routes = [Route("/{path:path}", echo, methods=["GET", "POST", "PUT", "DELETE"]), WebSocketRoute("/talk", talk)]
    return Guard(Starlette(routes=routes), TOKEN, 8765, **more)


def browser(app: Guard | None = None, known: bool = True) -> TestClient:
    cookies = {"learnable-8765": TOKEN} if known else {}
    return TestClient(app or guarded(), base_url=HERE, cookies=cookies, follow_redirects=False)


def test_without_token_or_cookie_nothing_is_answered():
    for method, path in (("GET", "/"), ("GET", "/static/main.js"), ("POST", "/api/runs"), ("HEAD", "/health")):
        answer = browser(known=False).request(method, path, headers={"content-type": "application/json"})
        assert answer.status_code == 403, (method, path)
        assert TOKEN not in answer.text
    assert "learnable open" in browser(known=False).get("/").text


def test_the_token_becomes_a_cookie_that_scripts_cannot_read_and_leaves_the_address():
    answer = browser(known=False).get("/topics/lenet", params={"token": TOKEN, "step": "2"})
    assert answer.status_code == 303
    assert answer.headers["location"] == "/topics/lenet?step=2"
    cookie = answer.headers["set-cookie"]
    assert cookie.startswith("learnable-8765=") and "HttpOnly" in cookie and "SameSite=Strict" in cookie
    assert answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize("path", ["//evil.example/", "/\\evil.example", "///evil.example"])
def test_the_way_on_never_leads_to_another_machine(path):
    async def ask() -> str:
        seen: dict[str, Any] = {}

        async def send(message: Any) -> None:
            seen.update(message)

        scope = {
            "type": "http", "method": "GET", "path": path, "raw_path": path.encode(),
            "query_string": f"token={TOKEN}".encode(), "headers": [(b"host", b"127.0.0.1:8765")],
        }  # fmt: skip
        await guarded()(scope, None, send)  # type: ignore[arg-type]
        return dict(seen["headers"])[b"location"].decode()

    location = asyncio.run(ask())
    assert location.startswith("/") and location[1] not in "/\\"


def test_a_wrong_token_is_refused_and_an_old_address_in_a_known_browser_is_not():
    assert browser(known=False).get("/", params={"token": "wrong"}).status_code == 403
    assert browser(known=False).get("/", params={"token": ""}).status_code == 403
    assert browser().get("/", params={"token": "of the last start"}).status_code == 303


@pytest.mark.parametrize("cookie", ["learnable-8765=wrong", "learnable-8765=", "learnable-9999=the-right-one", "x"])
def test_a_wrong_cookie_is_refused(cookie):
    assert browser(known=False).get("/", headers={"cookie": cookie}).status_code == 403


@pytest.mark.parametrize(
    "host",
    ["evil.example:8765", "evil.example", "127.0.0.1:9999", "127.0.0.1", "127.0.0.1.evil.example:8765", "", "[::1]"],
)
def test_a_foreign_host_is_refused(host):
    assert browser().get("/", headers={"host": host}).status_code == 403
    with pytest.raises(WebSocketDisconnect), browser().websocket_connect(TALK, headers={"host": host, "origin": HERE}):
        pass


@pytest.mark.parametrize("host", ["127.0.0.1:8765", "localhost:8765", "[::1]:8765"])
def test_our_own_names_are_not(host):
    assert browser().get("/", headers={"host": host}).status_code == 200


@pytest.mark.parametrize(
    "origin",
    [
        "http://evil.example",
        "null",
        "https://127.0.0.1:8765",
        "http://127.0.0.1:9999",
        "http://127.0.0.1:8765.evil.example",
    ],
)
def test_a_foreign_origin_is_refused_for_requests_and_sockets(origin):
    assert browser().get("/", headers={"origin": origin}).status_code == 403
    assert browser().post("/", json={}, headers={"origin": origin}).status_code == 403
    with pytest.raises(WebSocketDisconnect), browser().websocket_connect(TALK, headers={"origin": origin}):
        pass


def test_a_socket_needs_an_origin_and_the_cookie():
    with pytest.raises(WebSocketDisconnect), browser().websocket_connect(TALK):
        pass
    with pytest.raises(WebSocketDisconnect), browser(known=False).websocket_connect(TALK, headers={"origin": HERE}):
        pass
    with browser().websocket_connect(TALK, headers={"origin": HERE}) as socket:
        assert socket.receive_text() == "hello"


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_what_changes_something_comes_from_a_page_of_ours(site):
    assert browser().post("/", json={}, headers={"sec-fetch-site": site}).status_code == 403
    assert (
        browser().delete("/", headers={"sec-fetch-site": site, "content-type": "application/json"}).status_code == 403
    )
    assert browser().get("/", headers={"sec-fetch-site": site}).status_code == 200  # a link from a chat is followed
    with (
        pytest.raises(WebSocketDisconnect),
        browser().websocket_connect(TALK, headers={"origin": HERE, "sec-fetch-site": site}),
    ):
        pass


@pytest.mark.parametrize(
    "kind", ["application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "text/plain", ""]
)
def test_what_a_form_of_another_page_can_send_is_not_taken(kind):
    assert browser().post("/", content=b"a=1", headers={"content-type": kind}).status_code == 415


def test_every_answer_carries_the_policy():
    for answer in (
        browser().get("/"),
        browser(known=False).get("/"),
        browser(known=False).get("/", params={"token": TOKEN}),
    ):
        policy = answer.headers["content-security-policy"]
        assert "default-src 'self'" in policy and "script-src" not in policy and "frame-ancestors 'none'" in policy
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert answer.headers["cross-origin-opener-policy"] == "same-origin"
        assert "access-control-allow-origin" not in answer.headers


def test_a_body_that_is_too_long_is_refused_announced_or_not():
    app = guarded(body_limit=100)
    headers = {"content-type": "application/json"}
    assert browser(app).post("/", content=b"x" * 100, headers=headers).text.endswith("100")
    assert browser(app).post("/", content=b"x" * 101, headers=headers).status_code == 413

    def endless():
        for _ in range(1000):
            yield b"x" * 10

    assert browser(app).post("/", content=endless(), headers=headers).status_code == 413
    assert browser(app).post("/", content=b"x", headers={**headers, "content-length": "-5"}).status_code == 413


def test_a_body_that_never_ends_is_given_up():
    async def ask() -> int:
        async def receive() -> Any:
            await asyncio.sleep(60)

        seen: list[Any] = []

        async def send(message: Any) -> None:
            seen.append(message)

        scope = {
            "type": "http", "method": "POST", "path": "/", "raw_path": b"/", "query_string": b"",
            "headers": [(b"host", b"127.0.0.1:8765"), (b"cookie", b"learnable-8765=" + TOKEN.encode()),
                        (b"content-type", b"application/json"), (b"content-length", b"5")],
        }  # fmt: skip
        await guarded(seconds=0.05)(scope, receive, send)
        return seen[0]["status"]

    assert asyncio.run(ask()) == 408


def test_names_that_no_header_should_have_are_refused_not_crashed_on():
    transport = httpx.ASGITransport(app=guarded())

    async def ask() -> list[int]:
        async with httpx.AsyncClient(transport=transport, base_url=HERE) as client:
            tries: list[dict[str, Any]] = [
                {"headers": {"cookie": b"learnable-8765=\xff\xfe"}},
                {"headers": {"host": b"\xff:8765"}},
                {"params": {"token": "\x00\u0444"}},
            ]
            return [(await client.get("/", **one)).status_code for one in tries]

    assert asyncio.run(ask()) == [403, 403, 403]
