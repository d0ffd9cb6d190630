"""Every model at its published size against the standard one: time forward, time forward and backward, and peak memory.

Eight pictures of 224x224, or 4 texts of 256 tokens; the same weights, threads, data type and attention kernel on both sides,
which take turns. Forward is in eval mode without gradients, forward and backward in train mode, dropout off.

    python -m benchmarks.models                    one variant of each family
    python -m benchmarks.models resnet18 vgg11_bn  these
    python -m benchmarks.models --save             write learnable/models/speed.json, which the models' pages quote
"""

import importlib
import json
import math
import platform
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, replace
from datetime import date
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks import kernels
from learnable import models
from learnable.files import write_json
from learnable.models.language import bert, gpt, llama, modern_gpt, transformer
from learnable.models.language.torch_transformer import torch_transformer
from learnable.weights import bert as bert_files
from learnable.weights import gpt as gpt_files
from learnable.weights import llama as llama_files
from learnable.weights import modern_gpt as modern_files
from learnable.weights import transformer as torch_files
from learnable.weights.images import Format
from learnable.weights.table import translate

RESULT = Path(models.__file__).with_name("speed.json")
NAMES = (
    "alexnet", "vgg16", "resnet50", "densenet121", "mobilenet_v1", "mobilenet_v2", "mobilenet_v3_large", "shufflenet_v2_x1_0",
    "efficientnet_b0", "vit_s_16", "vit_b_16", "swin_t", "gpt2-small", "smollm2-135m", "bert-base", "roberta-base",
    "transformer-base", "nanochat-d20",
)  # fmt: skip
KINDS = ("forward", "forward + backward", "memory")
BOUNDS = {
    "forward, geometric mean": 1.03, "forward + backward, geometric mean": 1.03, "memory, geometric mean": 1.03,
    "forward, largest": 1.08, "forward + backward, largest": 1.08, "memory, largest": 1.08,
}  # fmt: skip
SECONDS = 4.0  # of measuring, for each model and kind
PICTURES, TEXTS, TOKENS = 8, 4, 256

Side = tuple[nn.Module, Callable[[nn.Module], Tensor]]  # a model, and what it says of the batch


def pair(name: str, library: str = "") -> tuple[Side, Side, str]:
    """Ours and theirs with the same weights, and whose theirs is; of pictures, the library may be chosen."""
    kernels.install()
    torch.manual_seed(0)
    variant = models.find(name)
    build = TEXT_MODELS.get(variant.family)
    ours, theirs, library = build(variant) if build else of_pictures(variant, library)
    for model in (ours[0], theirs[0]):
        for module in model.modules():
            if isinstance(module, nn.Dropout):
                module.p = 0.0
    return ours, theirs, library


def of_pictures(variant: models.Variant, library: str = "") -> tuple[Side, Side, str]:
    """torchvision's model where it has one, else timm's, if no library is named."""
    import timm
    import torchvision

    forms = formats(variant)
    has_it = "torchvision" in forms and hasattr(torchvision.models, variant.name)
    library = library or ("torchvision" if has_it else "timm")
    form = forms[library]
    called = form.names.get(variant.name, variant.name)
    theirs = getattr(torchvision.models, called)() if library == "torchvision" else timm.create_model(called)
    ours = models.create(variant.name)
    for model in (ours, theirs):
        for module in model.modules():
            if type(module).__name__ in ("StochasticDepth", "DropPath", "DropPaths"):
                module.p = module.drop_prob = 0.0
    ours.load_state_dict(translate(form.change(theirs.state_dict()), form.rows(variant.config), like=ours.state_dict()))
    image = torch.randn(PICTURES, 3, 224, 224, generator=torch.Generator().manual_seed(1))

    def logits(model: nn.Module) -> Tensor:
        return model(image)  # type: ignore[no-any-return]

    return (ours, logits), (theirs, logits), library


def formats(variant: models.Variant) -> dict[str, Format]:
    """How each library writes this architecture down."""
    prefix = {"MobileNetV1": "V1_", "MobileNetV2": "V2_", "MobileNetV3": "V3_"}.get(variant.family, "")
    rows: tuple[Format, ...] = getattr(importlib.import_module(variant.weights), prefix + "FORMATS")
    return {form.library: form for form in rows}


def tokens(vocab: int) -> Tensor:
    return torch.randint(vocab, (TEXTS, TOKENS), generator=torch.Generator().manual_seed(1))


