import pytest
import torch

from learnable.data.examples import Info
from learnable.data.recall import answers, pairs, read, write
from learnable.errors import CallError, WorldError

INFO = Info("pairs", alphabet=tuple("abcdefghijklmnopqrstuvwxyz"), classes=tuple("0123456789"), context=8)


def everything(examples):
    return examples.batch(torch.arange(len(examples)), {})


def lines(data):
    return {
        part: [write(tokens, data.info) for tokens in everything(getattr(data, part))["tokens"]]
        for part in ("train", "valid", "test")
    }


def facts(line):
    """What a line says, in whatever order."""
    *words, question = line.split()
    return frozenset(words), question


@pytest.mark.parametrize("settings", [{}, {"pairs": 2}, {"pairs": 26}, {"pairs": 3, "keys": 20, "values": 3}], ids=str)
def test_every_line_is_one_that_a_person_can_answer(settings):
    data = pairs(**settings)
    count, keys, values = settings.get("pairs", 8), settings.get("keys", 26), settings.get("values", 10)
    assert (len(data.train), len(data.valid), len(data.test)) == (20_000, 2_000, 2_000)
    assert (data.info.context, data.info.vocab, len(data.info.classes)) == (count, keys, values)
    for part in (data.train, data.valid, data.test):
        tokens, label = everything(part)["tokens"], everything(part)["label"]
        letters, digits = tokens[:, :-1, 0], tokens[:, :-1, 1]
        assert tokens.shape[1:] == (count + 1, 2)
        assert all(row.unique().numel() == count for row in letters[:200])
        assert int(letters.min()) >= 0 and int(letters.max()) < keys
        assert int(digits.min()) >= 0 and int(digits.max()) < values
        assert (tokens[:, -1, 1] == values).all()
        assert ((letters == tokens[:, -1:, 0]).sum(dim=1) == 1).all()
        assert (label == answers(tokens)).all()


def test_the_label_is_the_digit_beside_the_letter():
    data = pairs(pairs=5)
    batch = data.test.batch(torch.arange(50), {})
    for tokens, label in zip(batch["tokens"], batch["label"].tolist(), strict=True):
        *words, question = write(tokens, data.info).split()
        assert dict(words)[question[0]] == str(label)


def test_nothing_is_preferred():
    """Letters, digits, the place that is asked for: all equally often, within four standard errors."""
    batch = everything(pairs().train)
    tokens = batch["tokens"]
    place = (tokens[:, :-1, 0] == tokens[:, -1:, 0]).int().argmax(dim=1)
    for numbers, kinds in ((tokens[:, 0, 0], 26), (tokens[:, -1, 0], 26), (batch["label"], 10), (place, 8)):
        share = numbers.bincount(minlength=kinds) / len(numbers)
        assert len(share) == kinds
        assert (share - 1 / kinds).abs().max() < 4 * (1 / kinds / len(numbers)) ** 0.5


@pytest.mark.parametrize("count", [2, 8])
def test_no_line_is_in_two_parts_not_even_in_another_order(count):
    parts = {part: {facts(line) for line in found} for part, found in lines(pairs(pairs=count)).items()}
    assert [len(parts[part]) for part in ("train", "valid", "test")] == [20_000, 2_000, 2_000]
    assert not (parts["train"] & parts["test"] or parts["train"] & parts["valid"] or parts["valid"] & parts["test"])


def test_the_same_call_gives_the_same_lines_and_leaves_the_global_generator_alone():
    state = torch.get_rng_state()
    first, second, other = pairs(pairs=3), pairs(pairs=3), pairs(pairs=3, seed=1)
    assert torch.equal(state, torch.get_rng_state())
    assert lines(first) == lines(second)
    assert lines(first)["test"] != lines(other)["test"]


@pytest.mark.parametrize(
    "settings, message",
    [
        ({"pairs": 0}, "--pairs takes 1 to 26, came 0"),
        ({"pairs": 9, "keys": 8}, "--pairs takes 1 to 8, came 9"),
        ({"keys": 27}, "--keys takes 1 to 26, came 27"),
        ({"values": 11}, "--values takes 1 to 10, came 11"),
        ({"values": 0}, "--values takes 1 to 10, came 0"),
        ({"pairs": 1}, "too few different lines: expected 24000, came 260"),
    ],
)
def test_settings_out_of_range(settings, message):
    with pytest.raises(CallError, match=message):
        pairs(**settings)


