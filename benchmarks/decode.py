"""Writing with GPT-2's small shape and a Llama of the same size: our cached decoding against transformers' `generate`.

Random weights, the same ones on both sides; 64 tokens of prompt and 128 new ones, one text, greedy; then eight texts, and a prompt
of 900 tokens, with 32 new ones. Both sides alternate in one run, and in float32 they have to write the same text; so has
speculative decoding. bfloat16 is measured where the processor has it. Weights of one byte are held against the faster of what
`generate` offers: bfloat16, or float32 without it.

The roofline is the time in which the weights come from memory once for each token, at the best rate at which this run can sum up
numbers or multiply them by a row; the share is how much of the whole time that is. Memory comes in pages of 2 MB for both sides, as
`learnable generate` asks for.

    python -m benchmarks.decode [ROUNDS [THREADS]]
"""

import os
import statistics
import sys
import time
from collections.abc import Callable
from functools import partial
from typing import Any
from unittest import mock

os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")  # read when torch makes its first tensor

import torch
from torch import nn

from benchmarks import kernels
from learnable.models.language.gpt import GPT, GPT2, GPTConfig
from learnable.models.language.llama import Llama, LlamaConfig
from learnable.sampling import cache
from learnable.sampling.cache import stream_cached
from learnable.sampling.speculative import generate_speculative
from learnable.sampling.text import greedy
from learnable.weights import gpt, llama
from learnable.weights.table import untranslate

# As times: 1 / 1.7, 1 / 2 and 1 / 2.4 of what `generate` takes, where the processor has bfloat16.
BOUNDS = {f"{name} decoding in {kind} / generate{of}": bound
          for name in ("GPT-2", "Llama")
          for kind, of, bound in (("fp32", "", 1 / 1.7), ("bf16", "", 1 / 2), ("int8", " in bf16", 1 / 2.4))}  # fmt: skip
CASES = {"": (1, 64, 128), ", 8 texts": (8, 64, 32), ", prompt of 900": (1, 900, 32)}
NAMES = {torch.float32: "fp32", torch.bfloat16: "bf16"}
VOCAB = 50257


def measure(rounds: int = 3, threads: int = 2) -> dict[str, float]:
    """Our time over theirs, medians: below 1 is faster; and shares of the roofline."""
    kernels.install()
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        found = {"GB/s read from memory": rate() / 1e9}
        kinds = [torch.float32] + [torch.bfloat16] * torch.cpu._is_avx512_bf16_supported()
        for name, make in {"GPT-2": a_gpt, "Llama": a_llama}.items():
            for dtype in kinds:
                found |= ratios(
                    name, *make(dtype), rounds, found["GB/s read from memory"] * 1e9, last=dtype == kinds[-1]
                )
        return found
    finally:
        torch.set_num_threads(before)


def ratios(name: str, ours: Any, theirs: Any, rounds: int, bytes_a_second: float, last: bool) -> dict[str, float]:
    """All cases of one model in one type; `last`: also weights of one byte, against this type's `generate`."""
    dtype = ours.token.weight.dtype
    kind, weights = NAMES[dtype], sum(weight.numel() for weight in ours.parameters() if weight.dim() == 2)
    found = {}
    if dtype == torch.float32:
        prompt = prompts(1, 64)
        expected = generate(theirs, prompt, 24)
        assert torch.equal(cached(ours, prompt, 24), expected), "the two sides do not write the same text"
        draft = GPT(GPTConfig(depth=1, width=64, heads=2, vocab=VOCAB, context=1024)).eval()
        assert torch.equal(generate_speculative(ours, draft, prompt[0], 24)[None], expected), "nor does speculation"
    for case, (batch, given, new) in CASES.items():
        prompt = prompts(batch, given)
        sides: dict[str, Callable[[], torch.Tensor]] = {
            kind: partial(cached, ours, prompt, new),
            **({"int8": partial(cached, ours, prompt, new, int8=True)} if last else {}),
            **({} if case else {f"{kind}, not recorded": partial(unrecorded, ours, prompt, new)}),
            "generate": partial(generate, theirs, prompt, new),
        }
        seconds = alternating(sides, rounds)
        for side in sides:
            of = f" in {kind}" if side == "int8" else ""
            if side != "generate":
                found[f"{name} decoding in {side} / generate{of}{case}"] = seconds[side] / seconds["generate"]
            if not case and "not recorded" not in side:
                size = {"fp32": 4, "bf16": 2, "int8": 1}[kind if side == "generate" else side]
                what = f"{name}, generate in {kind}" if side == "generate" else f"{name} in {side}"
                found[f"{what}: tokens a second"] = new / seconds[side]
                found[f"{what}: share of the roofline"] = new * weights * size / bytes_a_second / seconds[side]
    return found


