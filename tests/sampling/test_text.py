import math
from types import SimpleNamespace

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from learnable.data.examples import Info
from learnable.data.tokenizers import formats
from learnable.data.tokenizers.learning import learn_bpe
from learnable.errors import CallError, WorldError
from learnable.models.language.gpt import GPT, GPTConfig
from learnable.sampling import speculative
from learnable.sampling.text import generate, greedy, sample, stream, stream_text, write_text


class Counting(nn.Module):
    """Expects the number after the one that it sees, from 0 to 9."""

    config = SimpleNamespace(context=3)

    def forward(self, tokens):
        assert tokens.shape[1] <= self.config.context
        return F.one_hot((tokens + 1) % 10, 10).float()


counting = Counting()


def test_it_counts_on_and_sees_no_more_than_its_context():
    assert generate(counting, torch.tensor([[5, 6], [1, 2]]), 5, greedy).tolist() == [
        [5, 6, 7, 8, 9, 0, 1],
        [1, 2, 3, 4, 5, 6, 7],
    ]


def test_a_long_text_is_read_as_far_back_as_the_context_goes():
    class Oldest(Counting):
        def forward(self, tokens):
            return super().forward(tokens[:, :1])  # it counts on from the first that it sees

    assert generate(Oldest(), torch.tensor([[1, 5, 7]]), 3, greedy).tolist() == [[1, 5, 7, 2, 6, 8]]


def test_a_text_ends_with_its_stop():
    text = generate(counting, torch.tensor([[5, 6], [1, 2]]), 9, greedy, stop=8)
    assert text.tolist() == [[5, 6, 7, 8, 8, 8, 8, 8], [1, 2, 3, 4, 5, 6, 7, 8]]  # and all ended: no ninth token


def test_tokens_come_one_by_one():
    tokens = stream(counting, torch.tensor([[0]]), 1_000_000, greedy)
    assert [int(next(tokens)) for _ in range(3)] == [1, 2, 3]
    assert list(stream(counting, torch.tensor([[0]]), 0, greedy)) == []


def test_tokens_are_drawn_as_often_as_expected():
    probabilities = torch.tensor([0.5, 0.0, 0.3, 0.2])
    logits = probabilities.log().expand(20_000, 4)
    drawn = sample(generator=torch.Generator().manual_seed(0))(logits)
    shares = torch.bincount(drawn[:, 0], minlength=4) / 20_000
    assert torch.allclose(shares, probabilities, atol=0.012)
    assert shares[1] == 0


def test_temperature_is_what_the_logits_are_divided_by():
    logits = torch.tensor([[0.0, 1.0]]).expand(20_000, 2)
    for temperature in (0.5, 1.0, 2.0):
        drawn = sample(temperature, generator=torch.Generator().manual_seed(0))(logits)
        assert float(drawn.float().mean()) == pytest.approx(
            torch.sigmoid(torch.tensor(1 / temperature)).item(), abs=0.012
        )


def test_top_k_leaves_the_rest_alone():
    logits = torch.tensor([[3.0, 1.0, 2.0, 0.0]]).expand(500, 4)
    choose = sample(10.0, top_k=2, generator=torch.Generator().manual_seed(0))
    assert set(choose(logits).flatten().tolist()) == {0, 2}
    assert torch.equal(sample(5.0, top_k=1)(logits), greedy(logits))
    assert sample(1.0, top_k=99)(logits).max() < 4


def test_the_same_generator_writes_the_same_text():
    torch.manual_seed(0)
    model = GPT(GPTConfig(depth=1, width=16, heads=2, vocab=9, context=8))
    texts = [
        generate(model, torch.tensor([[1]]), 12, sample(generator=torch.Generator().manual_seed(seed)))
        for seed in (3, 3, 4)
    ]
    assert torch.equal(texts[0], texts[1]) and not torch.equal(texts[0], texts[2])


@pytest.mark.parametrize(
    "wrong", [{"temperature": 0.0}, {"temperature": -1.0}, {"temperature": float("nan")}, {"top_k": 0}]
)
def test_settings_out_of_range(wrong):
    with pytest.raises(CallError, match="expected a"):
        sample(**wrong)


