"""Writing with GPT-2's small shape, batch 1: our cached decoding against transformers' `generate`.

Random weights, the same ones on both sides; 64 tokens of prompt and 128 new ones, greedy; both sides alternate in one run.
"""

import statistics
import time

import torch

from learnable.models.language.gpt import GPT, GPT2
from learnable.sampling.cache import stream_cached
from learnable.sampling.text import greedy
from learnable.weights.gpt import TABLE, config_json
from learnable.weights.table import untranslate

# As times: 1 / 0.95 and 1 / 1.35 of what `generate` takes.
BOUNDS = {"GPT-2 decoding in fp32 / generate": 1 / 0.95, "GPT-2 decoding in bf16 / generate": 1 / 1.35}
PROMPT, NEW = 64, 128


def measure(rounds: int = 3, threads: int = 2) -> dict[str, float]:
    """Our time over theirs, medians; below 1 is faster."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        return {name: ratio(dtype, rounds) for name, dtype in zip(BOUNDS, (torch.float32, torch.bfloat16), strict=True)}
    finally:
        torch.set_num_threads(before)


def ratio(dtype: torch.dtype, rounds: int) -> float:
    ours, theirs = models(dtype)
    prompt = torch.randint(50257, (1, PROMPT), generator=torch.Generator().manual_seed(0))

    def we(new: int = NEW) -> torch.Tensor:
        return torch.cat([prompt, *stream_cached(ours, prompt, new, greedy)], dim=1)

    def they(new: int = NEW) -> torch.Tensor:
        return theirs.generate(
            prompt,
            attention_mask=torch.ones_like(prompt),
            do_sample=False,
            min_new_tokens=new,
            max_new_tokens=new,
            pad_token_id=0,
        )

    if dtype == torch.float32 and not torch.equal(we(8), they(8)):
        raise AssertionError("the two sides do not write the same text")
    we(8), they(8)  # memory and kernels are set up
    seconds: dict[str, list[float]] = {"we": [], "they": []}
    for _ in range(rounds):
        for name, write in (("we", we), ("they", they)):
            start = time.perf_counter()
            assert write().shape == (1, PROMPT + NEW)
            seconds[name].append(time.perf_counter() - start)
    return statistics.median(seconds["we"]) / statistics.median(seconds["they"])


def models(dtype: torch.dtype) -> tuple[GPT, torch.nn.Module]:
    import transformers

    torch.manual_seed(0)
    ours = GPT(GPT2["small"][0])
    theirs = transformers.GPT2LMHeadModel(transformers.GPT2Config(**config_json(vars(ours.config), torch.float32)))
    theirs.transformer.load_state_dict(untranslate(ours.state_dict(), TABLE))
    return ours.to(dtype).eval(), theirs.to(dtype).eval()


def main() -> None:
    for name, number in measure().items():
        print(f"{name}: {number:.2f} (bound {BOUNDS[name]:.2f}), which is {1 / number:.2f}x as fast")


if __name__ == "__main__":
    main()
