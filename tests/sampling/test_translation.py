import itertools

import pytest
import torch
from torch.testing import assert_close

from learnable.data.examples import Info
from learnable.data.translation import END, PADDING, SPECIAL, START, decode, encode
from learnable.errors import CallError
from learnable.models.language.transformer import PRE_NORM, Transformer, TransformerConfig, halved
from learnable.sampling.translation import (
    Remembering,
    Rereading,
    beam,
    gnmt,
    greedy,
    translate_all,
    translate_text,
)

INFO = Info("toy", alphabet=(*SPECIAL, *"abcdef"), context=12)
MODELS = {"post": {}, "pre": {"norms": PRE_NORM}, "Marian": {"positions": halved, "head_bias": True}}


def translator(seed=0, vocab=10, **settings):
    torch.manual_seed(seed)
    config = TransformerConfig(depth=2, width=16, heads=2, hidden=32, vocab=vocab, context=12, dropout=0.1)
    model = Transformer(config, **settings).double().eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    return model


def sources(rows=4, tokens=6):
    generator = torch.Generator().manual_seed(1)
    source = torch.randint(4, 10, (rows, tokens), generator=generator)
    return source.masked_fill(torch.arange(tokens) >= torch.tensor([6, 2, 4, 1])[:rows, None], PADDING)


@torch.inference_mode()
def score(model, source, text):
    """The log probability of a whole translation."""
    target = torch.tensor([[START, *text]])
    logs = model(source, target[:, :-1]).log_softmax(-1)
    return float(logs.gather(2, target[:, 1:, None]).sum())


@pytest.mark.parametrize("settings", MODELS.values(), ids=MODELS)
@torch.inference_mode()
def test_the_reader_with_memory_is_the_one_without(settings):
    model, source = translator(**settings), sources()
    slow, fast = Rereading(model, source), Remembering(model, source)
    generator = torch.Generator().manual_seed(2)
    target = torch.full((4, 1), START)
    for step in range(8):
        assert_close(fast.next(target), slow.next(target), rtol=0, atol=1e-12)
        if step in (2, 5):  # beams change places, and one of them is dropped for a copy of another
            rows = torch.tensor([1, 1, 3, 0])
            slow.keep(rows), fast.keep(rows)
            target = target[rows]
        more = 2 if step == 6 else 1
        target = torch.cat([target, torch.randint(4, 10, (4, more), generator=generator)], dim=1)


@pytest.mark.parametrize("write", [greedy, beam], ids=["greedy", "beam"])
@pytest.mark.parametrize("settings", MODELS.values(), ids=MODELS)
def test_translations_with_memory_are_those_without(write, settings):
    for seed in range(3):
        model, source = translator(seed, **settings), sources()
        fast, slow = write(model, source, 10), write(model, source, 10, reader=Rereading)
        assert [row.tolist() for row in fast] == [row.tolist() for row in slow]


def test_greedy_takes_the_likeliest_word_each_time():
    model, source = translator(), sources()
    for row, written in zip(source, greedy(model, source, 8), strict=True):
        words = row[row != PADDING][None]
        for place, token in enumerate(written.tolist()):
            target = torch.tensor([[START, *written[:place].tolist()]])
            assert int(model(words, target)[0, -1].argmax()) == token


@pytest.mark.parametrize("write", [greedy, beam], ids=["greedy", "beam"])
def test_a_row_alone_is_translated_as_among_others(write):
    model, source = translator(3), sources()
    together = write(model, source, 9)
    for row, written in zip(source, together, strict=True):
        assert write(model, row[row != PADDING][None], 9)[0].tolist() == written.tolist()


def test_a_beam_of_one_without_penalty_is_greedy():
    for seed in range(4):
        model, source = translator(seed), sources()
        for one, other in zip(beam(model, source, 9, size=1), greedy(model, source, 9), strict=True):
            assert one.tolist() == other.tolist()


@pytest.mark.parametrize("alpha", [0.0, 0.6, 2.0])
def test_a_beam_of_everything_finds_the_best_there_is(alpha):
    """Five tokens, at most three words: every translation can be tried."""
    for seed in range(2):
        model = translator(seed, vocab=5)
        source = torch.tensor([[3, 4, 3]])
        texts = [(*words, END) for length in range(3) for words in itertools.product((0, 1, 3, 4), repeat=length)]
        best = max(texts, key=lambda text: score(model, source, text) / gnmt(alpha)(len(text)))
        found = beam(model, source, 3, size=64, penalty=gnmt(alpha))[0]
        assert tuple(found.tolist()) == best


