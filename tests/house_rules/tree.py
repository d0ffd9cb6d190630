"""What the house rules look at: the files of the repository and the modules of the package."""

import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src" / "learnable"
TESTS = ROOT / "tests"

MADE = re.compile(r"\.(?!ci$|github$).*|__pycache__|build|dist|.*\.egg-info")  # folders that nobody wrote


def files() -> list[Path]:
    """Every file that is in the repository or about to be; without git (a source archive) every file that is there."""
    try:
        listed = subprocess.run(
            ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
            cwd=ROOT, capture_output=True, check=True,
        ).stdout.decode()  # fmt: skip
        found = [ROOT / name for name in listed.split("\0") if name]
    except (OSError, subprocess.CalledProcessError):
        found = [path for path in ROOT.rglob("*") if not any(map(MADE.fullmatch, path.relative_to(ROOT).parts[:-1]))]
    return sorted(path for path in found if path.is_file() and not path.is_symlink())


def texts() -> dict[str, str]:
    """The files that are text: path within the repository -> what it says."""
    found = {}
    for path in files():
        try:
            found[path.relative_to(ROOT).as_posix()] = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue
    return found


def modules() -> dict[str, Path]:
    """Every module of the package: dotted name -> file. The package itself and `__init__` files are left out."""
    found = {}
    for path in sorted(SOURCE.rglob("*.py")):
        if path.name != "__init__.py" and "__pycache__" not in path.parts:
            found[".".join(path.relative_to(SOURCE.parent).with_suffix("").parts)] = path
    return found


def is_private(module: str) -> bool:
    return any(part.startswith("_") for part in module.split("."))
