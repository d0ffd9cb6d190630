"""The whole course as static files: the same pages, with labs and figures over what was recorded.

    index.html  topics/STEM.html  paths/NAME.html  models/NAME.html  models.html  cheatsheet.html      pages
    labs/STEM/NAME.json  runs/RECIPE.json  cards/STEM.json  search.json  static/         what they fetch

All addresses are relative, so the folder may lie anywhere below any host.
"""

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from learnable import catalog
from learnable.course import cards, search, today
from learnable.errors import WorldError
from learnable.files import write_folder_aside, write_text
from learnable.web.app import STATIC, fill, minutes, model_context, model_pages, models_context, topic_context

MARK = ".learnable-site"  # says that a folder was written here, and may be written anew


def write(out: Path, overwrite: bool, say: Callable[[str], None]) -> dict[str, int]:
    """Write the course into a folder; it appears when it is whole.

    Args:
        say: is told what is being recorded, which takes minutes.

    Raises:
        WorldError: something else stands there, or it cannot be written.
    """
    out = out.absolute()
    old = None
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        if not out.is_dir() or not (out / MARK).exists():
            raise WorldError(f"{out} exists and is no course of ours; nothing was written, choose another folder")
        if not overwrite:
            raise WorldError(f"{out} holds a course already; add --overwrite to replace it")
        old = out
    elif out.exists():
        out.rmdir()
    fresh = out if old is None else out.with_name(f".{out.name}.new")
    if fresh != out and fresh.exists():
        shutil.rmtree(fresh)
    with write_folder_aside(fresh) as folder:
        count = _fill(folder, say)
    if old is not None:
        past = out.with_name(f".{out.name}.old")
        if past.exists():
            shutil.rmtree(past)
        out.rename(past)
        fresh.rename(out)
        shutil.rmtree(past)
    sizes = [file.stat().st_size for file in out.rglob("*") if file.is_file()]
    return {"pages": count, "files": len(sizes), "bytes": sum(sizes)}


def _fill(folder: Path, say: Callable[[str], None]) -> int:
    shutil.copytree(STATIC, folder / "static")
    write_text(folder / MARK, "written by 'learnable site'\n")
    _page(folder, "index.html", "start.html", title="Learnable", where="", **_start())
    _page(
        folder,
        "cheatsheet.html",
        "cheatsheet.html",
        title="Every lesson in one minute",
        where="Cheat sheet",
        entries=minutes(),
    )
    _page(folder, "models.html", "models.html", **models_context())
    count = 3
    for name in model_pages():
        _page(folder, f"models/{name}.html", "model.html", **model_context(name))
        count += 1
    for name in catalog.paths():
        context = today.path_context(None, name)
        _page(folder, f"paths/{name}.html", "path.html", title=context["path"]["title"], where="Paths", **context)
        count += 1
    for topic in catalog.topics():
        context = topic_context(topic.stem, None)
        context["html"] = _recorded(topic.stem, context["html"], folder, say)
        _page(folder, f"topics/{topic.stem}.html", "topic.html", **context)
        count += 1
    write_text(folder / "search.json", json.dumps([_moved(entry) for entry in search.index()], ensure_ascii=False))
    return count


def _start() -> dict[str, Any]:
    context = today.start_context(None)
    return {
        key: value
        for key, value in context.items()
        if key not in ("today", "continue", "recent_runs", "counts", "notice")
    }


def _page(folder: Path, place: str, template: str, **context: Any) -> None:
    root = "../" * place.count("/")
    write_text(folder / place, fill(template, root=root or "./", static=True, **context))


def _moved(entry: dict[str, Any]) -> dict[str, Any]:
    """A hit of the search leads to a file."""
    path, mark, section = entry["href"].partition("#")
    if "://" in path or path.endswith(".html"):
        return dict(entry)
    return {**entry, "href": f"{path.strip('/') or 'index'}.html{mark}{section}"}


def _recorded(stem: str, html: str, folder: Path, say: Callable[[str], None]) -> str:
    """The lesson with the addresses of what was recorded for its labs and runs."""

    def lab(match: re.Match[str]) -> str:
        name = match.group("name")
        say(f"recording the lab {stem}/{name}")
        _record_lab(stem, name, folder / "labs" / stem / f"{name}.json")
        return f'{match.group(0)} data-recording="../labs/{stem}/{name}.json"'

    def run(match: re.Match[str]) -> str:
        recipe = match.group("recipe")
        place = folder / "runs" / f"{recipe}.json"
        if not place.exists() and not _record_run(recipe, place):
            say(
                f"{recipe} has not been trained here: its page shows the result without a curve; first: learnable train {recipe}"
            )
            return match.group(0)
        return f'{match.group(0)} data-recording="../runs/{recipe}.json"'

    def deck(match: re.Match[str]) -> str:
        write_text(folder / "cards" / f"{stem}.json", json.dumps(cards.recorded(stem), ensure_ascii=False))
        return f'{match.group(0)} data-recording="../cards/{stem}.json"'

    html = re.sub(r'<section class="panel" data-panel="cards" data-stem="[\w-]+"', deck, html)
    html = re.sub(r'<section class="panel" data-panel="lab" data-stem="[\w-]+" data-name="(?P<name>[\w-]+)"', lab, html)
    return re.sub(r'<section class="panel" data-panel="run" data-recipe="(?P<recipe>[\w-]+)" data-flags=""', run, html)


def _record_lab(stem: str, name: str, place: Path) -> None:
    import torch

    from learnable.course.labs import compact, find, recording

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        write_text(place, compact(recording(find(stem, name))))
    finally:
        torch.set_num_threads(threads)


def _record_run(recipe: str, place: Path) -> bool:
    """The curve of the latest finished run of a recipe, and what it thought along the way."""
    from learnable.course.trained import learners_own
    from learnable.web.runfiles import recording

    found = learners_own(recipe)
    if found is None:
        return False
    write_text(place, json.dumps(recording(found.folder), ensure_ascii=False))
    return True
