"""Live runs: train from the page, watch, stop, go on, use.

    GET  /api/recipes/RECIPE         its flags, promise, time, and how many examples it learns from
    POST /api/runs                   {"recipe", "flags": {name: value}, "again": false} -> {"run"} or, if that takes long, {"start"}
    GET  /api/runs                   all of them, the newest first
    GET  /api/starts/ID              what has become of a start;  POST /api/starts/ID/stop
    GET  /api/runs/RECIPE/WHEN       everything about one
    WS   /api/runs/RECIPE/WHEN/live  history, then rows, examples, status, time left as they come
    POST .../stop  .../resume        save and end; go on exactly there
    POST .../predict                 a picture's bytes, or {"drawing": 28 x 28}, or {"text"}
    POST .../generate                {"prompt", "count", "seed", "temperature"}
    POST .../evaluate                {"data"}
    POST .../export                  {"to": "onnx"}; then GET .../export/onnx
    GET  .../compare?with=RUN        both curves, and what the statistics say

Refusals are {"error": what was expected, what came, what to do}. Nothing here knows torch: `runfiles` reads what runs
leave behind, `children` starts what computes.
"""

import asyncio
import contextlib
import json
import math
import re
import tempfile
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from functools import wraps
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import anyio
from fastapi import APIRouter, Query, Request, WebSocket
from fastapi.responses import FileResponse, JSONResponse, Response
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.concurrency import run_in_threadpool
from starlette.websockets import WebSocketDisconnect

from learnable import catalog
from learnable.errors import CallError, LearnableError, WorldError
from learnable.web import runfiles
from learnable.web.children import Questions, Refused, Start, TooBusy, TooSlow, Trainings

router = APIRouter()

SHORT = 64_000  # bytes of a request in JSON
PICTURE = 2_000_000  # bytes of a picture
SIDE = 28  # pixels of a drawing
PATIENCE = 25.0  # seconds that a start is waited for; then the page asks again
PERIOD, SLOWLY = 0.2, 1.0  # seconds between two looks at a run that goes on, and at one that does not
WATCHERS = 64  # sockets at once

# Flags that every training takes. Those that are not here (--resume, --json, --parallel) are not the page's business.
Kind = type[int] | type[float] | type[str] | type[bool]
COMMON: dict[str, tuple[Kind, str]] = {
    "data":          (str,   "a data set's name, or the path of your own folder, text or CSV file"),
    "seed":          (int,   "of the first weights and the order of the data"),
    "epochs":        (float, "times through the training data"),
    "steps":         (int,   "steps, in place of epochs"),
    "batch-size":    (int,   "examples a step"),
    "learning-rate": (float, "at the schedule's peak"),
    "clip":          (float, "largest norm of the gradient"),
    "accumulate":    (int,   "micro-batches a step: less memory, the same result"),
    "average":       (float, "keep a running average of the weights, with this decay"),
    "patience":      (int,   "stop after so many evaluations without a better one"),
    "every":         (int,   "steps between evaluations and checkpoints"),
    "device":        (str,   "cpu, cuda or mps; the best there is by default"),
    "precision":     (str,   "fp32 or bf16; what the machine does fast for a large model by default"),
    "plain":         (bool,  "choose nothing for this machine: fp32, contiguous, torch's threads"),
    "smoke":         (bool,  "a few steps only: does it run at all?"),
}  # fmt: skip
FLAG = re.compile(r"[a-z][a-z0-9-]{0,40}")
SUFFIXES = {"onnx": ".onnx", "torch": ".pt2", "safetensors": ".safetensors"}