def of_gpt(variant: models.Variant) -> tuple[Side, Side, str]:
    import transformers

    ours = gpt.GPT(variant.config)
    said = gpt_files.config_json(vars(variant.config), torch.float32)
    theirs = transformers.GPT2LMHeadModel(transformers.GPT2Config(**said, attn_implementation="sdpa", use_cache=False))
    ours.load_state_dict(translate(theirs.transformer.state_dict(), gpt_files.TABLE, like=ours.state_dict()))
    return language(ours, theirs, tokens(variant.config.vocab))


def of_llama(variant: models.Variant) -> tuple[Side, Side, str]:
    import transformers

    config = variant.config
    said = llama_files.config_json({**asdict(config), "scaling": config.scaling}, torch.float32)
    kind = said["architectures"][0]
    settings = getattr(transformers, kind.replace("ForCausalLM", "Config"))(
        **said, attn_implementation="sdpa", use_cache=False
    )
    theirs = getattr(transformers, kind)(settings)
    ours = llama.Llama(config)
    state = llama_files.plain_names(theirs.state_dict(), config.tied)
    ours.load_state_dict(translate(state, llama_files.TABLE, like=ours.state_dict()))
    return language(ours, theirs, tokens(config.vocab))


def of_modern_gpt(variant: models.Variant) -> tuple[Side, Side, str]:
    """At a quarter of its depth: 561 million weights and their gradients twice would not fit a laptop."""
    import transformers

    config = replace(variant.config, depth=variant.config.depth // 4)
    said = modern_files.config_json(vars(config), torch.float32)
    said = {key: value for key, value in said.items() if key not in ("architectures", "model_type", "dtype")}
    theirs = transformers.NanoChatForCausalLM(
        transformers.NanoChatConfig(**said, attn_implementation="sdpa", use_cache=False)
    )
    ours = modern_gpt.ModernGPT(config)
    ours.load_state_dict(translate(theirs.state_dict(), modern_files.TABLE, like=ours.state_dict()))
    return language(ours, theirs, tokens(config.vocab))


def language(ours: nn.Module, theirs: nn.Module, text: Tensor) -> tuple[Side, Side, str]:
    return (ours, lambda model: model(text)), (theirs, lambda model: model(text).logits), "transformers"


def of_bert(variant: models.Variant) -> tuple[Side, Side, str]:
    """The encoder with its masked-language-model head."""
    import transformers

    config = variant.config
    roberta = isinstance(config, bert.RoBERTaConfig)
    kind = "Roberta" if roberta else "Bert"
    theirs = getattr(transformers, kind + "ForMaskedLM")(
        getattr(transformers, kind + "Config")(
            num_hidden_layers=config.depth, hidden_size=config.width, num_attention_heads=config.heads,
            vocab_size=config.vocab, max_position_embeddings=config.positions, intermediate_size=config.mlp_width,
            type_vocab_size=getattr(config, "segments", 1), pad_token_id=config.padding, layer_norm_eps=config.eps,
            hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0, attn_implementation="sdpa",
        )
    )  # fmt: skip
    ours = bert.MaskedLM(config)
    table = bert_files.HEADS["MaskedLM", roberta].table
    ours.load_state_dict(
        translate(bert_files.plain_names(theirs.state_dict(), head=True), table, like=ours.state_dict())
    )
    text = tokens(config.vocab - 10) + 10  # no padding
    return language(ours, theirs, text)


def of_transformer(variant: models.Variant) -> tuple[Side, Side, str]:
    """With a norm at the end of each stack, as torch has it."""
    config = replace(variant.config, dropout=0.0)
    ours = transformer.Transformer(config, norms=transformer.Norms(transformer.AddThenNorm, nn.LayerNorm))
    theirs = torch_transformer(config)
    stacks = translate(torch_files.cut(theirs.body.state_dict()), torch_files.TABLE)
    ours.load_state_dict(ours.state_dict() | stacks | {"token.weight": theirs.token.weight})
    text = tokens(config.vocab - 10) + 10

    def logits(model: nn.Module) -> Tensor:
        return model(text, text)  # type: ignore[no-any-return]

    return (ours, logits), (theirs, logits), "torch.nn.Transformer"


TEXT_MODELS: dict[str, Callable[[models.Variant], tuple[Side, Side, str]]] = {
    "GPT": of_gpt, "Llama": of_llama, "ModernGPT": of_modern_gpt, "BERT": of_bert,
    "Transformer": of_transformer,
}  # fmt: skip


def forward(side: Side) -> None:
    model, call = side
    model.eval()
    with torch.inference_mode():
        call(model)


def both(side: Side) -> None:
    model, call = side
    model.train()
    call(model).square().mean().backward()
    model.zero_grad()


def times(one: Side, other: Side, run: Callable[[Side], None]) -> float:
    """Our time over theirs: the median over rounds in which the two take turns."""
    run(one), run(other)
    ratios: list[float] = []
    begun = time.perf_counter()
    while time.perf_counter() - begun < SECONDS or len(ratios) < 5:
        seconds = {}
        for which in (0, 1) if len(ratios) % 2 else (1, 0):
            start = time.perf_counter()
            run((one, other)[which])
            seconds[which] = time.perf_counter() - start
        ratios.append(seconds[0] / seconds[1])
    return statistics.median(ratios)


def speed(name: str) -> dict[str, Any]:
    ours, theirs, library = pair(name)
    with torch.inference_mode():
        mine, reference = ours[1](ours[0].eval()), theirs[1](theirs[0].eval())
        far = float((mine - reference).abs().max() / reference.abs().max())
    if far > 1e-4:
        raise AssertionError(f"{name}: the two sides do not compute the same ({far:.1e})")
    return {
        "against": library,
        "parameters": sum(parameter.numel() for parameter in ours[0].parameters()),
        "forward": times(ours, theirs, forward),
        "forward + backward": times(ours, theirs, both),
    }


def resident() -> int:
    """Bytes of memory that this process has now (Linux)."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


def peak(name: str, which: int) -> dict[str, Any]:
    """Bytes at the peak of two steps forward and backward, above what the imports and the model itself needed."""
    sides = list(pair(name)[:2])
    side = sides[which]
    sides.clear()
    weights = sum(parameter.nbytes for parameter in side[0].parameters())
    before = resident()
    both(side), both(side)
    return {"bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 - before + weights}


def child(*what: str) -> dict[str, Any]:
    done = subprocess.run([sys.executable, "-m", "benchmarks.models", *what], capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{' '.join(what)}:\n{done.stderr}")
    return json.loads(done.stdout.splitlines()[-1])  # type: ignore[no-any-return]


def compare(name: str) -> dict[str, Any]:
    row = child("--speed", name)
    bytes_ = [child("--memory", name, str(which))["bytes"] for which in (0, 1)]
    row["memory"] = bytes_[0] / bytes_[1]
    row["megabytes"] = round(bytes_[0] / 1e6)
    return row


def measure(names: tuple[str, ...] = NAMES) -> dict[str, float]:
    return summary({name: compare(name) for name in names})


def summary(rows: dict[str, dict[str, Any]]) -> dict[str, float]:
    found = {f"{name}: {kind}": row[kind] for name, row in rows.items() for kind in KINDS}
    for kind in KINDS:
        ratios = [row[kind] for row in rows.values()]
        found[f"{kind}, geometric mean"] = math.exp(statistics.fmean(map(math.log, ratios)))
        found[f"{kind}, largest"] = max(ratios)
    return found


def processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        return next(line.partition(":")[2].strip() for line in lines if "model name" in line)
    except (OSError, StopIteration):  # no Linux
        return platform.processor() or platform.machine()


def main() -> int:
    what = sys.argv[1:]
    if what[:1] == ["--speed"]:
        print(json.dumps(speed(what[1])))
        return 0
    if what[:1] == ["--memory"]:
        print(json.dumps(peak(what[1], int(what[2]))))
        return 0
    save = "--save" in what
    rows = {}
    for name in [name for name in what if name != "--save"] or NAMES:
        rows[name] = row = compare(name)
        print(f"{name:20} against {row['against']:12} " + "   ".join(f"{kind} {row[kind]:.3f}" for kind in KINDS)
              + f"   ({row['megabytes']} MB)", flush=True)  # fmt: skip
        if save:
            keep(name, row)
    for line, value in summary(rows).items():
        if ":" not in line:
            print(f"{line:40} {value:.3f}")
    return 0


def keep(name: str, row: dict[str, Any]) -> None:
    """Write one model's ratios into the record, beside those that are there."""
    before = json.loads(RESULT.read_text(encoding="utf-8"))["models"] if RESULT.exists() else {}
    now = {kind: round(row[kind], 3) for kind in KINDS} | {"against": row["against"], "megabytes": row["megabytes"]}
    now["on"] = {"processor": processor(), "threads": torch.get_num_threads(), "date": date.today().isoformat(),
                 "versions": {name: version(name) for name in ("torch", "torchvision", "timm", "transformers")}}  # fmt: skip
    write_json(RESULT, {"models": dict(sorted({**before, name: now}.items()))})


if __name__ == "__main__":
    sys.exit(main())
