"""Filters against transformers' logits processors, beams and greedy drafts against its `generate`: the same numbers, the same texts."""

import pytest
import torch
from torch.testing import assert_close

from learnable.models.language.gpt import GPT, GPTConfig
from learnable.sampling.beam import generate_beam, power
from learnable.sampling.choosing import Unrepeating, min_p, temperature, top_k, top_p
from learnable.sampling.speculative import generate_speculative
from learnable.weights.gpt import TABLE, config_json
from learnable.weights.table import untranslate

VOCAB = 30
WARPERS = {
    "temperature": ("TemperatureLogitsWarper", temperature, (0.3, 1.0, 2.5)),
    "top_k": ("TopKLogitsWarper", top_k, (1, 7, 500)),
    "top_p": ("TopPLogitsWarper", top_p, (0.01, 0.5, 0.9, 0.999)),
    "min_p": ("MinPLogitsWarper", min_p, (0.01, 0.1, 0.5, 1.0)),
}


@pytest.mark.parametrize("name", WARPERS)
@pytest.mark.parametrize("scale", [0.1, 1.0, 10.0])
def test_filters_are_transformers_warpers(name, scale):
    transformers = pytest.importorskip("transformers")
    theirs, ours, values = WARPERS[name]
    logits = scale * torch.randn(16, 97, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    for value in values:
        assert_close(ours(value)(logits), getattr(transformers, theirs)(value)(None, logits.clone()))


@pytest.mark.parametrize("penalty", [0.7, 1.0, 1.3])
def test_the_repetition_penalty_is_transformers(penalty):
    transformers = pytest.importorskip("transformers")
    generator = torch.Generator().manual_seed(1)
    theirs = transformers.RepetitionPenaltyLogitsProcessor(penalty)
    seen = []
    choose = Unrepeating(lambda scores: (seen.append(scores), scores.argmax(-1, keepdim=True))[1], penalty,
                         text := torch.randint(97, (4, 6), generator=generator))  # fmt: skip
    for _ in range(5):
        logits = torch.randn(4, 97, generator=generator)
        chosen = choose(logits)
        assert_close(seen[-1], theirs(text, logits.clone()))
        text = torch.cat([text, chosen], dim=1)


def pair(seed, depth=2, width=16):
    """A GPT of ours and transformers' with the same weights."""
    transformers = pytest.importorskip("transformers")
    torch.manual_seed(seed)
    ours = GPT(GPTConfig(depth=depth, width=width, heads=2, vocab=VOCAB, context=32))
    with torch.no_grad():
        for parameter in ours.parameters():
            parameter.add_(0.25 * torch.randn_like(parameter))
    theirs = transformers.GPT2LMHeadModel(transformers.GPT2Config(**config_json(vars(ours.config), torch.float32)))
    theirs.transformer.load_state_dict(untranslate(ours.state_dict(), TABLE))
    theirs.generation_config.eos_token_id = None
    return ours.double().eval(), theirs.double().eval()


@pytest.mark.parametrize("stop", [None, "one of them"])
@pytest.mark.parametrize("alpha", [0.0, 0.7, 1.0, 2.0])
@pytest.mark.parametrize("beams", [2, 5])
def test_beams_write_what_transformers_beams_write(beams, alpha, stop):
    for seed in range(3):
        ours, theirs = pair(seed)
        prompt = torch.randint(VOCAB, (1, 4), generator=torch.Generator().manual_seed(seed))
        end = None
        if stop:
            free = generate_beam(ours, prompt, 12, size=beams)[0]
            end = int(free[9])  # so that something ends before the count
        reference = theirs.generate(
            prompt, attention_mask=torch.ones_like(prompt), do_sample=False, num_beams=beams, max_new_tokens=12,
            length_penalty=alpha, early_stopping="never" if alpha else False, eos_token_id=end, pad_token_id=0,
        )[0]  # fmt: skip
        found = generate_beam(ours, prompt, 12, size=beams, penalty=power(alpha), stop=end)[0]
        assert found.tolist() == reference[: len(found)].tolist()
        assert (reference[len(found) :] == 0).all()


def test_a_draft_writes_what_transformers_assistant_writes():
    for seed in range(3):
        ours, theirs = pair(seed)
        draft, assistant = pair(seed + 10, depth=1)
        prompt = torch.randint(VOCAB, (1, 4), generator=torch.Generator().manual_seed(seed))
        settings = {
            "attention_mask": torch.ones_like(prompt),
            "do_sample": False,
            "max_new_tokens": 20,
            "pad_token_id": 0,
        }
        assisted = theirs.generate(prompt, assistant_model=assistant, **settings)[0]
        assert torch.equal(generate_speculative(ours, draft, prompt[0], 20), assisted)
        assert torch.equal(assisted, theirs.generate(prompt, **settings)[0])
