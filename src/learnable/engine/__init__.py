from learnable.engine.check import gradcheck
from learnable.engine.draw import dot, tape
from learnable.engine.network import MLP, SGD, Convolution, LeNet, Linear
from learnable.engine.tensor import Tensor, concatenate, no_grad, where

__all__ = [
    "MLP",
    "SGD",
    "Convolution",
    "LeNet",
    "Linear",
    "Tensor",
    "concatenate",
    "dot",
    "gradcheck",
    "no_grad",
    "tape",
    "where",
]