@pytest.mark.parametrize("line", ["a3 f7 k1 f?", "z0 z?", "a0 b1 c2 d3 e4 f5 g6 h7 h?"])
def test_what_is_read_is_what_is_written(line):
    assert write(read(line, INFO), INFO) == line


@pytest.mark.parametrize(
    "line, message",
    [
        ("", "expected a question such as f\\? at the end, came ''"),
        ("a3 f7", "expected a question such as f\\? at the end, came 'f7'"),
        ("a3 f7 ?", "expected a question such as f\\? at the end, came '\\?'"),
        ("f?", "expected pairs before the question, such as a3 f7 f\\?, came only 'f\\?'"),
        ("a3 f7 k?", "expected a question about one of a f, came 'k\\?'"),
        ("a3 a4 a?", "expected each letter once before the question, came 'a' 2 times"),
        ("a3 é4 a?", "expected a letter a to z \\(--keys\\) at the start of 'é4'"),
        ("a3 A4 a?", "expected a letter a to z \\(--keys\\) at the start of 'A4'"),
        ("a3 b44 a?", "expected a letter and one digit 0 to 9 \\(--values\\), came 'b44'"),
        ("a3 b? a?", "expected a letter and one digit 0 to 9 \\(--values\\), came 'b\\?'"),
        ("a3 b a?", "expected a letter and one digit 0 to 9 \\(--values\\), came 'b'"),
        ("a0 b1 c2 d3 e4 f5 g6 h7 i8 h?", "expected at most 8 pairs before the question \\(--pairs\\), came 9"),
        ("x" * 10_000, "expected a question .* in 'x+\\.\\.\\.'"),
    ],
)
def test_a_line_of_another_form_is_named(line, message):
    with pytest.raises(CallError, match=message) as caught:
        read(line, INFO)
    assert len(str(caught.value)) < 200


@pytest.fixture
def file(tmp_path):
    def make(text, name="lines.txt"):
        path = tmp_path / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return str(path)

    return make


def test_a_file_of_ones_own(file):
    """Short lines are filled up at the front, blank ones skipped, what is said twice counts once."""
    data = pairs(
        file("\ufeff" + "".join(f"a{i} b{j} a?\n\nb{j} a{i} a?\r\n" for i in range(5) for j in range(4))), pairs=3
    )
    assert data.info.data == "file lines.txt"
    assert (len(data.train), len(data.valid), len(data.test)) == (16, 2, 2)
    assert len({facts(line) for part in lines(data).values() for line in part}) == 20
    batch = everything(data.train)
    assert batch["tokens"].shape == (16, 4, 2)
    assert (batch["tokens"][:, 0] == torch.tensor([26, 10])).all()
    assert torch.equal(batch["label"], batch["tokens"][:, 1, 1])


@pytest.mark.parametrize(
    "text, message",
    [
        ("a3 a?\n\nb4 c?\n", "lines.txt, line 3: expected a question about one of b, came 'c\\?'"),
        ("a1 b2 c3 c?", "lines.txt, line 1: expected at most 2 pairs"),
        ("", "has 0 different lines; expected at least 10"),
        ("a3 a?\n" * 50, "has 1 different lines; expected at least 10"),
        (b"\xff\xfe\x00", "expected a text file with lines such as a3 f7 k1 f\\?"),
    ],
)
def test_a_file_that_will_not_do(file, text, message):
    with pytest.raises(WorldError, match=message):
        pairs(file(text), pairs=2)


def test_no_file_at_all(tmp_path):
    with pytest.raises(WorldError, match=r"there is no file .*nowhere\.txt; --data takes a text file"):
        pairs(str(tmp_path / "nowhere.txt"))
    with pytest.raises(WorldError, match="expected a text file"):
        pairs(str(tmp_path))
