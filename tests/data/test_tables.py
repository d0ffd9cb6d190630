import json
import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from learnable.data.examples import Info
from learnable.data.tables import feature_names, parse_table, point_table, prepare_table, read_table, table, table_like
from learnable.errors import CallError, LearnableError, WorldError


def csv(tmp_path, text: str, name: str = "plants.csv") -> str:
    file = tmp_path / name
    file.write_text(text, encoding="utf-8")
    return str(file)


PLANTS = "height,kind,leaf,class\n" + "".join(
    f"{i},{'oak' if i % 2 else 'fern'},{'' if i == 3 else 'small'},{'tree' if i % 2 else 'herb'}\n" for i in range(40)
)


def test_a_table_becomes_features_of_mean_zero_and_deviation_one(tmp_path):
    data = table(csv(tmp_path, PLANTS))
    assert data.info.data == "table plants.csv" and data.info.classes == ("herb", "tree")
    assert feature_names(data.info.more["columns"]) == ["height", "kind = fern", "kind = oak", "leaf = small"]
    assert [len(part) for part in (data.train, data.valid, data.test)] == [28, 4, 8]
    features, label = data.train.columns["features"], data.train.columns["label"]
    assert features.dtype == torch.float32 and label.dtype == torch.int64 and data.info.width == features.shape[1] == 4
    assert abs(features[:, 0].mean()) < 1e-6 and abs(features[:, 0].std(correction=0) - 1) < 1e-6
    assert torch.equal(features[:, 2].long(), label)
    assert json.loads(json.dumps(data.info.to_json()))["more"]["target"] == "class"


def test_only_the_training_part_is_learned_from(tmp_path):
    """Were the whole table used, the part for the test would move the mean."""
    data = table(csv(tmp_path, PLANTS))
    whole = torch.cat([part.columns["features"][:, 0] for part in (data.train, data.valid, data.test)])
    assert abs(whole.mean()) > 1e-3


def test_missing_numbers_become_the_median_and_say_so(tmp_path):
    rows = [f"{'?' if i % 10 == 0 else i % 7},{i % 2}" for i in range(100)]
    data = table(csv(tmp_path, "x,class\n" + "\n".join(rows)))
    (column,) = data.info.more["columns"]
    assert feature_names([column]) == ["x", "x is missing"] and column["median"] == 3
    features = data.train.columns["features"]
    gaps = features[:, 1] == 1
    assert gaps.any() and torch.all(features[gaps, 0] == (3 - column["mean"]) / column["deviation"])


def test_without_names_the_columns_are_numbered(tmp_path):
    data = table(csv(tmp_path, "".join(f"{i};{i % 3}\n" for i in range(30))))
    assert data.info.more["target"] == "column 2" and data.info.classes == ("0", "1", "2")


def test_the_target_may_be_named(tmp_path):
    data = table(csv(tmp_path, PLANTS), target="kind")
    assert data.info.classes == ("fern", "oak")
    with pytest.raises(CallError, match="did you mean 'class'"):
        table(csv(tmp_path, PLANTS), target="clas")


def test_new_rows_are_read_like_the_old_ones(tmp_path):
    data = table(csv(tmp_path, PLANTS))
    info = Info.from_json(json.loads(json.dumps(data.info.to_json())))
    new = csv(tmp_path, "leaf,kind,height\nsmall,oak,7\n,palm,\n", "new.csv")  # another order, no class, a new word
    features = prepare_table(tmp_path / "new.csv", info)
    mean, deviation = info.more["columns"][0]["mean"], info.more["columns"][0]["deviation"]
    assert torch.allclose(features[0], torch.tensor([(7 - mean) / deviation, 0, 1, 1]))
    assert features[1, 1:].tolist() == [0, 0, 0] and torch.isfinite(features).all()
    with pytest.raises(WorldError, match="'leaf' is missing"):
        prepare_table(tmp_path / csv(tmp_path, "kind,height\noak,7\n", "less.csv"), info)
    assert new


def test_another_table_is_measured_by_the_first_ones_mean_and_classes(tmp_path):
    """Its heights are far above the first one's, which `table` would hide by taking off their own mean."""
    data = table(csv(tmp_path, PLANTS))
    info = Info.from_json(json.loads(json.dumps(data.info.to_json())))
    other = "class,leaf,kind,height\n" + "".join(
        f"tree,small,oak,{1000 + i}\n" for i in range(3)
    )  # one class, few rows
    examples = table_like(csv(tmp_path, other, "other.csv"), info)
    column = info.more["columns"][0]
    expected = (torch.tensor([1000.0, 1001, 1002]) - column["mean"]) / column["deviation"]
    assert torch.allclose(examples.columns["features"][:, 0], expected)
    assert examples.columns["label"].tolist() == [1, 1, 1] and examples.columns["label"].dtype == torch.int64
    whole = table_like(csv(tmp_path, PLANTS), info)
    assert len(whole) == 40 and set(whole.columns) == {"features", "label"}


@pytest.mark.parametrize(
    "text, message",
    [
        ("height,kind,leaf\n1,oak,small\n", r"'class' is missing; there are: height, kind, leaf"),
        ("height,kind,class\n1,oak,tree\n", r"'leaf' is missing"),
        ("height,kind,leaf,class\n1,oak,small,tree\n2,oak,,bush\n", r"classes herb, tree .*'class'.*came 'bush' in line 3"),
        ("height,kind,leaf,class\n1,oak,small,\n", r"came '' in line 2"),
    ],
    ids=["no class", "no column", "an unknown class", "a class left out"],
)  # fmt: skip
def test_a_table_that_does_not_fit_the_first_one(tmp_path, text, message):
    info = table(csv(tmp_path, PLANTS)).info
    with pytest.raises(WorldError, match=message):
        table_like(csv(tmp_path, text, "other.csv"), info)