class Question(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class Wanted(Question):
    recipe: str = Field(max_length=64)
    flags: dict[str, int | float | str | bool] = Field(default_factory=dict, max_length=40)
    again: bool = False


class Drawing(Question):
    drawing: list[list[float]] = Field(min_length=SIDE, max_length=SIDE)


class Words(Question):
    text: str = Field(min_length=1, max_length=50_000)


class Wish(Question):
    prompt: str = Field("", max_length=10_000)
    count: int = Field(200, ge=1, le=2000)
    seed: int = Field(0, ge=0, lt=2**63)
    temperature: float = Field(1.0, ge=0, le=10, allow_inf_nan=False)


class Measure(Question):
    data: str | None = Field(None, max_length=500)


class Leave(Question):
    to: Literal["onnx", "torch", "safetensors"]


Body = TypeVar("Body", bound=Question)
Handler = Callable[..., Awaitable[Response]]


def plainly(handler: Handler) -> Handler:
    """Every refusal as {"error": ...} with the status that says whose turn it is."""

    @wraps(handler)
    async def answer(*args: Any, **kwargs: Any) -> Response:
        try:
            return await handler(*args, **kwargs)
        except Refused as error:
            return JSONResponse({"error": str(error), "run": error.run}, 409)
        except TooBusy as error:
            return JSONResponse({"error": str(error)}, 429, {"Retry-After": "10"})
        except TooSlow as error:
            return JSONResponse({"error": str(error)}, 504)
        except TooLarge as error:
            return JSONResponse({"error": str(error)}, 413)
        except CallError as error:
            return JSONResponse({"error": str(error)}, 404 if str(error).startswith("no ") else 422)
        except LearnableError as error:
            return JSONResponse({"error": str(error)}, 503 if isinstance(error, WorldError) else 400)

    return answer


class TooLarge(LearnableError):
    """A request that nobody of ours would send."""


# ------------------------------------------------------------------------------------------------- starting


@router.get("/api/recipes/{recipe}")
@plainly
async def about_recipe(recipe: str, request: Request) -> Response:
    return JSONResponse(await described(request.app, recipe))


@router.post("/api/runs")
@plainly
async def start_run(request: Request) -> Response:
    wanted = await body_of(request, Wanted)
    catalog.recipe_row(wanted.recipe)
    words = [wanted.recipe, *await words_of(request.app, wanted.recipe, wanted.flags)]
    trainings = office(request.app).trainings
    start = await run_in_threadpool(trainings.begin, wanted.recipe, words, None, wanted.again)
    return await _begun(start)


@router.get("/api/starts")
@plainly
async def all_starts(request: Request) -> Response:
    trainings = office(request.app).trainings
    return JSONResponse(await run_in_threadpool(lambda: [start.state() for start in trainings.starts()]))


@router.get("/api/starts/{number}")
@plainly
async def one_start(number: str, request: Request) -> Response:
    trainings = office(request.app).trainings
    return JSONResponse(await run_in_threadpool(lambda: trainings.find(number).state()))


@router.post("/api/starts/{number}/stop")
@plainly
async def cancel_start(number: str, request: Request) -> Response:
    trainings = office(request.app).trainings
    await run_in_threadpool(lambda: trainings.cancel(trainings.find(number)))
    return JSONResponse({"stopping": True})


async def _begun(start: Start) -> Response:
    """Wait until the training has taken up its work, or has said why it does not; not for ever."""
    for _ in range(int(PATIENCE / PERIOD)):
        state = await run_in_threadpool(start.state)
        if state["state"] == "failed":
            return JSONResponse(state, 422)
        if state["run"]:
            return JSONResponse(state, 201)
        await asyncio.sleep(PERIOD)
    return JSONResponse(state, 202)


async def words_of(app: Any, recipe: str, flags: Mapping[str, Any]) -> list[str]:
    """Flags as words of a command line, each one word, and only those that the recipe has.

    Raises:
        CallError: another flag, or a value of another kind.
    """
    words = []
    for name, value in flags.items():
        if not FLAG.fullmatch(name):
            raise CallError(f"expected the name of a flag such as learning-rate, came {name[:60]!r}")
        if name in COMMON:
            kind = COMMON[name][0]
        else:
            own = {flag["name"]: flag for flag in (await described(app, recipe))["flags"]}
            if name not in own:
                known = ", ".join(f"--{each}" for each in own)
                raise CallError(f"{recipe} has no flag --{name} that can be set from a page; it has {known}")
            kind = {"int": int, "float": float, "str": str, "bool": bool}[own[name]["type"]]
        words += _word(name, value, kind, own_flag=name not in COMMON)
    return words


def _word(name: str, value: Any, kind: Kind, own_flag: bool) -> list[str]:
    if kind is bool:
        if not isinstance(value, bool):
            raise CallError(f"expected --{name} to be true or false, came {str(value)[:60]!r}")
        if own_flag:
            return [f"--{name}={'true' if value else 'false'}"]
        return [f"--{name}"] if value else []
    if kind is str:
        if not isinstance(value, str) or not 0 < len(value) <= 500 or not value.isprintable():
            raise CallError(f"expected --{name} to be a word of at most 500 letters, came {str(value)[:60]!r}")
        return [f"--{name}={value}"]
    right = isinstance(value, int) and abs(value) < 2**63
    right = right or (kind is float and isinstance(value, float) and math.isfinite(value))
    if isinstance(value, bool) or not right:
        kinds = "a whole number" if kind is int else "a number"
        raise CallError(f"expected --{name} to be {kinds}, came {str(value)[:60]!r}")
    return [f"--{name}={value!r}"]


# ------------------------------------------------------------------------------------------------- looking


@router.get("/api/runs")
@plainly
async def list_runs(
    request: Request, recipe: str | None = None, limit: Annotated[int, Query(ge=1, le=1000)] = 200
) -> Response:
    home = request.app.state.home

    def look() -> dict[str, Any]:
        found = runfiles.folders(home, recipe)
        going = [start.state() for start in office(request.app).trainings.starts()]
        return {"runs": [runfiles.summary(folder) for folder in found[:limit]], "total": len(found),
                "starting": [one for one in going if one["state"] == "starting" and recipe in (None, one["recipe"])]}  # fmt: skip

    return JSONResponse(await run_in_threadpool(look))


@router.get("/api/runs/{recipe}/{when}")
@plainly
async def one_run(recipe: str, when: str, request: Request) -> Response:
    home = request.app.state.home
    return JSONResponse(await run_in_threadpool(lambda: runfiles.details(runfiles.folder_of(home, recipe, when))))


@router.websocket("/api/runs/{recipe}/{when}/live")
async def live(recipe: str, when: str, socket: WebSocket) -> None:
    """History first, then what is new, until the run is finished or nobody looks."""
    await socket.accept()
    try:
        folder = runfiles.folder_of(socket.app.state.home, recipe, when)
    except CallError as error:
        await socket.send_json({"error": str(error)})
        await socket.close(1008)
        return
    watchers = office(socket.app).watchers
    if len(watchers) >= WATCHERS:
        await socket.send_json({"error": f"{WATCHERS} pages are looking at runs already; close one"})
        await socket.close(1013)
        return
    watchers.add(socket)
    try:
        async with anyio.create_task_group() as both:

            async def tell() -> None:
                with contextlib.suppress(WebSocketDisconnect, RuntimeError, OSError):  # the page has gone meanwhile
                    await _tell(socket, folder)
                both.cancel_scope.cancel()

            both.start_soon(tell)
            await _listen(socket)
            both.cancel_scope.cancel()
    finally:
        watchers.discard(socket)
    with contextlib.suppress(WebSocketDisconnect, RuntimeError, OSError):
        await socket.close(1000)


async def _listen(socket: WebSocket) -> None:
    """Nothing is expected; a page that goes away is noticed here."""
    while True:
        message = await socket.receive()
        if message["type"] == "websocket.disconnect":
            return


async def _tell(socket: WebSocket, folder: Path) -> None:
    watched = Watched(folder)
    while True:
        messages, over = await run_in_threadpool(watched.look)
        for message in messages:
            await socket.send_text(json.dumps(message))
        if over:
            return
        await asyncio.sleep(PERIOD if watched.status == "running" else SLOWLY)


class Watched:
    """A run as somebody looks at it: each look gives the messages about what is new since the last one."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.tail = runfiles.Tail(folder)
        self.status = ""
        self.seen: float = 0.0  # when the examples that were shown were written
        self.recent: list[dict[str, Any]] = []
        self.steps = 0

    def look(self) -> tuple[list[dict[str, Any]], bool]:
        """The messages, and whether there will be no more."""
        try:
            return self._look()
        except LearnableError as error:
            return [{"error": str(error), "status": "damaged"}], True
        except (TypeError, ValueError, KeyError, AttributeError) as error:
            return [{"error": f"{runfiles.name_of(self.folder)} is damaged ({error})", "status": "damaged"}], True

    def _look(self) -> tuple[list[dict[str, Any]], bool]:
        known = runfiles.record(self.folder)
        now = runfiles.status(self.folder, known)
        new = self.tail.read()  # after the status: a finished run has written all its rows
        first = not self.status
        messages: list[dict[str, Any]] = []
        self.steps = int(known.get("planned") or known.get("steps") or 0)
        if first or self.tail.again:
            self.recent = new[-20:]
            self.seen = self._examples_written()
            messages.append({**runfiles.details(self.folder), "history": runfiles.curves(new), "status": now,
                             "left": self._left(now)})  # fmt: skip
        else:
            self.recent = [*self.recent, *new][-20:]
            if new:
                messages.append(runfiles.finite({
                    "rows": [{"step": row["step"], **runfiles.flat(row)} for row in new],
                    "step": new[-1]["step"], "steps": self.steps, "left": self._left(now),
                }))  # fmt: skip
            if (written := self._examples_written()) != self.seen:
                self.seen = written
                if (shown := runfiles.examples(self.folder)) is not None:
                    messages.append({"examples": shown})
            if now != self.status:
                about = runfiles.details(self.folder)
                messages.append({key: about[key] for key in ("metrics", "expected", "doctor", "steps", "step", "record")}
                                | {"status": now})  # fmt: skip
        self.status = now
        return messages, now == "finished"

    def _left(self, now: str) -> float | None:
        return runfiles.seconds_left(self.recent, self.steps) if now == "running" else None

    def _examples_written(self) -> float:
        try:
            return (self.folder / "examples.json").stat().st_mtime_ns
        except OSError:
            return 0


# ------------------------------------------------------------------------------------------------- steering


@router.post("/api/runs/{recipe}/{when}/stop")
@plainly
async def stop_run(recipe: str, when: str, request: Request) -> Response:
    folder = runfiles.folder_of(request.app.state.home, recipe, when)
    await run_in_threadpool(office(request.app).trainings.stop, folder)
    return JSONResponse({"stopping": True, "run": runfiles.name_of(folder)}, 202)


@router.post("/api/runs/{recipe}/{when}/resume")
@plainly
async def resume_run(recipe: str, when: str, request: Request) -> Response:
    folder = runfiles.folder_of(request.app.state.home, recipe, when)
    name = runfiles.name_of(folder)
    if await run_in_threadpool(runfiles.status, folder) == "finished":
        raise Refused(f"{name} is finished: there is nothing left to do; train again for another one", name)
    start = await run_in_threadpool(office(request.app).trainings.begin, recipe, ["--resume", str(folder)], folder)
    return await _begun(start)


# ------------------------------------------------------------------------------------------------- using


@router.post("/api/runs/{recipe}/{when}/predict")
@plainly
async def predict(recipe: str, when: str, request: Request) -> Response:
    folder = runfiles.folder_of(request.app.state.home, recipe, when)
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == "application/json":
        content = await _json_question(request)
        suffix = ".csv" if b"," in content[:2000] and b"?" not in content[:2000] and content[:2] != b"P5" else ".txt"
    elif kind.startswith("image/") or kind == "application/octet-stream":
        content, suffix = await _bytes_of(request, PICTURE), ".picture"
        if not content:
            raise CallError("expected a picture, came nothing")
    else:
        raise CallError(f"expected a picture (image/*) or application/json, came {kind[:60] or 'no Content-Type'}")
    with tempfile.TemporaryDirectory(prefix="learnable-") as place:
        file = Path(place) / f"question{suffix}"
        await run_in_threadpool(file.write_bytes, content)
        try:
            answers = await office(request.app).questions.ask("predict", str(folder), str(file), seconds=90)
        except LearnableError as error:
            said = str(error).replace(str(file), "what was sent")
            raise type(error)(said) if isinstance(error, TooBusy | TooSlow) else CallError(said) from error
    return JSONResponse({key: value for key, value in answers[0].items() if key != "file"})


async def _json_question(request: Request) -> bytes:
    """A drawing as a picture (dark ink on light paper, as a hand would), or a text."""
    content = await _bytes_of(request, SHORT)
    if b'"drawing"' not in content[:200]:
        return parsed(content, Words).text.encode("utf-8", errors="replace")
    rows = parsed(content, Drawing).drawing
    if any(len(row) != SIDE or not all(0 <= value <= 1 for value in row) for row in rows):
        raise CallError(f"expected a drawing of {SIDE} rows of {SIDE} numbers from 0 (paper) to 1 (ink)")
    return f"P5 {SIDE} {SIDE} 255\n".encode() + bytes(255 - round(255 * value) for row in rows for value in row)


@router.post("/api/runs/{recipe}/{when}/generate")
@plainly
async def generate(recipe: str, when: str, request: Request) -> Response:
    folder = runfiles.folder_of(request.app.state.home, recipe, when)
    wish = await body_of(request, Wish)
    if "\0" in wish.prompt or any("\ud800" <= letter <= "\udfff" for letter in wish.prompt):
        raise CallError("expected a prompt of letters, came one with signs that no text has")
    words = ["--count", str(wish.count), "--seed", str(wish.seed), "--temperature", repr(float(wish.temperature))]
    if wish.prompt:
        words.append(f"--prompt={wish.prompt}")
    return JSONResponse(await office(request.app).questions.ask("generate", str(folder), *words, seconds=180))


@router.post("/api/runs/{recipe}/{when}/evaluate")
@plainly
async def evaluate(recipe: str, when: str, request: Request) -> Response:
    folder = runfiles.folder_of(request.app.state.home, recipe, when)
    data = (await body_of(request, Measure)).data
    words = _word("data", data, str, own_flag=False) if data is not None else []
    return JSONResponse(await office(request.app).questions.ask("evaluate", str(folder), *words, seconds=300))


@router.post("/api/runs/{recipe}/{when}/export")
@plainly
async def export(recipe: str, when: str, request: Request) -> Response:
    folder = runfiles.folder_of(request.app.state.home, recipe, when)
    to = (await body_of(request, Leave)).to
    path = _exported(folder, to)
    await run_in_threadpool(path.parent.mkdir, exist_ok=True)
    made = await office(request.app).questions.ask(
        "export", str(folder), "--to", to, "--out", str(path), "--overwrite", seconds=300
    )
    return JSONResponse({**made, "download": f"/api/runs/{recipe}/{when}/export/{to}"})


@router.get("/api/runs/{recipe}/{when}/export/{to}")
@plainly
async def download(recipe: str, when: str, to: str, request: Request) -> Response:
    folder = runfiles.folder_of(request.app.state.home, recipe, when)
    if to not in SUFFIXES:
        raise CallError(f"no format '{to[:40]}'; there are {', '.join(SUFFIXES)}")
    path = _exported(folder, to)
    if not path.is_file() or path.is_symlink():
        raise CallError(f"no export of {runfiles.name_of(folder)} to {to} yet; ask for one first")
    return FileResponse(path, media_type="application/octet-stream", filename=path.name)


def _exported(folder: Path, to: str) -> Path:
    return folder / "exports" / (folder.parent.name + SUFFIXES[to])


@router.get("/api/runs/{recipe}/{when}/compare")
@plainly
async def compare(
    recipe: str, when: str, request: Request, other: Annotated[str, Query(alias="with", max_length=140)]
) -> Response:
    home = request.app.state.home
    first = runfiles.folder_of(home, recipe, when)
    second = runfiles.folder_of(home, *(other.split("/") if other.count("/") == 1 else (other, "")))
    curves = await run_in_threadpool(lambda: [runfiles.curves(runfiles.rows(folder)) for folder in (first, second)])
    about = {"runs": [runfiles.name_of(first), runfiles.name_of(second)], "curves": runfiles.finite(curves)}
    try:
        said = await office(request.app).questions.ask("runs", str(first), str(second), seconds=90)
    except CallError as error:  # not finished, measured on other data: the curves can still be looked at
        said = {"verdict": str(error), "metric": None}
    return JSONResponse({**about, **said})


# ------------------------------------------------------------------------------------------------- what all need


async def described(app: Any, recipe: str) -> dict[str, Any]:
    """What there is to know of a recipe before it is trained.

    The table of recipes is asked for once: whoever imports a recipe imports torch, so it is a question to a child.

    Raises:
        CallError: there is no such recipe.
    """
    catalog.recipe_row(recipe)
    desk = office(app)
    if desk.recipes is None or (desk.recipes.done() and desk.recipes.exception()):
        desk.recipes = asyncio.ensure_future(desk.questions.ask("list", "recipes", seconds=120))
    rows = await asyncio.shield(desk.recipes)
    row = next(row for row in rows if row["stem"] == recipe)
    own = [
        {"name": key.replace("_", "-"), "type": type(value).__name__, "default": value, "help": "of this recipe"}
        for key, value in row["settings"].items()
    ]
    common = [
        {"name": name, "type": kind.__name__, "default": None, "help": words}
        for name, (kind, words) in COMMON.items()
        if name not in {flag["name"] for flag in own}
    ]
    return {"recipe": recipe, "promise": row["promise"], "promises": row["promises"], "minutes": row["minutes"],
            "data": row["data"], "flags": [*own, *common]}  # fmt: skip


async def body_of(request: Request, kind: type[Body]) -> Body:
    """The request's JSON as the fields that are asked for."""
    said = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if said != "application/json":
        raise CallError(f"expected application/json, came {said[:60] or 'no Content-Type'}")
    return parsed(await _bytes_of(request, SHORT), kind)


def parsed(content: bytes, kind: type[Body]) -> Body:
    """Raises CallError where it is not JSON, or not these fields."""
    try:
        return kind.model_validate_json(content or b"{}")
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        if first["type"] == "json_invalid":
            raise CallError(f"expected JSON: {first['msg']}") from None
        where = ".".join(str(part) for part in first["loc"])[:80]
        raise CallError(
            f"{where or 'the body'}: {first['msg']}; the fields are {', '.join(kind.model_fields)}"
        ) from None


async def _bytes_of(request: Request, most: int) -> bytes:
    """The body, counted as it arrives.

    Raises:
        TooLarge: it is longer than `most`.
    """
    chunks, size = [], 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > most:
            raise TooLarge(f"expected at most {most:,} bytes, came more")
        chunks.append(chunk)
    return b"".join(chunks)


@dataclass
class Office:
    """What the routes share, one for each application."""

    trainings: Trainings
    questions: Questions
    watchers: set[WebSocket] = field(default_factory=set)
    recipes: asyncio.Future[Any] | None = None  # the table of recipes, asked for once


def office(app: Any) -> Office:
    """The application's, made when it is first needed."""
    found: Office | None = getattr(app.state, "runs_office", None)
    if found is None:
        trainings = Trainings(app.state.home)
        found = app.state.runs_office = Office(trainings, Questions(trainings))
    return found
