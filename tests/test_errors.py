import pytest

from learnable.errors import CallError, LearnableError, WorldError, unknown


def test_a_wrong_call_is_2_and_a_wrong_world_is_1():
    assert (CallError.exit_code, WorldError.exit_code, LearnableError.exit_code) == (2, 1, 1)
    assert issubclass(CallError, ValueError) and not issubclass(WorldError, ValueError)
    assert issubclass(CallError, LearnableError) and issubclass(WorldError, LearnableError)


def test_an_unknown_name_is_answered_with_the_nearest_and_all_there_are():
    assert str(unknown("recipe", "lenett", {"lenet", "gpt"})) == (
        "no recipe 'lenett'; did you mean 'lenet'? There are: gpt, lenet"
    )


def test_nothing_is_suggested_where_nothing_is_near():
    message = str(unknown("recipe", "qqqq", ["lenet", "gpt"]))
    assert "did you mean" not in message and message == "no recipe 'qqqq'. There are: gpt, lenet"


@pytest.mark.parametrize("count, end", [(12, "n11"), (13, "n11 and 1 more"), (40, "n11 and 28 more")])
def test_of_many_names_twelve_are_shown(count, end):
    names = [f"n{number:02}" for number in range(count)]
    assert str(unknown("topic", "?", names)).endswith(end)


def test_names_may_come_once_only():
    assert str(unknown("topic", "q", ["a", "a"])).endswith("There are: a")
    assert "'a'" in str(unknown("topic", "aa", (name for name in "ab")))


@pytest.mark.parametrize("name", ["", "ü", "a\nb", "'", "x" * 1000])
def test_any_text_can_be_an_unknown_name(name):
    assert isinstance(unknown("topic", name, []), CallError)
