"""A model without Learnable: what is copied stands alone, and agrees with the reference there, too."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from learnable import catalog, models
from learnable.errors import CallError, WorldError
from learnable.runs import copying

FORBID = """
import sys

class Forbidden:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("learnable", "jaxtyping"):
            raise ImportError(f"{name} is not for the copy")

sys.meta_path.insert(0, Forbidden())
"""
# Each in turn: its package afresh, what its README shows, and that every name it offers is there.
PROGRAM = r"""
import importlib, json, re, sys
from pathlib import Path

for folder in sys.argv[1:]:
    text = Path(folder, "README.md").read_text()
    [example] = re.findall(r"```python\n(.*?)```", text, re.S)
    sys.path.insert(0, folder)
    [package] = [path.parent.name for path in Path(folder).glob("*/__init__.py")]
    module = importlib.import_module(package)
    assert all(getattr(module, name) is not None for name in module.__all__)
    for file in Path(folder, package).glob("*.py"):
        importlib.import_module(f"{package}.{file.stem}".removesuffix(".__init__"))
    seen = {}
    *before, last = example.strip().splitlines()
    exec("\n".join(before), seen)
    print(json.dumps([package, str(eval(last, seen))]), flush=True)
    sys.path.remove(folder)
"""
FAMILIES = sorted({row.target.partition(":")[0].rpartition(".")[2] for row in catalog.models()})


def alone(tmp_path: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """A Python in which nobody finds Learnable."""
    (tmp_path / "sitecustomize.py").write_text(FORBID)
    return subprocess.run(
        [sys.executable, *words], cwd=tmp_path, capture_output=True, text=True,
        env=os.environ | {"PYTHONPATH": str(tmp_path), "OMP_NUM_THREADS": "1"},
    )  # fmt: skip


def test_every_model_stands_alone(tmp_path: Path):
    for family in FAMILIES:
        copied = copying.copy(family, tmp_path / family)
        text = "\n".join(path.read_text() for path in copied.folder.rglob("*.py"))
        assert not re.search(r"^\s*(from|import) (learnable|jaxtyping|parity|benchmarks)\b", text, re.M), family
        assert "torch" in copied.needs and {"learnable", "jaxtyping"} & set(copied.needs) == set()
    done = alone(tmp_path, "-c", PROGRAM, *(str(tmp_path / family) for family in FAMILIES))
    assert done.returncode == 0, done.stderr
    said = dict(json.loads(line) for line in done.stdout.splitlines())
    assert said.keys() == set(FAMILIES) and said["resnet"] == "torch.Size([2, 10])"


def test_every_published_family_takes_its_parity_test_along(tmp_path: Path):
    for module in sorted({variant.module for variant in models.variants().values()}):
        copied = copying.copy(module.rpartition(".")[2], tmp_path / module)
        assert copied.tests, module


@pytest.mark.slow
@pytest.mark.parametrize("name, chosen", [("gpt", "one and block"), ("resnet", "agrees_with_torchvision and basic")])
def test_the_parity_test_runs_there(tmp_path: Path, name: str, chosen: str):
    pytest.importorskip("transformers")
    folder = copying.copy(name, tmp_path / name).folder
    done = alone(tmp_path, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-c", os.devnull, f"--rootdir={folder}",
                 str(folder / "tests"), "-k", chosen)  # fmt: skip
    assert done.returncode == 0 and " passed" in done.stdout and "skipped" not in done.stdout, done.stdout + done.stderr
    broken = folder / name / f"{name}.py"
    broken.write_text(
        broken.read_text().replace("x = x + self.position", "x = x - self.position").replace("y.add_(", "y.sub_(")
    )
    if name == "resnet":  # the test that was copied looks at the copy
        done = alone(tmp_path, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "-c", os.devnull, f"--rootdir={folder}",
                     str(folder / "tests"), "-k", chosen)  # fmt: skip
        assert done.returncode == 1 and "logits differ" in done.stdout


def test_names_stems_classes_variants(tmp_path: Path):
    for number, name in enumerate(
        ("resnet", "ResNet", "resnet50", "vit_base_patch16_224", "modern_gpt", "self-attention")
    ):
        copied = copying.copy(name, tmp_path / str(number))
        assert (copied.folder / copied.package / f"{copied.package}.py").is_file()
        assert "Apache License" in (copied.folder / "LICENSE").read_text()
        assert f"`learnable copy {name}`" in (copied.folder / "README.md").read_text()
    assert copying.copy("self-attention", tmp_path / "recall").package == "recall"
    with pytest.raises(CallError, match="no model 'resnat'; did you mean 'resnet'"):
        copying.copy("resnat", tmp_path / "x")
    assert not (tmp_path / "x").exists()


def test_what_stands_there_is_not_lost(tmp_path: Path):
    folder = tmp_path / "mine"
    folder.mkdir()
    copying.copy("gan", folder)  # an empty one is welcome
    (folder / "README.md").write_text("mine")
    (folder / "notes.txt").write_text("mine, too")
    with pytest.raises(WorldError, match="is not empty; nothing was written"):
        copying.copy("gan", folder)
    assert (folder / "README.md").read_text() == "mine"
    copied = copying.copy("gan", folder, force=True)
    assert (folder / "README.md").read_text() != "mine" and (folder / "notes.txt").read_text() == "mine, too"
    assert {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()} == {
        *copied.files,
        "notes.txt",
    }
    with pytest.raises(WorldError, match="came the file"):
        copying.copy("gan", folder / "notes.txt")


def test_shapes_stay_readable():
    source = "from jaxtyping import Float, Int\n\ndef f(x: Float[Tensor, 'a b'] | None, *, y: Int[Tensor, 'é']) -> None: ...\n"
    assert copying._rewritten(source, {"learnable.a": "a"}, "") == (
        "from typing import Annotated\n\n"
        "def f(x: Annotated[Tensor, \"float\", 'a b'] | None, *, y: Annotated[Tensor, \"int\", 'é']) -> None: ...\n"
    )
