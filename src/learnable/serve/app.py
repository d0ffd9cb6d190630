"""A trained model behind plain HTTP: `learnable serve RUN`.

    GET  /           what this is, with an example for each route; to a browser, a page to drop a picture on or to write with
    GET  /health     alive, and with which model; also while the model is thinking
    POST /predict    a picture as it is, or JSON {"image": base64} or {"text": ...}
    POST /generate   JSON {"prompt", "count", "seed", "temperature"}; a model of text also takes "top_k", "top_p", "min_p"
                     and "repetition_penalty"
    POST /stream     the same; the text without its prompt, as it is written: server-sent events

Every answer but a stream is JSON, and every refusal {"error": what was expected, what came}. `Guard` stands around all routes and
reads a request's body for them, so no route sees one that is too long or never ends; `Desk` lets one request at a time
to the model, in a thread of its own, so that the server answers others meanwhile.
"""

import asyncio
import base64
import binascii
import contextlib
import json
import logging
import queue
import tempfile
import threading
import uuid
from collections.abc import AsyncIterator, Callable, Collection, Iterator
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import uvicorn
from fastapi import FastAPI, HTTPException, Request
from fastapi.responses import HTMLResponse, JSONResponse, Response, StreamingResponse
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.exceptions import HTTPException as AnyHTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

import learnable
from learnable.errors import CallError, LearnableError
from learnable.files import finite
from learnable.runs.run import Run
from learnable.serve.door import LOCAL, listen
from learnable.serve.page import picture_page, text_page

BODY = 10_000_000  # bytes that a request may have
SECONDS = 30.0  # that it may take to arrive
WAITING = 16  # requests that may stand in line for the model

log = logging.getLogger(__name__)


class Question(BaseModel):
    """JSON as it is asked for: nothing is converted, and no field that is not known is passed over."""

    model_config = ConfigDict(extra="forbid", strict=True)


Kind = TypeVar("Kind", bound=Question)


class Picture(Question):
    image: str = Field(min_length=1, description="a picture in base64")


class Text(Question):
    text: str = Field(min_length=1, max_length=100_000)


class Wish(Question):
    prompt: str | None = Field(None, max_length=10_000)
    count: int = Field(200, ge=1, le=2000)
    seed: int = Field(0, ge=0, lt=2**63)
    temperature: float = Field(1.0, ge=0, le=10, allow_inf_nan=False)
    top_k: int | None = Field(None, ge=1)
    top_p: float | None = Field(None, gt=0, le=1)
    min_p: float | None = Field(None, gt=0, le=1)
    repetition_penalty: float | None = Field(None, gt=0, le=10)
    beams: int | None = Field(None, ge=1, le=32)
    int8: bool | None = None

    def asked(self) -> dict[str, Any]:
        """Without what was not wished for: not every model takes all of it."""
        return {name: value for name, value in self.model_dump().items() if value is not None or name == "prompt"}


