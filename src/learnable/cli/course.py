"""`open`, `figures`, `notebook`, `site`: the course in the browser, and out of it."""

import os
import sys
from pathlib import Path

from learnable.cli.show import emit, note, say

PORT = 8765  # tried first; any free one if it is taken and none was asked for


def open_course(topic: str | None, port: int | None, browser: bool) -> None:
    """Serve the course until Ctrl-C, and print the one line with its address."""
    from learnable import catalog
    from learnable.errors import WorldError
    from learnable.home import home
    from learnable.serve.door import listen
    from learnable.web.app import open_course as serve_course

    path = f"/topics/{catalog.find(topic).stem}" if topic else "/"
    if port is None:
        try:
            listen("127.0.0.1", PORT).close()
            port = PORT
        except WorldError:  # another course is open, say
            port = 0

    def told(address: str) -> None:
        say(f"learnable: {address}")
        if browser and sys.stdout.isatty():
            note("the course is open in your browser; Ctrl-C here ends it")

    serve_course(home(), port, told, path, browser and may_open_a_browser())


def may_open_a_browser() -> bool:
    """Whether somebody sits before a screen: a browser opened over a line to another machine helps nobody."""
    if sys.platform in ("win32", "darwin"):
        return True
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def figures(stem: str, names: list[str], json: bool) -> None:
    """Measure a lesson's figures again."""
    from learnable.course.figures import draw

    written = draw(stem, names)
    if json:
        emit([str(path) for path in written])
    else:
        for path in written:
            say(f"written: {path}")


def notebook(stem: str, out: Path | None, overwrite: bool, json: bool) -> None:
    """Write a lesson as a notebook."""
    from learnable.course.notebook import write

    path = write(stem, out or Path(f"{stem}.ipynb"), overwrite)
    if json:
        emit({"path": str(path)})
    else:
        say(f"{path}: open it with Jupyter; it runs from top to bottom wherever learnable is installed")


def site(out: Path, overwrite: bool, json: bool) -> None:
    """Write the course as static files."""
    from learnable.web.site import write

    written = write(out, overwrite, note)
    if json:
        emit(written)
    else:
        say(f"{out}: {written['pages']} pages, {written['files']} files, {written['bytes'] / 1e6:.1f} MB; "
            f"look at it by: python -m http.server --directory {out}")  # fmt: skip