def writer():
    torch.manual_seed(0)
    info = Info(data="toy", alphabet=tuple("\n abc"), context=8)
    return GPT(GPTConfig(depth=1, width=16, heads=2, vocab=5, context=8)), info


def test_a_prompt_is_continued():
    model, info = writer()
    text = write_text(model, info, "cab", count=20, seed=1)["text"]
    assert text.startswith("cab") and len(text) == 23 and set(text) <= set("\n abc")
    assert write_text(model, info, "cab", count=20, seed=1)["text"] == text
    assert write_text(model, info, "cab", count=20, seed=2)["text"] != text
    assert write_text(model, info, "cab", count=0)["text"] == "cab"


def test_greedy_writing_needs_no_seed_and_an_empty_prompt_begins_a_line():
    model, info = writer()
    assert write_text(model, info, "a", count=9, seed=1, temperature=0) == write_text(
        model, info, "a", count=9, seed=2, temperature=0
    )
    text = write_text(model, info, "", count=9)["text"]
    assert len(text) == 9
    assert write_text(model, info, "\n", count=9)["text"] == "\n" + text


def test_byte_pairs_write_on_after_any_prompt_and_end_in_no_half_character():
    info = Info("toy", tokenizer=formats.to_json(learn_bpe("abc abc", 258)), context=8)
    torch.manual_seed(0)
    model = GPT(GPTConfig(depth=1, width=16, heads=2, vocab=info.vocab, context=8))
    text = write_text(model, info, "語", count=20, seed=1)["text"]
    assert (
        text.startswith("語")
        and len(text.encode()) > 8
        and text == write_text(model, info, "語", count=20, seed=1)["text"]
    )
    assert write_text(model, info, "", count=9)["text"] == write_text(model, info, "\n", count=9)["text"][1:]


def test_a_character_that_the_model_has_not_seen():
    model, info = writer()
    with pytest.raises(CallError, match="z"):
        write_text(model, info, "abz")
    with pytest.raises(CallError, match="count"):
        write_text(model, info, "ab", count=-1)


@pytest.mark.parametrize("top_k", [None, 2])
@pytest.mark.parametrize(
    "wrong",
    [[math.nan] * 4, [-math.inf] * 4, [0.0, math.inf, 0.0, 0.0], [0.0, math.nan, 0.0, 0.0]],
    ids=["nan", "nothing", "infinity", "one nan"],
)
def test_a_diverged_model_chooses_nothing(wrong, top_k):
    logits = torch.stack([torch.zeros(4), torch.tensor(wrong)])  # one bad row is enough
    with pytest.raises(WorldError, match="the model's answer is no number: its training has diverged"):
        sample(top_k=top_k)(logits)
    certain = torch.tensor([[0.0, -math.inf, -math.inf, -math.inf]])  # while a forbidden token is nothing wrong
    assert sample(top_k=top_k)(certain).tolist() == [[0]]


def test_a_count_below_zero():
    with pytest.raises(CallError, match="count of at least 0 tokens, came -1"):
        generate(counting, torch.tensor([[1]]), -1, greedy)


@pytest.mark.parametrize("wrong", [math.nan, math.inf, -math.inf])
def test_a_diverged_model_has_no_likeliest_token(wrong):
    with pytest.raises(WorldError, match="its training has diverged"):
        greedy(torch.tensor([[0.0, 1.0], [wrong, wrong]]))
    assert greedy(torch.tensor([[-math.inf, 0.0]])).tolist() == [[1]]


def test_text_comes_in_pieces():
    model, info = writer()
    for wishes in ({}, {"top_k": 2}, {"top_p": 0.5}, {"min_p": 0.5}, {"repetition_penalty": 1.5}, {"temperature": 0}):
        pieces = list(stream_text(model, info, "ab", count=12, seed=3, **wishes))
        assert len(pieces) == 12
        assert write_text(model, info, "ab", count=12, seed=3, **wishes)["text"] == "ab" + "".join(pieces)


