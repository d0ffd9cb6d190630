"""What the course remembers of its learner, for its pages: progress, cards, what to do today.

    GET  /api/progress            all pages, exercises, days; the chosen path; a notice if the file was damaged
    POST /api/progress            {"stem", "position"?, "seconds"?, "done"?, "section"?}; who comes to the end and took the time is done
    POST /api/progress/path       {"name"}: choose a path
    GET  /api/progress/export     a file to keep         POST /api/progress/import    and back
    GET  /api/cards?stem=&all=    what is asked now      POST /api/cards/STEM         its cards enter the schedule
    POST /api/cards/STEM/ID       {"rating": 1 to 4, "seen"?}
    GET  /api/today?minutes=

SQLite is used in threads, so that no page waits for another's disk.
"""

from typing import Annotated, Any

from fastapi import APIRouter, Body, Query, Request
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel, ConfigDict, Field, StrictBool
from starlette.concurrency import run_in_threadpool

from learnable import catalog
from learnable.course import cards, today
from learnable.course.page import has_lesson
from learnable.course.progress import Progress
from learnable.errors import CallError

router = APIRouter()

Stem = Annotated[str, Query(max_length=80)]
Strict = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)


class Visit(BaseModel):
    """What a page says of its reader every few seconds."""

    model_config = Strict
    stem: str = Field(max_length=80)
    position: float | None = Field(default=None, ge=0, le=1)
    seconds: float = Field(default=0.0, ge=0, le=3600)
    done: StrictBool | None = None
    section: str | None = Field(default=None, max_length=200)


class Rating(BaseModel):
    """An answer to a card; `seen` is how many it had when it was shown."""

    model_config = Strict
    rating: int = Field(ge=1, le=4)
    seen: int | None = Field(default=None, ge=0)


class Choice(BaseModel):
    """A path."""

    model_config = Strict
    name: str = Field(max_length=80)


@router.get("/api/progress")
async def get_progress(request: Request) -> dict[str, Any]:
    """Everything that is remembered, in short."""
    progress = of(request)

    def work() -> dict[str, Any]:
        return {
            "pages": [row._asdict() for row in progress.pages()],
            "exercises": [row._asdict() for row in progress.exercises()],
            "days": [row._asdict() for row in progress.days()],
            "done": sorted(progress.done()),
            "path": today.chosen(progress).name,
            "notice": progress.notice(),
        }

    return await run_in_threadpool(work)


@router.post("/api/progress")
async def post_progress(request: Request, visit: Visit) -> dict[str, Any]:
    """Note that a page is being read; when it is done its cards enter."""
    progress = of(request)

    def work() -> dict[str, Any]:
        stem = catalog.find(visit.stem).stem
        if not has_lesson(stem):
            raise CallError(f"the lesson on {stem} is not written yet; nothing was noted")
        progress.visit(stem, visit.position, visit.seconds, visit.done, visit.section)
        row = progress.page(stem)
        assert row is not None
        if visit.done is None and row.done is None and row.position == 1 and row.seconds >= enough(stem):
            progress.visit(stem, done=True)
            row = row._replace(done=row.last)
        if row.done is not None:
            cards.enter(progress, stem)
        return row._asdict()

    return await run_in_threadpool(work)


def enough(stem: str) -> float:
    """Seconds after which somebody who is at the end of a page has read it, and not only scrolled there."""
    return 60 * catalog.find(stem).minutes.reading / 6


@router.post("/api/progress/path")
async def post_path(request: Request, choice: Choice) -> dict[str, Any]:
    """Choose the path that `today` follows."""
    await run_in_threadpool(today.choose, of(request), choice.name)
    return {"path": choice.name}


@router.get("/api/progress/export")
async def get_export(request: Request) -> Response:
    """All of it, as a file to keep."""
    found = await run_in_threadpool(of(request).export)
    return JSONResponse(found, headers={"Content-Disposition": 'attachment; filename="learnable-progress.json"'})


@router.post("/api/progress/import")
async def post_import(request: Request, value: Annotated[Any, Body()]) -> dict[str, Any]:
    """Take an export in; twice is as once."""
    return {"changed": await run_in_threadpool(of(request).merge, value)}


@router.get("/api/cards")
async def get_cards(
    request: Request, stem: Stem | None = None, all: Annotated[bool, Query()] = False
) -> dict[str, Any]:
    """The cards to be asked now, with the next intervals; with `all`, what is not due yet at the end."""
    return await run_in_threadpool(cards.summary, of(request), stem, all)


@router.post("/api/cards/{stem}")
async def post_enter(request: Request, stem: str) -> dict[str, Any]:
    """The panel of a lesson was used: its cards enter."""
    progress = of(request)

    def work() -> dict[str, Any]:
        cards.enter(progress, catalog.find(stem).stem)
        return {"entered": len(progress.cards(stem))}

    return await run_in_threadpool(work)


@router.post("/api/cards/{stem}/{id}")
async def post_rating(request: Request, stem: str, id: str, rating: Rating) -> Any:
    """Answer a card. 409: it was answered elsewhere meanwhile."""
    progress = of(request)

    def work() -> dict[str, Any]:
        row = cards.rate(progress, stem, id, rating.rating, rating.seen)
        now = progress.clock()
        card = cards.to_json(cards.Asked(cards.find(stem, id), row, cards.is_due(row, now)), now)
        wait = (row.due or now) - now
        return {"card": card, "due": cards.moment(row.due), "seconds": round(wait), "in": cards.words(wait),
                "next": cards.moment(cards.upcoming(progress)), "left": len(cards.asked(progress))}  # fmt: skip

    try:
        return await run_in_threadpool(work)
    except cards.Answered as error:
        return JSONResponse({"error": str(error)}, 409)


@router.get("/api/today")
async def get_today(request: Request, minutes: Annotated[int, Query(ge=1, le=1440)] = today.MINUTES) -> dict[str, Any]:
    """What to do now, as much as fits."""
    items = await run_in_threadpool(today.today, request.app.state.home, minutes)
    return {"minutes": minutes, "items": items}


def of(request: Request) -> Progress:
    """The progress of the learner whose server this is."""
    return Progress(request.app.state.home)