def alternating(sides: dict[str, Callable[[], torch.Tensor]], rounds: int) -> dict[str, float]:
    """Median seconds of each, after one call that sets everything up."""
    for write in sides.values():
        write()
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    for _ in range(rounds):
        for name, write in sides.items():
            start = time.perf_counter()
            write()
            seconds[name].append(time.perf_counter() - start)
    return {name: statistics.median(times) for name, times in seconds.items()}


def cached(model: nn.Module, prompt: torch.Tensor, new: int, int8: bool = False) -> torch.Tensor:
    return torch.cat([prompt, *stream_cached(model, prompt, new, greedy, int8=int8)], dim=1)


def unrecorded(model: nn.Module, prompt: torch.Tensor, new: int) -> torch.Tensor:
    """`cached`, each step through the model's own Python: what recording brings (see `sampling.recorded`)."""
    with mock.patch.object(cache, "Recorded", lambda step, model: step):
        return cached(model, prompt, new)


def generate(model: Any, prompt: torch.Tensor, new: int) -> torch.Tensor:
    return model.generate(prompt, attention_mask=torch.ones_like(prompt), do_sample=False, min_new_tokens=new,
                          max_new_tokens=new, pad_token_id=0)  # fmt: skip


def prompts(batch: int, tokens: int) -> torch.Tensor:
    return torch.randint(VOCAB, (batch, tokens), generator=torch.Generator().manual_seed(0))


def rate() -> float:
    """Bytes a second that come from memory: 256 MB summed up, or multiplied by a row, whichever is sooner; the best of five."""
    numbers, row = torch.ones(8_000, 8_000), torch.ones(8_000)
    reads: list[Callable[[], torch.Tensor]] = [
        numbers.sum,
        partial(torch.mv, numbers, row),
        partial(torch.mv, numbers.t(), row),
    ]
    times = []
    for read in reads * 6:
        start = time.perf_counter()
        read()
        times.append(time.perf_counter() - start)
    return 4 * numbers.numel() / min(times[len(reads) :])


def a_gpt(dtype: torch.dtype) -> tuple[GPT, Any]:
    import transformers

    torch.manual_seed(0)
    ours = GPT(GPT2["small"][0])
    theirs = transformers.GPT2LMHeadModel(transformers.GPT2Config(**gpt.config_json(vars(ours.config), torch.float32)))
    theirs.transformer.load_state_dict(untranslate(ours.state_dict(), gpt.TABLE))
    return ours.to(dtype).eval(), theirs.to(dtype).eval()


def a_llama(dtype: torch.dtype) -> tuple[Llama, Any]:
    import transformers

    torch.manual_seed(0)
    ours = Llama(LlamaConfig(12, 768, 12, 12, hidden=2048, vocab=VOCAB, context=1024, tied=True))
    theirs = transformers.LlamaForCausalLM(
        transformers.LlamaConfig(**llama.config_json(vars(ours.config) | {"scaling": None}, torch.float32))
    )
    state = untranslate(ours.state_dict(), llama.TABLE)
    theirs.load_state_dict(state | {"lm_head.weight": state["model.embed_tokens.weight"]})
    return ours.to(dtype).eval(), theirs.to(dtype).eval()


def main() -> None:
    rounds, threads = (*map(int, sys.argv[1:3]), *(3, 2)[len(sys.argv) - 1 :])
    for name, number in measure(rounds, threads).items():
        times = f", which is {1 / number:.2f}x as fast" if " / " in name else ""
        print(f"{name}: {number:.2f}{times}" + (f" (bound {BOUNDS[name]:.2f})" if name in BOUNDS else ""), flush=True)


if __name__ == "__main__":
    main()