def create_app(
    run: Run, *, hosts: Collection[str] | None = LOCAL, body_limit: int = BODY, seconds: float = SECONDS
) -> FastAPI:
    """The application around a run, whose model is loaded now and kept.

    Args:
        hosts: names by which it may be called; None: any. A page on the web can make a browser call a name of its own
            that leads to 127.0.0.1 (DNS rebinding), but it cannot make it say another name.
        body_limit: bytes that a request may have.
        seconds: that a request's body may take to arrive.

    Raises:
        WorldError: the run has no model that can be loaded.
    """
    health = {"status": "ok", "run": run.name, "model": run.recipe_name, "parameters": run.parameters}
    pictures = run.info.image is not None
    desk = Desk()
    # The interactive pages (/docs) would fetch scripts from another machine.
    app = FastAPI(title=f"learnable: {run.name}", version=learnable.__version__, docs_url=None, redoc_url=None)
    app.add_middleware(Guard, hosts=hosts, body_limit=body_limit, seconds=seconds)

    @app.exception_handler(AnyHTTPException)
    async def refuse(request: Request, error: AnyHTTPException) -> JSONResponse:
        return JSONResponse({"error": error.detail}, error.status_code, error.headers)

    @app.get("/")
    async def what_this_is(request: Request) -> Response:
        here = str(request.base_url).rstrip("/")
        routes = {"GET /health": f"curl {here}/health"} | examples(run, here)
        about = f"{run.recipe_name}, trained on {run.info.data}, served by learnable {learnable.__version__}"
        if "text/html" in request.headers.get("accept", "") and ((pictures and run.can_predict) or run.can_stream):
            if run.can_stream:
                page, headers = text_page(run.name, about, routes["POST /stream"])
            else:
                page, headers = picture_page(run.name, about, routes["POST /predict"])
            return HTMLResponse(page, headers=headers | {"Vary": "Accept"})
        return JSONResponse({"about": about, "run": run.name, "routes": routes})

    @app.get("/health")
    async def how_it_is() -> JSONResponse:
        return JSONResponse(health)

    @app.post("/predict")
    async def predict(request: Request) -> JSONResponse:
        if not run.can_predict:
            raise HTTPException(404, f"{run.recipe_name} predicts nothing; it makes things: POST /generate")
        body, kind = await request.body(), media_type(request)
        if pictures and (kind.startswith("image/") or kind == "application/octet-stream"):
            content = body
        elif kind != "application/json":
            expected = "a picture (image/* or application/octet-stream) or " if pictures else ""
            raise HTTPException(415, f"expected {expected}application/json, came {kind[:80] or 'no Content-Type'}; say which by "
                                + ("-H 'Content-Type: image/jpeg'" if pictures else "curl --json"))  # fmt: skip
        elif pictures:
            content = decoded(parsed(Picture, body).image)
        else:
            text = parsed(Text, body).text
            return JSONResponse(await desk.ask(lambda: in_a_file(run.predict, text)))
        if not content:
            raise HTTPException(400, "expected a picture, came nothing")
        return JSONResponse(await desk.ask(lambda: run.predict(content)))

    @app.post("/generate")
    async def generate(request: Request) -> JSONResponse:
        if not run.can_generate:
            raise HTTPException(404, f"{run.recipe_name} makes nothing; it answers: POST /predict")
        wish = await wished(request)
        return JSONResponse(await desk.ask(lambda: run.generate(**wish)))

    @app.post("/stream")
    async def stream(request: Request) -> StreamingResponse:
        if not run.can_stream:
            raise HTTPException(404, f"{run.recipe_name} writes no text piece by piece; GET / says what can be asked")
        wish = await wished(request)
        pieces = desk.pieces(lambda: run.stream(**wish))
        first = await anext(pieces, None)  # so that a refusal comes as one, before anything is sent
        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}  # nobody on the way is to collect it
        return StreamingResponse(events(first, pieces), media_type="text/event-stream", headers=headers)

    return app


async def events(first: str | None, pieces: AsyncIterator[str]) -> AsyncIterator[str]:
    """`data: {"text": ...}` for each piece, `event: end` behind the last one; or `event: error` where it broke off.

    JSON is plain ASCII here: half a character is never on its way, whatever the pieces are.
    """
    try:
        if first is not None:
            yield f"data: {json.dumps({'text': first})}\n\n"
        async for piece in pieces:
            yield f"data: {json.dumps({'text': piece})}\n\n"
        yield "event: end\ndata: {}\n\n"
    except HTTPException as error:
        yield f"event: error\ndata: {json.dumps({'error': error.detail})}\n\n"


async def wished(request: Request) -> dict[str, Any]:
    """What is to be made, from the request's body."""
    if media_type(request) != "application/json":
        raise HTTPException(
            415, f"expected application/json, came {media_type(request)[:80] or 'no Content-Type'}; curl --json says it"
        )
    return parsed(Wish, await request.body()).asked()


def examples(run: Run, here: str) -> dict[str, str]:
    """How each route that needs a body is called at this address, what the run is for first."""
    found = {}
    as_json = f"curl {here}/%s --json '%s'"
    if run.can_predict:
        picture = f"curl {here}/predict --data-binary @picture.png -H 'Content-Type: image/png'"
        found["POST /predict"] = picture if run.info.image is not None else as_json % ("predict", '{"text": "..."}')
    if run.can_generate:
        found["POST /generate"] = as_json % ("generate", '{"count": 100, "seed": 0, "temperature": 0.8}')
    if run.can_stream:
        found["POST /stream"] = f"""curl -N {here}/stream --json '{{"count": 100, "seed": 0, "temperature": 0.8}}'"""
    return found


