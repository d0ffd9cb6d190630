"""Published language models: every row is of a variant, and says where and under which licence."""

import re

from learnable import models
from learnable.weights.hub import PUBLISHED


def test_every_row_is_of_a_variant_and_has_owner_name_and_licence():
    assert len({row.name for row in PUBLISHED}) == len(PUBLISHED)
    for row in PUBLISHED:
        assert models.find(row.variant).weights == "learnable.weights.hub"
        assert re.fullmatch(r"[\w-]+/[\w.-]+", row.name) and row.licence and row.preprocessing is None
