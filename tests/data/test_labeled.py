import platform

import pytest
import torch

from learnable.data.labeled import labeled_texts, read_ag_news, read_labeled_table, read_modules, read_sst, read_tree
from learnable.data.tokenizers.formats import to_json
from learnable.data.tokenizers.learning import learn_wordpiece
from learnable.data.words import words_of
from learnable.errors import CallError, WorldError


@pytest.fixture
def mirrored(mirror, monkeypatch):
    monkeypatch.setenv("LEARNABLE_DATA_MIRROR", str(mirror))


def test_modules_are_the_default():
    data = labeled_texts(vocab=2000)
    assert data.info.data == f"modules of Python {platform.python_version()}" and len(data.info.classes) == 22
    batch = data.test.batch(torch.tensor([0]), {})
    words = words_of(data.info)
    assert batch["tokens"][0, 0] == words.first and data.info.classes[batch["label"][0]] == "argparse"


def test_the_end_of_every_module_is_kept_for_the_test():
    _, classes, (train, valid, test) = read_modules()
    for label in range(len(classes)):
        shares = [sum(one == label for _, one in part) for part in (train, valid, test)]
        assert shares[0] > 5 * shares[1] > 0 and shares[2] > 0, classes[label]
    seen = {text for text, _ in train}
    assert sum(text in seen for text, _ in test) < 0.02 * len(test)


def test_the_treebank_has_its_published_sizes(mirrored):
    name, classes, parts = read_sst(five=True)
    assert (name, len(classes)) == ("sst5", 5) and [len(part) for part in parts] == [8544, 1101, 2210]
    counts = [[sum(label == grade for _, label in part) for grade in range(5)] for part in parts]
    assert counts == [[1092, 2218, 1624, 2322, 1288], [139, 289, 229, 279, 165], [279, 633, 389, 510, 399]]
    assert parts[1][0][0] == "It 's a lovely film with lovely performances by Buy and Accorsi ."
    _, classes, parts = read_sst()
    assert classes == ("negative", "positive") and [len(part) for part in parts] == [6920, 872, 1821]


def test_phrases_are_those_of_the_training_part_alone(mirrored):
    sentences, phrases = read_sst()[2], read_sst(phrases=True)[2]
    assert len(phrases[0]) > 60_000 and phrases[1:] == sentences[1:]
    assert len({text for text, _ in phrases[0]}) == len(phrases[0])
    both = dict(phrases[0])
    assert sum(both.get(text) == label for text, label in sentences[0]) > 0.99 * len(sentences[0])


def test_a_tree():
    assert read_tree("(3 (2 Not) (4 (2 -LRB-) (4 great\\/good)))") == [
        ("Not ( great/good", 3), ("Not", 2), ("( great/good", 4), ("(", 2), ("great/good", 4),
    ]  # fmt: skip


@pytest.mark.parametrize("line", ["", "(3 a", "3 a)", "(3 a))", "(5 a)", "(x a)", "(a (2 b))", "a", "((2 a) (2 b))"])
def test_what_is_no_tree(line):
    with pytest.raises(WorldError, match="expected a tree"):
        read_tree(line)


def test_ag_news_test_file_says_that_it_is_that_alone(mirrored):
    name, classes, parts = read_ag_news(test_alone=True)
    assert "7,600" in name and [len(part) for part in parts] == [6080, 760, 760]
    for part, count in zip(parts, (1520, 190, 190), strict=True):
        assert all(sum(label == one for _, label in part) == count for one in range(4))
    assert classes == ("World", "Sports", "Business", "Sci/Tech")
    texts = [text for part in parts for text, _ in part]
    assert any(text.startswith("Fears for T N pension after talks. Unions") for text in texts)
    assert not any("\\" in text for text in texts)


def test_ag_news_without_its_training_file_names_the_way_out(mirrored, monkeypatch):
    from learnable.data import labeled

    def fetch(dataset, file):
        if file == "train.csv":
            raise WorldError("no network")
        return original(dataset, file)

    original = labeled.fetch
    monkeypatch.setattr(labeled, "fetch", fetch)
    with pytest.raises(WorldError, match="no network\n.*--data ag_news_test"):
        read_ag_news()


def table(tmp_path, text):
    path = tmp_path / "my.csv"
    path.write_text(text)
    return path


def test_a_table_of_ones_own(tmp_path):
    rows = "".join(
        f'"so {word}, it was {i}",{label}\n' for i in range(10) for word, label in (("good", "yes"), ("bad", "no"))
    )
    name, classes, parts = read_labeled_table(table(tmp_path, "text,label\n" + rows))
    assert (name, classes) == ("texts my.csv", ("no", "yes")) and [len(part) for part in parts] == [16, 2, 2]
    data = labeled_texts(str(tmp_path / "my.csv"), vocab=100)
    assert len(data.train) == 16 and data.info.classes == classes


@pytest.mark.parametrize(
    "text, said",
    [
        ("text,kind\na b,x\n", "'label' is missing"),
        ("text,label\na,x\nb,x\nc,x\n", "came only 'x'"),
        ("text,label\na,x\nb,x\nc,x\nd,y\n", "came 1 of 'y'"),
    ],
)
def test_tables_that_will_not_do(tmp_path, text, said):
    with pytest.raises(WorldError, match=said):
        read_labeled_table(table(tmp_path, text))


def test_fewer_examples_and_anothers_words(tmp_path):
    others = learn_wordpiece("the quick brown fox jumps over the lazy dog", 60)
    path = table(tmp_path, "text,label\n" + "".join(f"{i} {w},{w}\n" for i in range(40) for w in ("cat", "dog")))
    data = labeled_texts(str(path), examples=50, tokenizer=others)
    assert len(data.train) == 50 and data.info.tokenizer == to_json(others)
    again = labeled_texts(str(path), examples=60, tokenizer=others)
    assert torch.equal(again.train.tokens[:50], data.train.tokens)  # the fewer are part of the more


def test_wrong_calls(tmp_path):
    with pytest.raises(CallError, match="--data sst or sst5"):
        labeled_texts(phrases=True)
    with pytest.raises(CallError, match="at least 3 tokens"):
        labeled_texts(context=2)
    with pytest.raises(CallError, match="training examples"):
        labeled_texts(str(table(tmp_path, "text,label\n" + "a,x\nb,y\n" * 5)), examples=10**9)