# ------------------------------------------------------------------------------------------------- reading a request


def media_type(request: Request) -> str:
    """The body's kind, without parameters such as `charset`.

    It must be said: what a web page may send to a foreign server without asking it first is none of ours.
    """
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


def parsed(kind: type[Kind], body: bytes) -> Kind:
    """The body as the fields that are asked for, or a refusal: 400 for what is not JSON, 422 for what is not these fields."""
    try:
        return kind.model_validate_json(body)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        if first["type"] == "json_invalid":
            raise HTTPException(400, f"expected JSON: {first['msg']}") from None
        where = ".".join(str(part) for part in first["loc"])[:80]
        known = ", ".join(
            f"{name} ({field.description})" if field.description else name for name, field in kind.model_fields.items()
        )
        raise HTTPException(422, f"{where or 'the body'}: {first['msg']}; the fields are {known}") from None


def decoded(text: str) -> bytes:
    """Base64 as bytes."""
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise HTTPException(400, "expected `image` in base64, for instance by `base64 -w0 picture.png`") from None


def in_a_file(predict: Callable[[Path], dict[str, Any]], text: str) -> dict[str, Any]:
    """Ask by way of a file, which is what readers of text read; its name is nobody's business."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "text"
        file.write_text(text, encoding="utf-8")
        try:
            return predict(file)
        except LearnableError as error:
            raise type(error)(str(error).replace(str(file), "the text")) from error


# ------------------------------------------------------------------------------------------------- in front of the model


class Desk:
    """One thread that answers question after question: two at once would each take more than twice as long.

    It is a daemon, which Python does not wait for at its end: a model that thinks for minutes must not outlive Ctrl-C.
    """

    def __init__(self) -> None:
        self.line: queue.SimpleQueue[tuple[Callable[[], dict[str, Any]], asyncio.Future[Any]]] = queue.SimpleQueue()
        self.waiting = 0
        self.thread = threading.Thread(target=self._work, name="model", daemon=True)

    async def ask(self, question: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """Stand in line and give the answer; NaN becomes null, which is what JSON can say."""
        if self.waiting >= WAITING:
            raise HTTPException(503, f"{WAITING} requests are waiting already; try again later", {"Retry-After": "5"})
        if not self.thread.is_alive():
            self.thread.start()
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self.waiting += 1
        self.line.put((question, answer))
        try:
            return finite(await answer)
        except CallError as error:
            raise HTTPException(422, str(error)) from error
        except LearnableError as error:  # the picture, the text
            raise HTTPException(400, str(error)) from error
        finally:
            self.waiting -= 1

    async def pieces(self, write: Callable[[], Iterator[str]]) -> AsyncIterator[str]:
        """Stand in line, and give what is written as it comes. When nobody takes it any more, the writing ends too."""
        loop = asyncio.get_running_loop()
        arrived: asyncio.Queue[str | None] = asyncio.Queue()
        gone = threading.Event()

        def work() -> dict[str, Any]:
            if not gone.is_set():
                for piece in write():
                    if gone.is_set():
                        break
                    loop.call_soon_threadsafe(arrived.put_nowait, piece)
            return {}

        def ended(task: asyncio.Task[Any]) -> None:
            task.cancelled() or task.exception()  # has been seen, even if nobody asks
            arrived.put_nowait(None)

        done = asyncio.ensure_future(self.ask(work))
        done.add_done_callback(ended)
        try:
            while (piece := await arrived.get()) is not None:
                yield piece
            await done
        finally:
            gone.set()

    def _work(self) -> None:
        while True:
            question, answer = self.line.get()
            try:
                settle = partial(_settle, answer, question(), None)
            except Exception as error:
                settle = partial(_settle, answer, None, error)
            with contextlib.suppress(RuntimeError):  # the server has ended meanwhile
                answer.get_loop().call_soon_threadsafe(settle)


def _settle(answer: asyncio.Future[Any], result: Any, error: Exception | None) -> None:
    if answer.done():  # nobody waits any more
        return
    if error is None:
        answer.set_result(result)
    else:
        answer.set_exception(error)


class Guard:
    """What no route should have to think of: who is called, how long a body may be and take, and that nothing leaks.

    The body is counted while it arrives, with or without a Content-Length, and given to the route when it is whole.
    """

    def __init__(self, app: ASGIApp, hosts: Collection[str] | None, body_limit: int, seconds: float):
        self.app = app
        self.hosts = hosts
        self.body_limit = body_limit
        self.seconds = seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
            return
        if scope["type"] != "http":
            await self.app(scope, receive, send)  # the server's own beginning and end
            return
        begun = False

        async def watched(message: Message) -> None:
            nonlocal begun
            begun = True
            await send(message)

        try:
            headers = dict(scope["headers"])
            self._check_host(headers.get(b"host", b"").decode("latin-1"))
            body = await self._body(headers, receive)
            if body is not None:
                await self.app(scope, _replay(body, receive), watched)
        except HTTPException as error:
            hang_up = {"Connection": "close"}  # the rest of the body is not waited for
            await JSONResponse({"error": error.detail}, error.status_code, hang_up)(scope, receive, send)
        except Exception:
            number = uuid.uuid4().hex[:12]
            log.exception("error %s while answering %s %s", number, scope["method"], scope["path"][:200])
            if begun:
                raise
            fault = {
                "error": f"a fault of ours, not of the request; the server's log has more under {number}",
                "id": number,
            }
            await JSONResponse(fault, 500)(scope, receive, send)

    def _check_host(self, header: str) -> None:
        name = header.rpartition(":")[0] if header.rpartition(":")[2].isdigit() else header
        if self.hosts is not None and name.strip("[]").rstrip(".").lower() not in self.hosts:
            raise HTTPException(
                403, f"expected the Host header to be one of {', '.join(sorted(self.hosts))}, came {header[:80]!r}"
            )

    async def _body(self, headers: dict[bytes, bytes], receive: Receive) -> bytes | None:
        """All of it; None if the client has gone."""
        too_long = HTTPException(413, f"expected at most {self.body_limit:,} bytes")
        announced = headers.get(b"content-length", b"0")
        if announced.isdigit() and int(announced[:19]) > self.body_limit:
            raise too_long
        chunks, size = [], 0
        try:
            async with asyncio.timeout(self.seconds):
                while True:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        return None
                    chunks.append(message.get("body", b""))
                    size += len(chunks[-1])
                    if size > self.body_limit:
                        raise too_long
                    if not message.get("more_body"):
                        return b"".join(chunks)
        except TimeoutError:
            raise HTTPException(408, f"the request did not arrive within {self.seconds:g} seconds") from None


def _replay(body: bytes, receive: Receive) -> Receive:
    """Give the body in one piece, then what really comes, which is the client hanging up."""
    given = False

    async def again() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return again


# ------------------------------------------------------------------------------------------------- the server


def serve(run: Run, host: str = "127.0.0.1", port: int = 8000) -> None:
    """Serve until Ctrl-C, which is how serving ends and therefore no error. Prints the address and an example when it can be called.

    Args:
        host: 127.0.0.1 is this machine alone; 0.0.0.0 is everybody who can reach it.
        port: 0 takes a free one.

    Raises:
        WorldError: the port is in use or not allowed, the host is not this machine's, the model cannot be loaded.
    """
    door = listen(host, port)
    with door:
        address, number = door.getsockname()[:2]
        private = address in LOCAL
        app = create_app(run, hosts=LOCAL | {host.lower()} if private else None)
        settings = uvicorn.Config(
            app, log_config=None, log_level="critical", access_log=False, lifespan="off", server_header=False,
            limit_concurrency=64, timeout_keep_alive=5, timeout_graceful_shutdown=3,
        )  # fmt: skip
        shown = f"[{address}]" if ":" in address else address
        everybody = "" if private else ", to everybody who can reach this machine"
        print(f"serving {run.name} on http://{shown}:{number}{everybody} (Ctrl-C ends it)", flush=True)
        for example in list(examples(run, f"http://{shown}:{number}").values())[:1]:
            print(f"try: {example}", flush=True)
        if run.can_predict and run.info.image is not None:
            print(f"or open http://{shown}:{number} in a browser and drop a picture on it", flush=True)
        elif run.can_stream:
            print(f"or open http://{shown}:{number} in a browser and write with it", flush=True)
        with contextlib.suppress(KeyboardInterrupt):
            uvicorn.Server(settings).run(sockets=[door])
