"""Two small exercises to try the grader on; `folder` makes a lesson's folder of them."""

from pathlib import Path

from learnable.course.exercises import Exercises, find

TEXT = '''
import math
from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor, nn

from learnable.course.exercise import Check, Exercise
from learnable.course.grader.compare import agrees

WIDTH = 4


def half_width() -> float:
    return WIDTH / 2


def attend_stub(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """Weighted means of the values."""
    assert WIDTH
    raise NotImplementedError


def attend(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    return (query @ key.T / math.sqrt(query.shape[-1])).softmax(-1) @ value


def unscaled(query, key, value):
    return (query @ key.T).softmax(-1) @ value


def detached(query, key, value):
    return attend(query, key, value).detach()


def in_place(query, key, value):
    query /= query.shape[-1] ** 0.5
    return unscaled_scores(query, key).softmax(-1) @ value


def unscaled_scores(query, key):
    return query @ key.T


def by_einsum(query, key, value):
    scores = torch.einsum("qw,kw->qk", query, key) / query.shape[-1] ** 0.5
    return scores.exp() / scores.exp().sum(1, keepdim=True) @ value


def check_attend(f) -> Iterator[Check]:
    eye, value = torch.eye(2), torch.tensor([[1.0], [3.0]])
    yield agrees("scores are scaled", f(eye, eye, value), attend(eye, eye, value), "two unit vectors")
    yield Check("arguments stay", not f.changed_arguments, f"changed: {f.changed_arguments}")
    query, key, value, weight = torch.randn(3, 8), torch.randn(5, 8), torch.randn(5, 2), torch.randn(3, 2)
    yield agrees("any shape", f(query, key, value), attend(query, key, value))
    slopes = f.gradient(query, key, value, wrt=(0, "value"[:0] or 2), upstream=weight)
    query.requires_grad_()
    (attend(query, key, value) * weight).sum().backward()
    yield agrees("slopes reach the queries", slopes[0], query.grad)


def judge_stub(model: nn.Module, points: np.ndarray, how) -> Tensor:
    """The model's mean answer, made by `how`."""
    raise NotImplementedError


def judge(model, points, how):
    return how(model(torch.from_numpy(points).float())).mean()


def doubled(value: Tensor) -> Tensor:
    return 2 * value


def check_judge(judge) -> Iterator[Check]:
    model = nn.Sequential(nn.Linear(2, 3), nn.LeakyReLU(0.1), nn.Linear(3, 1))
    points = np.random.randn(5, 2)
    expected = (2 * model(torch.from_numpy(points).float())).mean()
    yield agrees("it asks the model", judge(model, points, doubled), expected)
    slopes = judge.gradient(model, points, doubled)
    expected.backward()
    yield agrees("slopes reach the model", slopes, {name: weight.grad for name, weight in model.named_parameters()})


EXERCISES = (
    Exercise(
        name="attend",
        title="Attention",
        task="Write $\\\\text{softmax}(QK^\\\\top)$, as in `attend`.",
        stub=attend_stub,
        solution=attend,
        why="Division keeps the scores small.",
        hints=("What grows with the width?", "A root.", "`/ math.sqrt(width)`"),
        mutants={
            "no scale": (unscaled, "scores are scaled"),
            "detached": (detached, "slopes reach the queries"),
            "in place": (in_place, "arguments stay"),
        },
        others={"by einsum": by_einsum},
        check=check_attend,
    ),
    Exercise(
        name="judge", title="Judgment", task="Ask the model.", stub=judge_stub, solution=judge, why="So.",
        hints=("a", "b", "c"), mutants={}, check=check_judge,
    ),
)
'''


def folder(place: Path) -> Exercises:
    """The demonstration's exercises, in a folder of their own."""
    made = place / "demo"
    made.mkdir(exist_ok=True)
    (made / "exercise.py").write_text(TEXT)
    return find("demo", made)
