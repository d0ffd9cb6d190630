import warnings

import pytest
import torch

from learnable.errors import WorldError
from learnable.weights.table import Row, copies, join, same, translate, transpose, untranslate

TABLE = [
    #   theirs                               ours                 change
    Row("emb.weight",                        "token.weight",      same),
    Row("l.#.fc.weight",                     "blocks.#.up",       transpose),
    Row(("l.#.q.w", "l.#.k.w", "l.#.v.w"),   "blocks.#.qkv",      join(3)),
    Row("l.#.mask",                          None,                same),
]  # fmt: skip


def theirs():
    generator = torch.Generator().manual_seed(0)
    state = {"emb.weight": torch.randn(5, 2, generator=generator)}
    for number in (0, 11):
        state[f"l.{number}.fc.weight"] = torch.randn(2, 8, generator=generator)
        state |= {f"l.{number}.{part}.w": torch.randn(3, 2, generator=generator) for part in "vkq"}  # in another order
    return state


def test_names_shapes_and_numbers_go_over():
    ours = translate(theirs() | {"l.11.mask": torch.ones(1)}, TABLE)
    assert set(ours) == {"token.weight", "blocks.0.up", "blocks.0.qkv", "blocks.11.up", "blocks.11.qkv"}
    assert torch.equal(ours["blocks.11.up"], theirs()["l.11.fc.weight"].t())
    assert torch.equal(ours["blocks.0.qkv"], torch.cat([theirs()[f"l.0.{part}.w"] for part in "qkv"]))


def test_every_change_undoes_itself():
    ours = translate(theirs(), TABLE)
    back = untranslate(ours, TABLE)
    assert back.keys() == theirs().keys()
    assert all(torch.equal(back[name], tensor) for name, tensor in theirs().items())
    again = translate(back, TABLE)
    assert all(torch.equal(again[name], tensor) for name, tensor in ours.items())


def like():
    return {name: tensor.to("meta") for name, tensor in translate(theirs(), TABLE).items()}


def test_a_state_that_fits_is_taken():
    assert translate(theirs(), TABLE, like=like()).keys() == like().keys()


@pytest.mark.parametrize(
    "change, message",
    [
        (lambda state: state.pop("l.11.fc.weight"), r"missing: l.11.fc.weight of shape \(2, 8\)"),
        (lambda state: state.pop("l.0.k.w"), r"missing: l.0.k.w of shape \(3, 2\)"),
        (
            lambda state: state.update({"l.2.fc.weight": torch.zeros(2, 8)}),
            r"not expected: l.2.fc.weight of shape \(2, 8\)",
        ),
        (lambda state: state.update({"score.weight": torch.zeros(2)}), "not expected: score.weight"),
        (
            lambda state: state.update({"l.0.fc.weight": torch.zeros(8, 2)}),
            r"l.0.fc.weight: expected shape \(2, 8\), came \(8, 2\)",
        ),
        (
            lambda state: state.update({"l.0.fc.weight": torch.zeros(2, 8, dtype=torch.int8)}),
            "l.0.fc.weight: expected float32, came int8",
        ),
    ],
    ids=["missing", "missing part", "a block too many", "extra", "another shape", "whole numbers"],
)
def test_what_does_not_fit_is_named_as_in_the_file(change, message):
    state = theirs()
    change(state)
    with pytest.raises(WorldError, match=message):
        translate(state, TABLE, like=like())


def test_without_a_model_to_compare_with_rows_are_strict_all_the_same():
    with pytest.raises(WorldError, match=r"no row for their head.weight"):
        translate({"head.weight": torch.zeros(1)}, TABLE)
    with pytest.raises(WorldError, match=r"blocks.4.qkv is made of .* missing: l.#.k.w, l.#.v.w"):
        translate({"l.4.q.w": torch.zeros(3, 2)}, TABLE)
    with pytest.raises(WorldError, match=r"no row for our blocks.0.bias"):
        untranslate({"blocks.0.bias": torch.zeros(1)}, TABLE)


def test_a_dot_in_a_name_is_a_dot():
    with pytest.raises(WorldError, match="embXweight"):
        translate({"embXweight": torch.zeros(1)}, TABLE)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16, None])
@pytest.mark.parametrize("number", [torch.nan, torch.inf, -torch.inf])
def test_numbers_that_are_not_finite_are_told_of(number, dtype):
    state = {"w": torch.tensor([1.0, number, number]), "n": torch.tensor(3), "rest": torch.ones(2)}
    with pytest.warns(UserWarning, match=r"not finite \(NaN or infinite\): 2 of 3 in w\. What"):
        own = copies(state, dtype)
    assert own["w"].dtype == (dtype or torch.float32) and not own["w"][1].isfinite()


def test_many_tensors_make_one_warning():
    with pytest.warns(UserWarning) as told:
        copies({name: torch.full((2,), torch.nan) for name in "abcde"}, None)
    assert len(told) == 1 and "2 of 2 in a, 2 of 2 in b, 2 of 2 in c and some in 2 more. What" in str(told[0].message)


def test_a_type_too_narrow_is_told_of():
    with pytest.warns(UserWarning, match="1 of 2 in w"):
        copies({"w": torch.tensor([1.0, 1e5])}, torch.float16)


@pytest.mark.parametrize("tensor", [
    torch.full((4,), torch.finfo(torch.float16).max, dtype=torch.float16),
    torch.full((4,), torch.finfo(torch.float32).max),  # whose sum is infinite
    torch.zeros(3, dtype=torch.float8_e4m3fn),
    torch.zeros(0, 3),
    torch.tensor([2**40]),
], ids=["half", "large", "eight bits", "empty", "whole"])  # fmt: skip
def test_finite_numbers_are_loaded_without_a_word(tensor):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert copies({"w": tensor}, None)["w"].equal(tensor) or tensor.itemsize == 1