def test_where_none_is_named_the_penalty_is_that_of_wu_and_others():
    differs = False
    for seed in range(3):
        model, source = translator(seed), sources()
        usual, same, none = (
            beam(model, source, 9, **how) for how in ({}, {"penalty": gnmt(0.6)}, {"penalty": gnmt(0.0)})
        )
        assert all(torch.equal(one, other) for one, other in zip(usual, same, strict=True))
        differs |= any(not torch.equal(one, other) for one, other in zip(usual, none, strict=True))
    assert differs


def test_the_penalty_of_wu_and_others():
    assert gnmt(0.6)(1) == 1.0 and gnmt(0.0)(9) == 1.0
    assert gnmt(0.6)(13) == pytest.approx(3**0.6)


def test_what_does_not_end_is_cut_at_the_count():
    model = translator(head_bias=True)
    with torch.no_grad():
        model.bias[END] = -1e9
    for write in (greedy, beam):
        assert [len(row) for row in write(model, sources(), 5)] == [5] * 4


@pytest.mark.parametrize("write", [greedy, beam], ids=["greedy", "beam"])
@pytest.mark.parametrize("count", [0, 13])
def test_a_count_out_of_range_is_refused(write, count):
    with pytest.raises(CallError, match=f"1 to 12 tokens.* came {count}"):
        write(translator(), sources(), count)


def test_a_beam_of_none_is_refused():
    with pytest.raises(CallError, match="beam of at least 1"):
        beam(translator(), sources(), 3, size=0)


@pytest.mark.parametrize(
    "prompt, message", [("", "empty one"), ("xyz", "came 'x'"), ("abcabcabcabc", "at most 11 tokens")]
)
def test_a_prompt_that_cannot_be_translated_is_refused(prompt, message):
    with pytest.raises(CallError, match=message):
        translate_text(translator(), INFO, prompt)


def test_a_prompt_is_translated_by_beam():
    model = translator()
    text = translate_text(model, INFO, "abc", count=5)["text"]
    assert set(text) <= set("abcdef\N{REPLACEMENT CHARACTER}")
    assert text == translate_text(model, INFO, "abc", count=5, seed=7, temperature=2.0)["text"]


def test_many_texts_come_back_in_their_own_order():
    model = translator(head_bias=True)
    with torch.no_grad():
        model.bias[:4] = -9.0  # letters alone, so that there is something to compare
    prompts = ["abcdef", "a", "fed", "bb", "cafe"]
    together = translate_all(model, [encode(prompt, INFO) for prompt in prompts], INFO, extra=4, rows=2)
    order = sorted(range(5), key=lambda i: len(prompts[i]))
    for pair in (order[:2], order[2:4], order[4:]):
        batch = [encode(prompts[i], INFO) for i in pair]
        count = max(map(len, batch)) + 4
        for i, tokens in zip(pair, batch, strict=True):
            assert len(together[i]) == min(12, count)
            assert together[i] == decode(greedy(model, tokens[None], min(12, count))[0].tolist(), INFO)
    assert len(set(together)) > 1


@pytest.mark.reference
def test_greedy_is_transformers_greedy(tmp_path):
    transformers = pytest.importorskip("transformers")
    theirs = transformers.MarianMTModel(transformers.MarianConfig(
        vocab_size=20, d_model=16, max_position_embeddings=24, encoder_layers=2, decoder_layers=2,
        encoder_attention_heads=2, decoder_attention_heads=2, encoder_ffn_dim=32, decoder_ffn_dim=32,
        scale_embedding=True, activation_function="swish", pad_token_id=19, decoder_start_token_id=19, eos_token_id=0,
        forced_eos_token_id=None, init_std=0.5,
    )).eval()  # fmt: skip
    theirs.save_pretrained(tmp_path)
    ours = Transformer.from_pretrained(tmp_path).eval()
    source = torch.randint(1, 19, (3, 7), generator=torch.Generator().manual_seed(0))
    source[1, 4:] = 19
    reference = theirs.generate(input_ids=source, attention_mask=(source != 19).long(), num_beams=1, do_sample=False,
                                max_new_tokens=10, bad_words_ids=None)  # fmt: skip
    for mine, other in zip(greedy(ours, source, 10), reference, strict=True):
        ended = (other[1:] == 0).nonzero()
        assert mine.tolist() == other[1 : int(ended[0]) + 2 if len(ended) else None].tolist()
