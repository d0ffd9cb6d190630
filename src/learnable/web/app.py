"""The course in the browser: pages rendered here, everything alive by the routers of this folder.

    /                    where am I, what next
    /topics/STEM         a lesson; a planned topic says so
    /paths/NAME          a way through the course, as a map
    /cheatsheet          every lesson in one minute
    /models  /models/NAME   the published models: variants, weights, parity
    /cards  /runs        what is due; what was trained
    /search.json         what the search of the page looks through
    /labs/... /api/...   labs.py, exercises.py, memory.py, runs.py

The process never imports torch: whatever computes has a process of its own.
"""

import contextlib
import json
import re
import secrets
from collections.abc import AsyncIterator
from functools import lru_cache
from html import escape
from importlib.resources import files
from pathlib import Path
from typing import Any

import uvicorn
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from jinja2 import Environment, PackageLoader, select_autoescape
from markupsafe import Markup
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp

import learnable
from learnable import catalog
from learnable.course import page as pages
from learnable.course import search, today
from learnable.course.progress import Progress
from learnable.errors import CallError, LearnableError, WorldError, unknown
from learnable.serve.door import listen
from learnable.web import exercises, labs, memory, runs
from learnable.web.guard import Guard

STATIC = Path(str(files("learnable").joinpath("web/static")))


def create_app(home: Path, token: str, port: int | None = None) -> ASGIApp:
    """The whole course behind its guard.

    Args:
        home: the user's folder.
        token: what the address must bring; see `guard`.
        port: on which it will be called; None: any.

    Raises:
        WorldError: the front end has not been built.
    """
    if not (STATIC / "main.js").exists():
        raise WorldError("the pages' scripts and styles are not built; in a checkout: make frontend, "
                         "elsewhere install learnable again")  # fmt: skip

    @contextlib.asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with labs.lifespan(app), exercises.lifespan(app):
            yield

    app = FastAPI(
        title="Learnable", version=learnable.__version__, docs_url=None, redoc_url=None, openapi_url=None,
        lifespan=lifespan,
    )  # fmt: skip
    app.state.home = home
    app.mount("/static", Fresh(directory=STATIC), name="static")
    for part in (labs, exercises, memory, runs):
        app.include_router(part.router)
    add_pages(app)
    add_errors(app)
    return Guard(app, token, port)


def add_pages(app: FastAPI) -> None:
    """The pages to read."""

    @app.get("/", response_class=HTMLResponse)
    async def start(request: Request) -> Response:
        context = await run_in_threadpool(today.start_context, request.app.state.home)
        return html("start.html", title="Learnable", where="", **context)

    @app.get("/topics/{stem}", response_class=HTMLResponse)
    async def topic(stem: str, request: Request) -> Response:
        return html("topic.html", **await run_in_threadpool(topic_context, stem, request.app.state.home))

    @app.get("/topics")
    async def topics() -> Response:
        return RedirectResponse("/paths/whole-course")

    @app.get("/paths/{name}", response_class=HTMLResponse)
    async def path(name: str, request: Request) -> Response:
        context = await run_in_threadpool(today.path_context, request.app.state.home, name)
        return html("path.html", title=context["path"]["title"], where="Paths", **context)

    @app.get("/cheatsheet", response_class=HTMLResponse)
    async def cheat_sheet() -> Response:
        return html("cheatsheet.html", title="Every lesson in one minute", where="Cheat sheet",
                    entries=await run_in_threadpool(minutes))  # fmt: skip

    @app.get("/models", response_class=HTMLResponse)
    async def all_models() -> Response:
        return html("models.html", **models_context())

    @app.get("/models/{name}", response_class=HTMLResponse)
    async def one_model(name: str) -> Response:
        told = model_pages()
        if name not in told:
            raise unknown("model", name, told)
        return html("model.html", **model_context(name))

    @app.get("/cards", response_class=HTMLResponse)
    async def cards() -> Response:
        return html("cards.html", title="Cards due today", where="Cards")

    @app.get("/runs", response_class=HTMLResponse)
    async def all_runs() -> Response:
        return html("runs.html", title="Your runs", where="Runs")

    @app.get("/search.json")
    async def search_index() -> Response:
        return JSONResponse(await run_in_threadpool(search.index))

    @app.get("/health")
    async def health() -> Response:
        return JSONResponse({"status": "ok", "version": learnable.__version__})


