import inspect
import math
from dataclasses import replace

import pytest
import torch
from torch.testing import assert_close

from learnable.errors import CallError
from learnable.models.language.gpt import left_padded
from learnable.models.language.llama import LLAMA, Llama, LlamaConfig
from learnable.ops.rotary import DynamicScaling, YarnScaling

TOY = LlamaConfig(depth=2, width=32, heads=4, key_heads=2, hidden=44, vocab=65, context=16)
forward = inspect.unwrap(Llama.forward)  # without the checks of shapes that only tests have: users meet ours


def toy(config=TOY, seed=0):
    torch.manual_seed(seed)
    model = Llama(config).double()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    return model


def texts(batch, tokens, seed=0):
    return torch.randint(65, (batch, tokens), generator=torch.Generator().manual_seed(seed))


def test_weights_start_as_gpt_s():
    torch.manual_seed(0)
    model = Llama(LlamaConfig(depth=8, width=256, heads=4, key_heads=2, hidden=512, vocab=512, context=64, biases=True))
    for name, parameter in model.named_parameters():
        if name.endswith("bias"):
            assert not parameter.any(), name
        elif "norm" in name:
            assert (parameter == 1).all(), name
        else:
            last = name.endswith(("to_out.weight", "down.weight"))
            expected = 0.02 / math.sqrt(16) if last else 0.02
            assert float(parameter.detach().std()) == pytest.approx(expected, rel=0.02), name


@pytest.mark.parametrize("name, base, eps, context, window", [
    ("llama-7b", 1e4, 1e-6, 2048, None), ("llama-2-70b", 1e4, 1e-5, 4096, None), ("llama-3-8b", 5e5, 1e-5, 8192, None),
    ("llama-3.2-1b", 5e5, 1e-5, 131_072, None), ("mistral-7b", 1e4, 1e-5, 32_768, 4096),
    ("mistral-7b-v0.3", 1e6, 1e-5, 32_768, None), ("qwen2-7b", 1e6, 1e-6, 131_072, None),
    ("qwen2.5-0.5b", 1e6, 1e-6, 32_768, None), ("tinyllama-1.1b", 1e4, 1e-5, 2048, None), ("smollm2-360m", 1e5, 1e-5, 8192, None),
])  # fmt: skip
def test_what_no_count_of_parameters_shows_is_as_published(name, base, eps, context, window):
    config = LLAMA[name][0]
    assert (config.base, config.eps, config.context, config.window) == (base, eps, context, window)


def test_a_window_is_as_wide_as_it_says():
    """With one layer, a token depends on itself and the window - 1 before it; each further layer adds as many."""
    for depth, reach in ((1, 4), (2, 7)):
        model, tokens = toy(replace(TOY, depth=depth, window=4)), texts(1, 12)
        changed = tokens.clone()
        changed[0, 2] = (tokens[0, 2] + 1) % 65
        differs = (model(tokens)[0] != model(changed)[0]).any(dim=1)
        assert differs.nonzero().flatten().tolist() == list(range(2, min(2 + reach, 12)))


def test_a_text_within_the_window_does_not_notice_it():
    tokens = texts(2, 7)
    assert torch.equal(toy(replace(TOY, window=7))(tokens), toy()(tokens))


def test_only_distances_count():
    """The same text further back in the context has the same logits: nothing in the model knows the place itself."""
    model, tokens = toy(), texts(2, 7)
    assert_close(model(tokens, positions=torch.arange(7)[None] + 9), model(tokens))
    assert not torch.allclose(model(tokens, positions=2 * torch.arange(7)[None]), model(tokens))


@pytest.mark.parametrize("window", [None, 3])
def test_padding_on_the_left_changes_nothing_for_the_text(window):
    model, text, lengths = toy(replace(TOY, window=window)), texts(3, 9), torch.tensor([9, 4, 1])
    together = model(text, **left_padded(lengths, 9))
    for row, length in enumerate(lengths.tolist()):
        assert_close(together[row, 9 - length :], model(text[row : row + 1, 9 - length :])[0])


def test_a_stretched_text_may_be_longer_than_those_in_training():
    config = replace(TOY, scaling=DynamicScaling(2.0, context=8))
    assert config.steady == 8 and TOY.steady == 16 and replace(TOY, scaling=YarnScaling(2.0, 8)).steady == 16
    assert_close(toy(config)(texts(1, 8)), toy()(texts(1, 8)))
    assert not torch.allclose(toy(config)(texts(1, 9)), toy()(texts(1, 9)))


def test_a_tied_head_is_the_embedding():
    model = toy(replace(TOY, tied=True))
    assert model.unembed is None and "unembed.weight" not in model.state_dict()
    x = torch.randn(1, 3, 32, dtype=torch.float64)
    assert_close(model.head(x), x @ model.token.weight.T)
    size = sum(parameter.numel() for parameter in model.parameters())
    assert sum(parameter.numel() for parameter in toy().parameters()) == size + 65 * 32


@pytest.mark.parametrize("tokens, says", [
    (torch.zeros(1, 17, dtype=torch.long), "1 to 16 tokens"),
    (torch.zeros(1, 0, dtype=torch.long), "1 to 16 tokens"),
    (torch.zeros(3, dtype=torch.long), "shape"),
    (torch.zeros(1, 3), "float32"),
    (torch.full((1, 3), 65), "from 0 to 64, came 65"),
    (torch.tensor([[0, -1]]), "from 0 to 64, came -1"),
])  # fmt: skip
def test_what_is_no_text_of_this_model_is_refused(tokens, says):
    model = toy()
    model.embed = inspect.unwrap(Llama.embed).__get__(model)
    with pytest.raises(CallError, match=says):
        forward(model, tokens)


@pytest.mark.parametrize("change", [
    {"heads": 0}, {"key_heads": 3}, {"width": 30}, {"width": 12}, {"depth": 0}, {"window": 0}, {"own_head_width": 7},
    {"own_head_width": -2},
], ids=str)  # fmt: skip
def test_sizes_that_do_not_fit_are_refused(change):
    with pytest.raises(CallError, match="expected"):
        replace(TOY, **change)


@pytest.mark.parametrize("config", [TOY, replace(TOY, window=5, tied=True, biases=True)], ids=["plain", "all"])
def test_it_comes_back_from_the_disk_as_it_went(tmp_path, config):
    model = toy(config)
    model.save_pretrained(tmp_path)
    again = Llama.from_pretrained(tmp_path, dtype=None)
    assert again.config == config and torch.equal(again(texts(2, 9)), model(texts(2, 9)))
    assert Llama.from_pretrained(tmp_path, context=9).config == replace(config, context=9)
