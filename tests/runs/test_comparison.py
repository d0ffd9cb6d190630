import pytest

from learnable.data.examples import Info
from learnable.errors import CallError
from learnable.runs.comparison import compare, siblings
from learnable.runs.run import Run
from toy import install


@pytest.fixture(autouse=True)
def toy(monkeypatch):
    install(monkeypatch)


def made(seed, value, metric="accuracy", recipe="toy", data="a", **overrides):
    record = {
        "overrides": {**overrides, "seed": seed}, "seed": seed, "info": Info("line").to_json(), "status": "finished",
        "data": {"fingerprint": data},
    }  # fmt: skip
    return Run.create(recipe, record if value is None else {**record, "metrics": {metric: value}})


def test_each_side_is_widened_to_the_runs_that_differ_by_the_seed():
    made(0, 0.80), made(1, 0.82)
    first = made(2, 0.81)
    made(0, 0.90, hidden=9), made(1, 0.91, hidden=9)
    second = made(2, 0.92, hidden=9)
    sides = compare(first, second)
    assert sides.metric == "accuracy"
    assert sides.values == ({0: 0.80, 1: 0.82, 2: 0.81}, {0: 0.90, 1: 0.91, 2: 0.92})
    assert sides.comparison.mean == pytest.approx(0.1) and sides.comparison.seeds == (0, 1, 2)
    assert sides.names == (first.name, second.name)


def test_other_data_another_setting_or_no_result_make_no_siblings():
    run = made(0, 0.8)
    made(1, 0.8, data="b"), made(2, 0.8, hidden=3), made(3, None), made(4, 0.8, recipe="lenet")
    (made(5, 0.8).folder / "run.json").write_text("torn")
    kept = made(6, 0.7, device="cpu")
    assert [each.folder for each in siblings(run)] == [run.folder, kept.folder]


def test_of_one_seed_the_latest_counts_and_the_run_itself_before_all():
    made(1, 0.1)
    latest = made(1, 0.2)
    run = made(0, 0.8)
    made(0, 0.9)
    assert [each.folder for each in siblings(run)] == [run.folder, latest.folder]


def test_a_run_without_a_result_cannot_be_compared():
    with pytest.raises(CallError, match="so it has no result to compare; finish it: learnable train --resume"):
        compare(made(0, 0.8), made(0, None, hidden=3))


def test_characters_and_byte_pairs_are_compared_by_the_bits_of_one_text():
    def read(metrics, test, **info):
        record = {"overrides": {"context": len(info)}, "seed": 0, "status": "finished", "metrics": metrics, "data": {"test": test},
                  "info": Info("a book", context=10, **info).to_json()}  # fmt: skip
        return Run.create("gpt", record)

    letters = read({"loss": 1.4, "bits_per_character": 2.0}, 990, alphabet=("a", "b"))
    pieces = read({"loss": 3.0, "bits_per_character": 1.9}, 400, tokenizer={"model": {}}, more={"characters": "1000"})
    other = read({"loss": 3.0, "bits_per_character": 1.9}, 400, tokenizer={"model": {}}, more={"characters": "1001"})
    assert compare(letters, pieces).comparison.mean == pytest.approx(-0.1)
    with pytest.raises(CallError, match="loss is counted by token; compare their bits_per_character"):
        compare(letters, pieces, metric="loss")
    with pytest.raises(CallError, match="what differs may be the data"):
        compare(letters, other)


def test_what_has_nothing_in_common_cannot_be_compared():
    with pytest.raises(CallError, match="have no metric in common"):
        compare(made(0, 0.8), made(0, 0.8, metric="divergence", hidden=3))
    with pytest.raises(CallError, match="have no metric in common"):
        compare(made(0, 0.8), made(0, 0.8, hidden=3), metric="loss")


def test_where_the_promised_metric_is_missing_another_is_taken():
    assert compare(made(0, 0.8, metric="loss"), made(0, 0.8, metric="loss", hidden=3)).metric == "loss"


def test_two_recipes_are_called_by_their_names_and_a_lost_value_is_left_out():
    sides = compare(made(0, 0.8), made(0, float("nan"), recipe="lenet"))
    assert sides.names == ("toy", "lenet") and sides.comparison.mean is None


def on(data, test, seed=0, **overrides):
    record = {
        "overrides": {**overrides, "seed": seed}, "seed": seed, "info": Info(data).to_json(), "status": "finished",
        "data": {"fingerprint": "a", "test": test}, "metrics": {"accuracy": 0.9},
    }  # fmt: skip
    return Run.create("toy", record)


def test_results_on_other_data_are_not_compared():
    with pytest.raises(CallError, match=r"360 examples of digits .* 10000 of mnist: what differs may be the data"):
        compare(on("digits", 360), on("mnist", 10000, hidden=3))


def test_two_seeds_of_one_setting_differ_by_chance():
    sides = compare(made(0, 0.80), made(1, 0.82))
    assert "differ by the seed alone (0: 0.8, 1: 0.82)" in sides.comparison.verdict
    assert sides.values == ({0: 0.80}, {1: 0.82}) and sides.comparison.p_value is None
