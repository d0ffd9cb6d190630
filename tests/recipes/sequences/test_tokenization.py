import pytest
import torch

from learnable.data.tokens import to_tokens
from learnable.errors import CallError
from learnable.recipes.sequences.tokenization import (
    BLOCK,
    RECIPE,
    SHARE,
    TRANSLATIONS,
    compare,
    drawn,
    example,
    frequencies,
    shake,
)
from learnable.train.workbench import Workbench

LINES = [f"The {kind} of item {number} is {number * 7 % 11}; do not touch it!" for number in range(300)
         for kind in ("size", "weight", "color")]  # fmt: skip


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    file = tmp_path_factory.mktemp("text") / "book.txt"
    file.write_text("\n".join(LINES), encoding="utf-8")
    return RECIPE.data(str(file), context=16)


def test_what_is_measured_and_what_is_kept(data):
    kept = {}
    metrics = compare(Workbench(data, save=lambda _, arrays: kept.update(arrays)), vocab=512, largest=512)
    assert metrics["bytes_per_token"] == metrics["bytes_per_token_bpe_512"] > 2
    assert metrics["returned_bpe"] == 1 and metrics["premium_russian_bpe"] > 1
    assert metrics["unknown_russian_wordpiece"] > 0 and "premium_russian_wordpiece" not in metrics
    assert {f"premium_{language}_bytes" for language in TRANSLATIONS} <= metrics.keys()
    model = frequencies(data.info)
    model.load_state_dict({name: torch.from_numpy(array) for name, array in kept.items()})
    assert RECIPE.evaluate(model, data.test, data.info)["loss"] == pytest.approx(metrics["loss"])
    assert model(*example(data.info)).shape[-1] == data.info.vocab


def test_tokens_out_of_a_bag(data):
    """With a generator a run is opened as one of a language model, by its own tokenizer."""
    model = frequencies(data.info)
    with torch.no_grad():
        model.logits[5] = 40.0
    one, other = (shake(model, data.info, "The", count=4, seed=seed)["text"] for seed in (0, 1))
    assert one == other == "The" + 4 * data.info.cutter.decode([5]) and RECIPE.generate is shake
    with pytest.raises(CallError, match="at least 1"):
        shake(model, data.info, "", count=0)


def test_the_seed_says_what_is_learned_from():
    text = "".join(chr(65 + number) * BLOCK for number in range(20))
    one, other = drawn(text, 0), drawn(text, 1)
    assert one != other and set(one) <= {*text, " "}
    assert len(one.split()) == 20 // SHARE and one == drawn(text, 0)


def test_a_vocabulary_that_holds_no_letters_is_refused(data):
    with pytest.raises(CallError, match="at least 512"):
        compare(Workbench(data), vocab=100, largest=512)


def test_blanks_are_single_to_every_tokenizer(data):
    tokens = to_tokens("a  b", data.info)
    assert len(tokens) > 2  # byte pairs keep them, and so would the data
