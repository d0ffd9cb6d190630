import pytest
from hypothesis import given
from hypothesis import strategies as st

from learnable.data.tokenizers import joining

TOKENS = st.lists(
    st.sampled_from(["a", "##b", "▁c", "▁", "<0xC3>", "<0xA9>", "Ġd", "Ã", "©", ".", "n't", "e</w>", " x", "<|end|>"]),
    min_size=1,
    max_size=8,
)


@pytest.mark.reference
@pytest.mark.parametrize("name, settings", [
    ("ByteLevel", {}), ("WordPiece", {}), ("WordPiece", {"cleanup": False}), ("BPEDecoder", {}), ("Metaspace", {}),
    ("Metaspace", {"prepend_scheme": "never"}), ("ByteFallback", {}), ("Fuse", {}), ("Strip", {"content": " ", "start": 1, "stop": 0}),
])  # fmt: skip
def test_steps_are_the_references(name, settings):
    decoders = pytest.importorskip("tokenizers").decoders
    words = {"Strip": {"content": " ", "left": 1, "right": 0}}.get(name, settings)
    theirs, ours = getattr(decoders, name)(**words), joining.DECODERS[name](**settings)

    @given(TOKENS)
    def same(tokens):
        assert "".join(ours(tokens)) == theirs.decode(tokens)

    same()


def test_one_after_the_other():
    steps = joining.Sequence(
        (joining.Replace({"String": "▁"}, " "), joining.ByteFallback(), joining.Fuse(), joining.Strip(" ", 1, 0))
    )
    assert steps(["▁caf", "<0xC3>", "<0xA9>", "▁x"]) == ["café x"]
