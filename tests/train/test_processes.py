"""Several processes are one: after 20 steps the same weights, with one player and with two, in DDP and in FSDP2."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))


def torchrun(*words: str, out: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(HERE.parent)}
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "--master-port", str(port)]
    done = subprocess.run(
        [*command, str(HERE / "players.py"), str(out), *words], capture_output=True, text=True, env=environment
    )
    assert done.returncode == 0, done.stderr[-3000:]


@pytest.mark.parametrize("parallel", ["ddp", "fsdp"])
@pytest.mark.parametrize("kind, apart", [("float64", 1e-12), ("float32", 1e-6)])
def test_two_processes_equal_one(parallel, kind, apart, tmp_path):
    import players

    games = ["one", "two", "gpt"]
    if kind == "float64":  # Muon raises the smallest singular values 500 times, and with them float32's rounding
        games.append("muon")
    torchrun(parallel, kind, *games, out=tmp_path)
    for game in games:
        alone = players.play(game, "ddp", getattr(torch, kind), accumulate=1)
        together = load_file(tmp_path / f"{game}.safetensors")
        assert alone is not None and set(together) == set(alone)
        for name, tensor in alone.items():
            difference = (tensor - together[name]).abs().max().item()
            assert difference <= apart, f"{game}, {name}: {difference:.2e}"