def test_a_column_of_identities_is_left_out_and_named(tmp_path):
    rows = [f"person {i},{i},{i % 2}" for i in range(400)]
    data = table(csv(tmp_path, "who,age,class\n" + "\n".join(rows)))
    assert data.info.width == 1 and "who" in data.info.more["left_out"]


def test_a_column_that_never_changes_stays_finite(tmp_path):
    data = table(csv(tmp_path, "a,b,c\n" + "".join(f"5,{i},{i % 2}\n" for i in range(30))))
    assert torch.all(data.train.columns["features"][:, 0] == 0)


@pytest.mark.parametrize(
    "text, message",
    [
        ("", "is empty"),
        ("a,b,c\n", "no rows"),
        ("a,b\n1,2\n3\n", "expected 2 columns in every line .* came 1 in line 3"),
        ("a,b\n1,2\n3,4,5\n", "came 3 in line 3"),
        ('a,b\n1,"2\n3,4\n', "is no CSV"),
        ("a,a\n1,2\n", "two columns named 'a'"),
        ("word\n" * 30, "two or more classes"),
        ("just a line of text\nand another\n" * 20, "at least one column of numbers"),
        ("a,b\n" + "1,yes\n" * 30, "came 1 .'yes'.: there is nothing to tell apart"),
        ("a,b\n" + "1,yes\n2,no\n" * 10 + "3,maybe\n", "'maybe' has 1"),
        ("a,b\n" + "".join(f"{i},{i * 1.5}\n" for i in range(30)), "regression"),
        ("a,b\n" + "1,yes\n2,no\n" * 10 + "3,\n", "the class is missing in line 22"),
        ("a,b\n" + "".join(f"{i},{i % 2}\n" for i in range(60)) + "o,1\n", "the column 'a' of .*, line 62, came 'o'"),
        ("a,b\n" + "1e40,yes\n2,no\n" * 10, "too large"),
    ],
)
def test_what_is_wrong_with_a_table_is_said(tmp_path, text, message):
    with pytest.raises(WorldError, match=message):
        table(csv(tmp_path, text))


def test_not_a_csv_at_all(tmp_path):
    (tmp_path / "picture.csv").write_bytes(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR")
    with pytest.raises(WorldError, match="expected UTF-8"):
        table(str(tmp_path / "picture.csv"))
    with pytest.raises(WorldError, match="there is no table"):
        read_table(tmp_path / "none.csv")
    with pytest.raises(WorldError, match="came the folder"):
        table(str(tmp_path))


def test_quotes_and_blank_lines():
    found = parse_table('a, b\n\n"x, y", 1\n\n"two\nlines", 2\n')
    assert found.header == ("a", "b") and found.rows == [["x, y", "1"], ["two\nlines", "2"]] and found.lines == [3, 6]


def test_points(tmp_path):
    points = point_table(csv(tmp_path, "x;y\n1;2\n3.5;-1e3\n"))
    assert points.tolist() == [[1, 2], [3.5, -1000]] and points.dtype == torch.float64
    for text, message in [
        ("1,2,3\n", "two columns"),
        ("1,2\n3,\n", "line 2, came ''"),
        ("1,2\nx,4\n", "line 2, came 'x'"),
    ]:
        with pytest.raises(WorldError, match=message):
            point_table(csv(tmp_path, text))


def test_iris(mirror):
    data = table("iris")
    assert data.info.classes == ("Iris-setosa", "Iris-versicolor", "Iris-virginica")
    assert data.info.width == 4 and data.train.columns["label"].bincount().tolist() == [35, 35, 35]
    assert [len(part) for part in (data.train, data.valid, data.test)] == [105, 15, 30]
    assert table_like("iris", data.info).columns["label"].bincount().tolist() == [50, 50, 50]


@pytest.mark.slow
def test_adult(mirror):
    data = table("adult")
    assert data.info.classes == ("<=50K", ">50K")
    assert len(data.train) + len(data.valid) == 32_561 and len(data.test) == 16_281
    assert data.test.columns["label"].bincount().tolist() == [12_435, 3_846]
    assert torch.isfinite(data.test.columns["features"]).all()
    assert len(table_like("adult", data.info)) == 48_842


CELLS = st.text(alphabet="ab0123456789.-eE?\"', ;\n\r\t|_x\u0661", max_size=8) | st.floats(width=64).map(str)


@given(st.lists(st.lists(CELLS, min_size=2, max_size=3), max_size=20), st.sampled_from(",;\t|"))
def test_no_table_gets_out_of_hand(tmp_path_factory, rows, separator):
    file = tmp_path_factory.mktemp("tables") / "any.csv"
    file.write_text("\n".join(separator.join(row) for row in rows), encoding="utf-8")
    for read in (lambda: table(str(file)).train.columns["features"], lambda: point_table(file)):
        try:
            assert torch.isfinite(read()).all()
        except LearnableError as error:
            assert str(error)


@given(
    st.lists(st.sampled_from(["1", "2.5", "", "red", "blue", "1e30", "-1e29", "nan", "inf"]), min_size=20, max_size=40)
)
def test_every_column_becomes_finite_numbers(cells):
    text = "a,b,c\n" + "".join(f"{cell},{i},{i % 2}\n" for i, cell in enumerate(cells))
    from learnable.data.tables import learn_columns, numbers_of

    found = parse_table(text)
    try:
        columns, _ = learn_columns(found, leave="c")
        features = numbers_of(found, columns)
    except LearnableError:
        return
    assert torch.isfinite(features).all() and features.shape == (len(cells), len(feature_names(columns)))
    assert math.isclose(float(features[:, feature_names(columns).index("b")].mean()), 0, abs_tol=1e-5)
