"""Importing a module only defines things: it prints nothing and changes nothing that is global, whichever comes first."""

import json
import subprocess
import sys
from pathlib import Path

# Other people's modules may do at import what they like. They are imported first, so that what changes after is ours.
PROGRAM = r"""
import ast, importlib, json, logging, os, pkgutil, random, signal, sys, threading, warnings

seed, answer = int(sys.argv[1]), sys.argv[2]
import learnable
names = sorted(module.name for module in pkgutil.walk_packages(learnable.__path__, "learnable."))
names = [name for name in names if not name.endswith("__main__")]

for name in names:
    file = importlib.util.find_spec(name).origin
    for node in ast.parse(open(file, encoding="utf-8").read()).body:
        others = [n.name for n in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom) and node.level == 0:
            others = [node.module] + [f"{node.module}.{n.name}" for n in node.names]
        for other in others:
            if other.split(".")[0] != "learnable":
                try:
                    importlib.import_module(other)
                except ImportError:
                    pass  # a name within a module
for name in [n for n in sys.modules if n.startswith("learnable.")]:
    del sys.modules[name]

import numpy, torch

def state():
    digest = lambda value: hash(str(value))
    matplotlib = sys.modules.get("matplotlib")
    return {
        "torch's default dtype": str(torch.get_default_dtype()),
        "torch's default device": str(torch.get_default_device()),
        "torch's gradient mode": torch.is_grad_enabled(),
        "torch's threads": [torch.get_num_threads(), torch.get_num_interop_threads()],
        "torch's generator": digest(torch.get_rng_state().tolist()),
        "torch's determinism": torch.are_deterministic_algorithms_enabled(),
        "torch's anomaly mode": torch.is_anomaly_enabled(),
        "torch's precision": torch.get_float32_matmul_precision(),
        "torch's cuDNN": [torch.backends.cudnn.benchmark, torch.backends.cudnn.deterministic],
        "torch's printing": str(torch._tensor_str.PRINT_OPTS),
        "numpy's errors": numpy.geterr(),
        "numpy's generator": digest(numpy.random.get_state()),
        "numpy's printing": str(numpy.get_printoptions()),
        "random's generator": digest(random.getstate()),
        "matplotlib's settings": digest(dict(matplotlib.rcParams)) if matplotlib else 0,
        "warnings' filters": [str(f) for f in warnings.filters],
        "logging's root": [logging.root.level, len(logging.root.handlers), logging.root.manager.disable],
        "threads": sorted(t.name for t in threading.enumerate()),
        "signals": [str(signal.getsignal(s)) for s in (signal.SIGINT, signal.SIGTERM)],
        "environment": dict(os.environ),
        "folder": os.getcwd(),
        "path": sys.path,
        "hooks": [str(sys.excepthook), str(sys.displayhook), str(sys.breakpointhook)],
        "recursion": sys.getrecursionlimit(),
    }

random.Random(seed).shuffle(names)
before = json.dumps(state())
guilty = {}
print("---- ours", flush=True)
print("---- ours", file=sys.stderr, flush=True)
for name in names:
    importlib.import_module(name)
    after = json.dumps(state())
    if after != before:
        old, new = json.loads(before), json.loads(after)
        guilty[name] = [key for key in new if new[key] != old[key]]
        before = after
json.dump({"modules": names, "guilty": guilty}, open(answer, "w"))
"""


def test_importing_prints_nothing_and_changes_nothing(tmp_path: Path):
    seed, answer = 0, tmp_path / "answer.json"
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(seed), str(answer)], capture_output=True, text=True, cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(answer.read_text())
    assert "learnable.catalog" in found["modules"] and "learnable.train.loop" in found["modules"]
    assert found["guilty"] == {}
    for stream in (done.stdout, done.stderr):
        assert stream.split("---- ours\n", 1)[1] == ""


HEAVY = {
    "torch", "numpy", "pandas", "matplotlib", "sklearn", "scipy", "PIL", "einops", "jaxtyping", "safetensors",
    "accelerate", "fastapi", "uvicorn", "pooch", "transformers", "onnx",
}  # fmt: skip


def test_the_command_line_starts_without_anything_heavy():
    code = "import sys, learnable.cli.main; print(*sorted({name.split('.')[0] for name in sys.modules}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "typer" in done.stdout.split()
    assert HEAVY & set(done.stdout.split()) == set()
