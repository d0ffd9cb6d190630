"""torch.hub finds every variant in a checkout, without an installation."""

import json
import subprocess
import sys
from pathlib import Path

from house_rules.tree import ROOT

PROGRAM = """
import importlib.util, json, sys, torch
place = sys.argv[1]
model = torch.hub.load(place, "resnet18", source="local", pretrained=False, classes=10)
body = torch.hub.load(place, "resnet18", source="local", channels=1, features_only=True)
reader = torch.hub.load(place, "bert_tiny", source="local", classes=3)
spec = importlib.util.spec_from_file_location("hubconf", place + "/hubconf.py")
hubconf = importlib.util.module_from_spec(spec)
spec.loader.exec_module(hubconf)
import learnable
from learnable import models
try:
    torch.hub.load(place, "resnet18", source="local", classes=0)
except models.CallError as error:
    wrong = str(error)
print(json.dumps({
    "from": learnable.__file__, "shape": list(model(torch.rand(1, 3, 64, 64)).shape), "wrong": wrong,
    "maps": len(body(torch.rand(1, 1, 64, 64))), "read": list(reader(torch.tensor([[5, 6]])).shape),
    "listed": [name for name, value in vars(hubconf).items() if callable(value) and name[0] != "_"],
    "variants": len(models.variants()),
}))
"""


def test_every_variant_is_loaded_from_the_checkout(tmp_path: Path):
    done = subprocess.run([sys.executable, "-c", PROGRAM, str(ROOT)], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert Path(said["from"]) == ROOT / "src" / "learnable" / "__init__.py"
    assert said["shape"] == [1, 10] and said["maps"] == 4 and said["read"] == [1, 3]
    assert "expected classes of at least 1, came 0" in said["wrong"]
    assert len(said["listed"]) == said["variants"] and {"resnet50", "gpt2_small", "llama_3_1_8b"} <= set(said["listed"])