def topic_context(stem: str, home: Path | None, root: str = "/") -> dict[str, Any]:
    """What topic.html shows; without a home nobody's progress is.

    Raises:
        CallError: no such topic, or a mistake in its lesson.
    """
    row = catalog.find(stem)
    done = Progress(home).done() if home is not None else frozenset()
    standing = frozenset(pages.lessons())
    written = stem in standing
    rendered = pages.page(stem) if written else None
    toc = [{"id": one.id, "title": one.title} for one in rendered.sections if one.id] if rendered else []
    before, after = neighbors(stem, standing)
    return {
        "topic": row, "title": rendered.title if rendered else row.title,
        "description": f"{row.title}: {catalog.PARTS[row.part]}", "where": f"{catalog.PARTS[row.part]} · {row.title}",
        "html": rendered.html if rendered else "", "toc": toc, "previous": before, "next": after,
        "prerequisites": [about(one, done, standing) for one in row.prerequisites], "minutes": row.minutes, "written": written,
        "part_nav": part_nav(stem, done, standing), "resources": [] if written else catalog.resources(stem),
        "progress": Progress(home).page(stem) if home is not None else None,
        "panels": rendered.panels if rendered else [],
    }  # fmt: skip


def about(stem: str, done: frozenset[str], standing: frozenset[str]) -> dict[str, Any]:
    """A topic in a list."""
    row = catalog.find(stem)
    return {"stem": stem, "title": row.title, "stands": stem in standing, "done": stem in done,
            "minutes": row.minutes.total}  # fmt: skip


def part_nav(stem: str, done: frozenset[str], standing: frozenset[str]) -> list[dict[str, Any]]:
    """The parts with something to read, and all topics of the part in which one is."""
    here = catalog.find(stem).part
    nav = []
    for part, title in catalog.PARTS.items():
        rows = [
            {**about(row.stem, done, standing), "current": row.stem == stem}
            for row in catalog.topics()
            if row.part == part and (part == here or row.stem in standing)
        ]
        if rows:
            nav.append({"title": title, "topics": rows, "current": part == here})
    return nav


def neighbors(stem: str, standing: frozenset[str]) -> tuple[dict[str, str] | None, dict[str, str] | None]:
    """The lessons before and after this one, in the order of the course."""
    order = [row.stem for row in catalog.topics() if row.stem in standing or row.stem == stem]
    at = order.index(stem)

    def link(position: int) -> dict[str, str] | None:
        if not 0 <= position < len(order):
            return None
        return {"stem": order[position], "title": catalog.find(order[position]).title}

    return link(at - 1), link(at + 1)


def minutes() -> list[dict[str, str]]:
    """The openings of all lessons."""
    rows = []
    for stem in pages.lessons():
        try:
            rendered = pages.page(stem)
        except CallError as error:  # a mistake in one lesson does not take the others away
            rows.append({"stem": stem, "title": catalog.find(stem).title, "html": f"<p>{escape(str(error))}</p>"})
            continue
        rows.append({"stem": stem, "title": rendered.title, "html": rendered.one_minute})
    return rows


@lru_cache(maxsize=1)
def model_pages() -> dict[str, dict[str, Any]]:
    """The pages of the published models, which `runs.model_pages` has written: the tables themselves need torch."""
    told: dict[str, dict[str, Any]] = json.loads(files("learnable").joinpath("models/pages.json").read_text("utf-8"))
    return told


def models_context() -> dict[str, Any]:
    """What the page of all models tells."""
    return {"title": "Models", "where": "Models", "families": list(model_pages().values())}


def model_context(name: str) -> dict[str, Any]:
    """What the page of one family tells."""
    told = model_pages()[name]
    return {"title": told["title"].partition(":")[0], "where": "Models", "model": told}


