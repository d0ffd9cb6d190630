"""Exercises in the page: the learner's own file, read, saved, checked, watched.

    GET  /api/exercises/STEM             the text, the parts, what has been passed
    PUT  /api/exercises/STEM             {"text", "seen"}: save; 409 with both versions if the file is another by now
    POST /api/exercises/STEM/check       {"name"?, "text"?}: the verdict on the file, or on a text that is not saved
    POST /api/exercises/STEM/hint        {"name", "number"?}: that hint, or the next
    POST /api/exercises/STEM/solution    {"name"}
    POST /api/exercises/STEM/reset       the stubs again; the old file is kept
    WebSocket /api/exercises/STEM/watch  {"text", "hash"} and then {"checks"}, when the file is saved in another editor

The learner's code never runs in this process, and torch is not imported here: see `learnable.course.grader`.
"""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from fastapi import APIRouter, FastAPI, Request, WebSocket, WebSocketDisconnect
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field
from starlette.concurrency import run_in_threadpool

from learnable.course import exercises as course
from learnable.course.grader.grader import TEXT, AsyncGrader
from learnable.errors import LearnableError

log = logging.getLogger(__name__)
router = APIRouter(prefix="/api/exercises")

Strict = ConfigDict(extra="forbid", strict=True)


class Save(BaseModel):
    """A text, and the hash of the one that it was made from."""

    model_config = Strict
    text: str = Field(max_length=TEXT)
    seen: str = Field(max_length=80)


class Check(BaseModel):
    """What to check: a part, or all."""

    model_config = Strict
    name: str | None = Field(default=None, max_length=80)
    text: str | None = Field(default=None, max_length=TEXT)


class Hint(BaseModel):
    """Which hint, counted from 1; the next, if no number is given."""

    model_config = Strict
    name: str = Field(max_length=80)
    number: int | None = Field(default=None, ge=1, le=100)


class Named(BaseModel):
    """A part."""

    model_config = Strict
    name: str = Field(max_length=80)


@contextlib.asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """As long as the server lives: a grader, which warms up when the first exercise is looked at."""
    grader = app.state.grader = AsyncGrader()
    app.state.exercises_saved = {}
    try:
        yield
    finally:
        await grader.close()


@router.get("/{stem}")
async def get_exercises(stem: str, request: Request) -> dict[str, Any]:
    """The learner's file, made if it is missing."""

    def work() -> dict[str, Any]:
        exercises = course.find(stem)
        file, text = course.opened(exercises)
        done = course.record(stem)
        return {
            "text": text, "hash": course.hash_of(text), "file": str(file), "stub": text == exercises.stub_text(),
            "parts": [{"name": part.name, "title": part.title, "passed": bool(done.get(part.name, {}).get("passed")),
                       "hints": list(part.hints[: _count(done.get(part.name, {}).get("hints"))])} for part in exercises.parts],
        }  # fmt: skip

    found = await run_in_threadpool(work)
    await request.app.state.grader.start()
    return found


@router.put("/{stem}")
async def put_exercises(stem: str, save: Save, request: Request) -> JSONResponse:
    """Save the learner's file, unless it was changed elsewhere meanwhile."""

    def work() -> JSONResponse:
        exercises = course.find(stem)
        request.app.state.exercises_saved[stem] = course.hash_of(course.tidy(save.text))
        try:
            return JSONResponse({"hash": course.save(exercises, save.text, save.seen)})
        except course.Conflict as error:
            text = course.text_of(course.file_of(stem))
            return JSONResponse({"error": str(error), "text": text, "hash": course.hash_of(text)}, 409)

    return await run_in_threadpool(work)


@router.post("/{stem}/check")
async def post_check(stem: str, check: Check, request: Request) -> dict[str, Any]:
    """The verdict; what passed is remembered."""
    exercises = await run_in_threadpool(course.find, stem)
    text = check.text
    if text is None:
        _, text = await run_in_threadpool(course.opened, exercises)
    verdict = await request.app.state.grader.check(exercises, text, [check.name] if check.name else [])
    await run_in_threadpool(course.note_verdict, exercises, verdict, request.app.state.home)
    return {**verdict}


