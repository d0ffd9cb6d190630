"""Learnable: a deep-learning course that runs."""

__version__ = "0.1.0"
