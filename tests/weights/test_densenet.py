"""DenseNet's tables: whose names they are, and which published files there are."""

import pytest
import torch

from learnable.models.vision.densenet import DENSENETS, DenseNet
from learnable.weights.densenet import PUBLISHED, TIMM, TORCHVISION
from learnable.weights.table import translate
from parity.pictures import assert_torchvisions

pytestmark = pytest.mark.reference


def test_the_published_weights_are_those_that_torchvision_names():
    pytest.importorskip("torchvision")
    assert_torchvisions(PUBLISHED, DENSENETS)


@pytest.mark.parametrize("name", DENSENETS)
def test_every_variant_fits(name: str):
    timm, torchvision = pytest.importorskip("timm"), pytest.importorskip("torchvision")
    with torch.device("meta"):
        ours = DenseNet(DENSENETS[name][0])
        for form, theirs in ((TIMM, timm.create_model(name)), (TORCHVISION, torchvision.models.get_model(name))):
            translate(theirs.state_dict(), form.rows(ours.config), like=ours.state_dict())