def test_a_penalty_keeps_a_greedy_text_from_turning_in_a_circle():
    model, info = writer()
    once = write_text(model, info, "a", count=3, temperature=0, repetition_penalty=50.0)["text"]
    assert len(set(once)) == 4


def test_beams_find_a_likelier_text_than_greedy():
    model, info = writer()

    def score(text):
        tokens = torch.tensor([[info.alphabet.index(letter) for letter in text]])
        logs = model(tokens[:, :-1]).log_softmax(-1).gather(2, tokens[:, 1:, None])
        return float(logs[0, 1:].detach().sum())

    greedy_text = write_text(model, info, "ab", count=5, temperature=0)["text"]
    beam_text = write_text(model, info, "ab", count=5, beams=5)["text"]
    assert len(beam_text) == 7 and score(beam_text) >= score(greedy_text)
    assert write_text(model, info, "ab", count=5, beams=1)["text"] == greedy_text
    assert (
        write_text(model, info, "\n", count=5, beams=2)["text"]
        == "\n" + write_text(model, info, "", count=5, beams=2)["text"]
    )


@pytest.mark.parametrize(
    "wishes, message",
    [({"temperature": 0, "top_p": 0.9}, "--top-p"), ({"temperature": 0, "top_k": 3}, "--top-k"),
     ({"beams": 2, "min_p": 0.1}, "--min-p"), ({"beams": 2, "repetition_penalty": 1.2}, "--repetition-penalty"),
     ({"beams": 2, "int8": True}, "--int8"), ({"beams": 0}, "beam of at least 1"), ({"top_p": 0.0}, "top_p above 0"),
     ({"repetition_penalty": 0.0}, "repetition penalty above 0"), ({"draft": writer(), "beams": 2}, "--draft"),
     ({"draft": writer(), "int8": True}, "--int8"), ({"draft": writer(), "repetition_penalty": 2.0}, "--repetition-penalty"),
     ({"draft": writer(), "temperature": 0, "top_k": 3}, "--top-k"),
     ({"draft": (writer()[0], Info("other", alphabet=tuple("zyxwv")))}, "tokens stand for the same")],
)  # fmt: skip
def test_wishes_that_cannot_be(wishes, message):
    model, info = writer()
    with pytest.raises(CallError, match=message):
        write_text(model, info, "ab", count=5, **wishes)


def test_a_draft_guesses_and_the_text_stays_the_model_s(monkeypatch):
    asked = []
    whole = speculative.stream_speculative
    monkeypatch.setattr(
        speculative, "stream_speculative", lambda *args, **more: asked.append(args[:2]) or whole(*args, **more)
    )
    (model, info), (draft, _) = writer(), writer()
    with torch.no_grad():
        for weight in draft.parameters():
            weight.add_(torch.randn(weight.shape) * 0.02)
    plain = write_text(model, info, "ab", count=12, temperature=0)
    assert write_text(model, info, "ab", count=12, temperature=0, draft=(draft, info)) == plain
    assert asked == [(model, draft)]
    drawn = write_text(model, info, "ab", count=12, temperature=1.5, top_k=3, seed=1, draft=(draft, info))
    assert drawn == write_text(model, info, "ab", count=12, temperature=1.5, top_k=3, seed=1, draft=(draft, info))
    assert len(drawn["text"]) == 14
    # Whatever the draft guesses, a letter that the filters leave out is not written.
    best = {
        write_text(model, info, "ab", count=1, top_k=1, seed=seed, draft=(draft, info))["text"] for seed in range(5)
    }
    assert best == {write_text(model, info, "ab", count=1, temperature=0)["text"]}


@pytest.mark.parametrize("make", [generate, stream])
def test_one_row_of_tokens_is_no_table(monkeypatch, make):
    """Without the tests' own check of shapes, which would say so first."""
    for checked in (generate, stream):
        monkeypatch.setattr(checked, "__no_type_check__", True, raising=False)
    with pytest.raises(CallError, match=r"expected tokens of shape \(batch, tokens\), came \(3,\); .* tokens\[None\]"):
        list(make(counting, torch.tensor([1, 2, 3]), 2, greedy))
