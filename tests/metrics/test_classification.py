import pytest
import torch
from torch import nn
from torch.testing import assert_close

from learnable.data.examples import Info, TensorExamples
from learnable.metrics.classification import classification_metrics, confusion, watching

INFO = Info("made up", classes=("a", "b", "c"))


@pytest.fixture
def examples() -> TensorExamples:
    """1,100 of them: two batches of 512 and one of 76, which is much easier."""
    generator = torch.Generator().manual_seed(0)
    image = torch.randn(1100, 3, generator=generator)
    label = torch.randint(3, (1100,), generator=generator)
    image[1024:, :] = 9 * nn.functional.one_hot(label[1024:], 3).float()
    return TensorExamples({"image": image, "label": label})


def test_agrees_with_scikit_learn(examples: TensorExamples):
    sklearn = pytest.importorskip("sklearn.metrics")
    logits, label = examples.columns["image"], examples.columns["label"]
    expected = {
        "accuracy": sklearn.accuracy_score(label, logits.argmax(1)),
        "loss": sklearn.log_loss(label, logits.double().softmax(1)),
    }
    assert classification_metrics(nn.Identity(), examples, INFO) == pytest.approx(expected, rel=1e-6)
    table = sklearn.confusion_matrix(label, logits.argmax(1))
    assert_close(confusion(nn.Identity(), examples, classes=3), torch.from_numpy(table))


@pytest.mark.parametrize("batch_size", [1, 7, 550, 1100, 5000])
def test_every_example_counts_the_same_whatever_the_batches(examples: TensorExamples, batch_size: int):
    one_go = classification_metrics(nn.Identity(), examples, INFO)
    assert classification_metrics(nn.Identity(), examples, INFO, batch_size=batch_size) == pytest.approx(
        one_go, rel=1e-6
    )


def test_a_confusion_table_has_the_truth_in_its_rows():
    examples = TensorExamples({"image": torch.eye(3)[[0, 1, 1, 2]], "label": torch.tensor([0, 0, 0, 2])})
    assert_close(confusion(nn.Identity(), examples, classes=3), torch.tensor([[1, 2, 0], [0, 0, 0], [0, 0, 1]]))


def test_a_class_that_never_comes_has_its_row_all_the_same():
    examples = TensorExamples({"image": torch.eye(4)[:2], "label": torch.tensor([0, 1])})
    assert confusion(nn.Identity(), examples, classes=4).shape == (4, 4)


class Unsure(nn.Module):
    """Right when nothing is dropped; notes how it was called."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.tensor(5.0))
        self.dropout = nn.Dropout(0.9)
        self.norm = nn.BatchNorm1d(3)
        self.calls: list[tuple[bool, bool, int]] = []

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        self.calls.append((self.training, torch.is_inference_mode_enabled(), len(image)))
        return self.scale * self.dropout(self.norm(image))


def test_it_looks_on_and_leaves_everything_as_it_was(examples: TensorExamples):
    model = Unsure().train()
    model.norm.eval()  # frozen by somebody for a reason
    before = {name: value.clone() for name, value in model.state_dict().items()}
    first = classification_metrics(model, examples, INFO)
    assert model.calls == [(False, True, 512), (False, True, 512), (False, True, 76)]
    assert (model.training, model.dropout.training, model.norm.training) == (True, True, False)
    assert_close(model.state_dict(), before)
    assert classification_metrics(model, examples, INFO) == first


def test_an_error_leaves_the_mode_as_it_was_too():
    model = nn.Dropout().train()
    with pytest.raises(RuntimeError, match="on the way"), watching(model):
        raise RuntimeError("on the way")
    assert model.training


def test_other_inputs_go_by_their_name(examples: TensorExamples):
    features = TensorExamples({"features": examples.columns["image"], "label": examples.columns["label"]})
    expected = classification_metrics(nn.Identity(), examples, INFO)
    assert classification_metrics(nn.Identity(), features, INFO, inputs="features") == expected
    assert confusion(nn.Identity(), features, 3, inputs="features").sum() == 1100


class Redrawn:
    """Examples that are never twice the same: the picture is the draw."""

    def __len__(self) -> int:
        return 600

    def draw(self, count: int, generator: torch.Generator) -> dict[str, torch.Tensor]:
        return {"image": torch.randn(count, 3, generator=generator)}

    def batch(self, indexes: torch.Tensor, draws: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        assert len(indexes) == len(draws["image"])
        return draws | {"label": indexes % 3}


def test_random_examples_are_the_same_ones_every_time():
    first = classification_metrics(nn.Identity(), Redrawn(), INFO)
    torch.rand(1)  # the global generator has no say
    assert classification_metrics(nn.Identity(), Redrawn(), INFO) == first


def test_no_examples_is_an_error_that_says_so():
    nothing = TensorExamples({"image": torch.zeros(0, 3), "label": torch.zeros(0, dtype=torch.long)})
    with pytest.raises(ValueError, match="at least one example"):
        classification_metrics(nn.Identity(), nothing, INFO)
    with pytest.raises(ValueError, match="at least one example"):
        confusion(nn.Identity(), nothing, 3)