@router.post("/{stem}/hint")
async def post_hint(stem: str, hint: Hint) -> dict[str, Any]:
    """A hint."""

    def work() -> dict[str, Any]:
        exercises = course.find(stem)
        part = exercises.part(hint.name)
        if hint.number is None:
            number, text = course.next_hint(exercises, hint.name)
        else:
            number = min(hint.number, len(part.hints))
            text = part.hints[number - 1]
            known = _count(course.record(stem).get(hint.name, {}).get("hints"))
            course.remember(stem, hint.name, hints=max(number, known))
        return {"name": part.name, "number": number, "count": len(part.hints), "text": text}

    return await run_in_threadpool(work)


@router.post("/{stem}/solution")
async def post_solution(stem: str, named: Named) -> dict[str, Any]:
    """Our solution, and a word on it."""

    def work() -> dict[str, Any]:
        exercises = course.find(stem)
        part = exercises.part(named.name)
        return {"name": part.name, "text": exercises.with_solution(part.name), "why": part.why}

    return await run_in_threadpool(work)


@router.post("/{stem}/reset")
async def post_reset(stem: str, request: Request) -> dict[str, Any]:
    """Begin anew; the old file is kept beside."""

    def work() -> dict[str, Any]:
        exercises = course.find(stem)
        request.app.state.exercises_saved[stem] = course.hash_of(exercises.stub_text())
        text, backup = course.reset(exercises)
        return {"text": text, "hash": course.hash_of(text), "backup": str(backup) if backup else None}

    return await run_in_threadpool(work)


@router.websocket("/{stem}/watch")
async def watch_exercises(socket: WebSocket, stem: str) -> None:
    """Tell the page when the file is saved by another program, and what that changed."""
    try:
        exercises = await run_in_threadpool(course.find, stem)
        file, text = await run_in_threadpool(course.opened, exercises)
    except LearnableError as error:
        await socket.close(1008, str(error)[:100])
        return
    await socket.accept()
    stop = asyncio.Event()
    telling = asyncio.create_task(_tell(socket, exercises, file, text, stop))
    try:
        while True:
            await socket.receive_text()  # the page says nothing; this is how its leaving is heard
    except (WebSocketDisconnect, RuntimeError, KeyError):
        pass
    finally:
        stop.set()
        telling.cancel()
        with contextlib.suppress(asyncio.CancelledError, Exception):
            await telling


async def _tell(socket: WebSocket, exercises: course.Exercises, file: Path, text: str, stop: asyncio.Event) -> None:
    from watchfiles import awatch

    state = socket.app.state
    # The folder is watched, not the file: most editors put a new file in the old one's place.
    async for changes in awatch(file.parent, stop_event=stop, step=50, debounce=200, recursive=False):
        if not any(Path(path).name == file.name for _, path in changes):
            continue
        try:
            new = await run_in_threadpool(course.text_of, file)
        except LearnableError as error:  # between two saves, or broken for now
            await socket.send_json({"error": str(error)})
            continue
        if new == text:
            continue
        text = new
        await socket.send_json({"text": text, "hash": course.hash_of(text)})
        if state.exercises_saved.get(exercises.stem) == course.hash_of(text):
            continue  # this course wrote it: the page asks for a check itself
        try:
            verdict = await state.grader.check(exercises, text)
            await run_in_threadpool(course.note_verdict, exercises, verdict, state.home)
        except LearnableError as error:
            verdict = {"error": str(error)}
        except Exception as error:  # whatever it is, the next save is to be told too
            log.exception("the check of %s broke down", exercises.stem)
            verdict = {"error": f"the check broke down, by our fault ({type(error).__name__}); save again to try again"}
        await socket.send_json(verdict)


def _count(value: Any) -> int:
    return value if isinstance(value, int) and value > 0 else 0
