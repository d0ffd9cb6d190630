import math

import jaxtyping
import pytest
import torch
import torch.nn.functional as F
from torch.testing import assert_close

from learnable.data.examples import Info
from learnable.data.recall import pairs, read
from learnable.export.onnx import to_onnx
from learnable.models.language.recall import AttentionRecall, MeanRecall
from learnable.objectives.recall import recall

INFO = Info("pairs", alphabet=tuple("abcdefghijklmnopqrstuvwxyz"), classes=tuple("0123456789"), context=8)


def built(kind, width=16, **settings):
    torch.manual_seed(0)
    return kind(**({"keys": 26, "values": 10} | settings), width=width)


def filled(tokens, length):
    nothing = torch.tensor([26, 10]).expand(len(tokens), length, 2)
    return torch.cat([nothing, tokens], dim=1)


@pytest.fixture(scope="module")
def batch():
    data = pairs(pairs=4)
    return data.train.batch(torch.arange(64), {})


both = pytest.mark.parametrize("kind", [AttentionRecall, MeanRecall])


@pytest.mark.parametrize("width, keys, values", [(64, 26, 10), (32, 26, 10), (8, 3, 2)])
def test_both_have_as_many_parameters(width, keys, values):
    models = [kind(keys, values, width) for kind in (AttentionRecall, MeanRecall)]
    first, second = (sum(parameter.numel() for parameter in model.parameters()) for model in models)
    expected = (keys + values + 2) * width + 4 * (width**2 + width) + (width + 1) * values
    assert first == second == expected


@both
def test_every_parameter_learns(kind, batch):
    model = built(kind)
    recall(model, batch)["total"].backward()
    still = [name for name, parameter in model.named_parameters() if not parameter.grad.abs().sum() > 0]
    assert still == []


@both
def test_examples_do_not_leak_into_each_other(kind, batch):
    model = built(kind)
    assert_close(model(batch["tokens"])[:3], model(batch["tokens"][:3]))


@both
def test_a_new_model_is_undecided(kind, batch):
    assert F.cross_entropy(built(kind, 64)(batch["tokens"]), batch["label"]) < 1.1 * math.log(10)


@both
def test_the_order_of_the_pairs_does_not_matter(kind, batch):
    model, order = built(kind).double(), torch.tensor([2, 0, 3, 1, 4])
    assert_close(model(batch["tokens"][:, order]), model(batch["tokens"]))


@both
def test_the_question_matters(kind, batch):
    model, other = built(kind), batch["tokens"].clone()
    other[:, -1, 0] = (other[:, -1, 0] + 1) % 26
    assert (model(other) - model(batch["tokens"])).abs().amax(dim=1).min() > 1e-4


@both
def test_filling_changes_nothing(kind, batch):
    model = built(kind).double()
    assert_close(model(filled(batch["tokens"], 3)), model(batch["tokens"]))


@both
def test_overfits_one_batch(kind, batch):
    model = built(kind, 64)
    optimizer = torch.optim.Adam(model.parameters(), 1e-2)
    for _ in range(150):
        optimizer.zero_grad()
        recall(model, batch)["total"].backward()
        optimizer.step()
    assert recall(model, batch)["total"] < 0.1  # nats, where guessing has 2.3


@both
def test_survives_a_round_trip_to_disk(kind, batch, tmp_path):
    model, other = built(kind), kind(keys=26, values=10, width=16)
    torch.save(model.state_dict(), tmp_path / "model.pt")
    other.load_state_dict(torch.load(tmp_path / "model.pt", weights_only=True))
    assert torch.equal(model(batch["tokens"]), other(batch["tokens"]))


def test_the_weights_are_those_that_are_used(batch):
    """Averaging the values by them by hand gives the answer of the model."""
    model = built(AttentionRecall).double()
    tokens = filled(batch["tokens"], 2)
    weights = model.weights(tokens)  # (batch, tokens)
    assert_close(weights.sum(dim=1), torch.ones(len(tokens), dtype=torch.float64))
    assert (weights[:, :2] == 0).all()
    value = model.attention.to_qkv(model.embed(tokens)[0]).chunk(3, dim=-1)[2]
    by_hand = model.to_value(model.attention.to_out(torch.einsum("bt,btd->bd", weights, value)))
    assert_close(model(tokens), by_hand)


def test_attention_looks_up_what_no_training_could_have_told_it():
    """Set by hand: letters as queries and keys, digits as values. So the layer can do it, and this is how."""
    model = AttentionRecall(keys=26, values=10, width=38)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.zero_()
        model.embed.letter.weight[:26, :26] = torch.eye(26)
        model.embed.digit.weight[:, 26:37] = torch.eye(11)
        query, key, value = model.attention.to_qkv.weight.chunk(3)
        query[:26, :26] = 100 * torch.eye(26)
        key[:26, :26] = torch.eye(26)
        value[26:36, 26:36] = torch.eye(10)
        model.attention.to_out.weight.copy_(torch.eye(38))
        model.to_value.weight[:, 26:36] = torch.eye(10)
    for line, answer in (("a3 f7 k1 f?", 7), ("a3 f7 k1 k?", 1), ("z0 a9 z?", 0)):
        tokens = read(line, INFO)[None]
        assert model(tokens).argmax() == answer
        assert model.weights(tokens)[0, :-1].argmax() == [word[0] for word in line.split()].index(line[-2])


@both
def test_leaves_as_onnx(kind, batch, tmp_path, monkeypatch):
    """Any number of examples, any number of pairs."""
    onnxruntime = pytest.importorskip("onnxruntime")
    model, path = built(kind).eval(), tmp_path / "model.onnx"
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)  # its checks would make every size a constant
    example = batch["tokens"][:2].clamp(max=9)  # it is tried out shuffled: each number a letter and a digit
    to_onnx(model, (example,), path, names=(("tokens",), ("logits",)), dynamic=("batch", "tokens"))
    session = onnxruntime.InferenceSession(path)
    for tokens in (batch["tokens"], batch["tokens"][:1], filled(batch["tokens"][:5], 3)):
        (logits,) = session.run(None, {"tokens": tokens.numpy()})
        assert_close(torch.from_numpy(logits), model(tokens), atol=1e-5, rtol=1e-4)
