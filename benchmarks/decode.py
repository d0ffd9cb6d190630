"""Writing with GPT-2's small shape, batch 1: our cached decoding against transformers' `generate`.

Random weights, the same ones on both sides; 64 tokens of prompt and 128 new ones, greedy; both sides alternate in one run.
"""

import gc
import statistics
import time

import torch
from learnable.models.language.gpt import GPT, GPT2
from learnable.sampling.cache import stream_cached
from learnable.sampling.text import greedy
from learnable.weights.gpt import config_json
from learnable.weights.table import untranslate

BOUNDS = {"decode fp32, times generate": (">=", 0.95), "decode bf16, times generate": (">=", 1.35)}
PROMPT, NEW = 64, 128


def measure(rounds: int = 3, threads: int = 2) -> dict[str, float]:
    """Our tokens per second over theirs, medians; above 1 is faster."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        return {f"decode {name}, times generate": _ratio(dtype, rounds)
                for name, dtype in {"fp32": torch.float32, "bf16": torch.bfloat16}.items()}  # fmt: skip
    finally:
        torch.set_num_threads(before)


def _ratio(dtype: torch.dtype, rounds: int) -> float:
    ours, theirs = _pair(dtype)
    prompt = torch.randint(50257, (1, PROMPT), generator=torch.Generator().manual_seed(0))

    def we(new: int = NEW) -> torch.Tensor:
        return torch.cat([prompt, *stream_cached(ours, prompt, new, greedy)], dim=1)

    def they(new: int = NEW) -> torch.Tensor:
        return theirs.generate(
            prompt, attention_mask=torch.ones_like(prompt), do_sample=False, min_new_tokens=new, max_new_tokens=new, pad_token_id=0
        )

    assert we(8).shape == they(8).shape == (1, PROMPT + 8)  # also warms both up
    seconds: dict[str, list[float]] = {"we": [], "they": []}
    for _ in range(rounds):
        for name, write in (("we", we), ("they", they)):
            gc.collect()
            start = time.perf_counter()
            assert write().shape == (1, PROMPT + NEW)
            seconds[name].append(time.perf_counter() - start)
    return statistics.median(seconds["they"]) / statistics.median(seconds["we"])


def _pair(dtype: torch.dtype) -> tuple[GPT, torch.nn.Module]:
    import transformers

    config = GPT2["small"][0]
    torch.manual_seed(0)
    ours = GPT(config)
    theirs = transformers.GPT2LMHeadModel(transformers.GPT2Config(**config_json(vars(config), torch.float32)))
    state = untranslate(ours.state_dict(), _table())
    theirs.transformer.load_state_dict(state)
    return ours.to(dtype).eval(), theirs.to(dtype).eval()


def _table() -> list:
    from learnable.weights.gpt import TABLE

    return TABLE


def main() -> None:
    for name, value in measure().items():
        sign, bound = BOUNDS[name]
        print(f"{name:40s} {value:6.2f}   bound {sign} {bound}")


if __name__ == "__main__":
    main()