def html(template: str, root: str = "/", static: bool = False, **context: Any) -> HTMLResponse:
    """A page that is asked for again each time: what is on it changes as one learns."""
    return HTMLResponse(fill(template, root=root, static=static, **context), headers={"Cache-Control": "no-store"})


def fill(template: str, **context: Any) -> str:
    """A template with its holes filled."""
    return _templates().get_template(template).render(version=learnable.__version__, **context)


@lru_cache(maxsize=1)
def _templates() -> Environment:
    loader = PackageLoader("learnable.web", "templates")
    templates = Environment(loader=loader, autoescape=select_autoescape(), trim_blocks=True, lstrip_blocks=True)
    templates.filters["prose"] = prose
    return templates


def prose(text: str) -> Markup:
    """A sentence out of a docstring: `code` as code, an address as a link without the mark that ends the sentence.

    >>> prose("`F` < 1: https://arxiv.org/abs/1; next")
    Markup('<code>F</code> &lt; 1: <a href="https://arxiv.org/abs/1">https://arxiv.org/abs/1</a>; next')
    """
    linked = re.sub(r"https?://\S+?(?=[;,.)]*(?:\s|$))", r'<a href="\g<0>">\g<0></a>', escape(text, quote=False))
    return Markup(re.sub(r"`([^`]+)`", r"<code>\1</code>", linked))


class Fresh(StaticFiles):
    """Scripts and styles that a browser keeps, and asks each time whether they are still right."""

    def file_response(self, *args: Any, **kwargs: Any) -> Response:
        response = super().file_response(*args, **kwargs)
        response.headers["Cache-Control"] = "no-cache"
        return response


def add_errors(app: FastAPI) -> None:
    """Every refusal in words: a page to people, {"error": ...} to programs."""

    def answer(request: Request, status: int, message: str) -> Response:
        if request.url.path.startswith("/api/") or "text/html" not in request.headers.get("accept", ""):
            return JSONResponse({"error": message}, status)
        heading = "There is no such page" if status == 404 else "That did not work"
        text = fill("error.html", root="/", static=False, title=heading, message=message, status=status, where="")
        return HTMLResponse(text, status)

    @app.exception_handler(HTTPException)
    async def refused(request: Request, error: HTTPException) -> Response:
        message = str(error.detail)
        if error.status_code == 404 and message == "Not Found":
            message = f"There is nothing at {request.url.path[:120]}; the start page knows where everything is."
        return answer(request, error.status_code, message)

    @app.exception_handler(RequestValidationError)
    async def malformed(request: Request, error: RequestValidationError) -> Response:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"] if part != "body")[:80]
        return answer(request, 422, f"{where or 'the body'}: {first['msg']}")

    @app.exception_handler(CallError)
    async def wrong_call(request: Request, error: CallError) -> Response:
        unknown = str(error).startswith("no ") or "is not written yet" in str(error)
        return answer(request, 404 if unknown else 422, str(error))

    @app.exception_handler(LearnableError)
    async def wrong_world(request: Request, error: LearnableError) -> Response:
        return answer(request, 503, str(error))


def open_course(home: Path, port: int, say: Any, path: str = "/", browser: bool = True) -> None:
    """Serve the course until Ctrl-C; the browser is opened when the first page can be answered.

    Args:
        port: 0 takes a free one.
        say: prints the one line with the address.
        path: the page to begin with.

    Raises:
        WorldError: the port is in use, or the front end has not been built.
    """
    token = secrets.token_urlsafe(24)
    with listen("127.0.0.1", port) as door:
        number = door.getsockname()[1]
        app = create_app(home, token, number)
        settings = uvicorn.Config(
            app, log_config=None, log_level="critical", access_log=False, server_header=False, ws="websockets-sansio",
            ws_max_size=2**20, ws_per_message_deflate=False, timeout_keep_alive=30, timeout_graceful_shutdown=2,
        )  # fmt: skip
        address = f"http://127.0.0.1:{number}{path}?token={token}"
        say(address)
        if browser:
            import threading
            import webbrowser

            threading.Timer(0.3, webbrowser.open, (address,)).start()
        with contextlib.suppress(KeyboardInterrupt):
            uvicorn.Server(settings).run(sockets=[door])
