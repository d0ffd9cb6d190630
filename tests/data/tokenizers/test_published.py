import pytest

from learnable.data.tokenizers.published import PUBLISHED, vocabulary
from learnable.errors import CallError


@pytest.mark.parametrize("name, size", [("gpt2", 50257), ("bert-base-uncased", 30522), ("clip", 49408)])
def test_sizes_and_a_sentence(name, size, mirror):
    tokenizer = vocabulary(name)
    assert len(tokenizer) == size and name in PUBLISHED
    assert tokenizer.decode(tokenizer.encode("hello world")) == "hello world"


def test_a_name_that_is_none():
    with pytest.raises(CallError, match="did you mean 'gpt2'"):
        vocabulary("gpt-2")
