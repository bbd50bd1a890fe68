"""Where a finetuning begins: with the weights of the pretrained network's last block; knows neither rows nor labels."""

from __future__ import annotations

import torch
from torch import nn

from mien.models import ensure
from mien.models.cards import Truncation
from mien.models.onnx_edit import weights_after
from mien.train.architecture import Architecture
from mien.train.architectures import backbone
from mien.train.layers import PaddedResidual

_BLOCK = ("conv1.weight", "conv1.bias", "conv2.weight", "conv2.bias")


def begin(architecture: Architecture, module: nn.Module) -> None:
    """Bring the module of a `finetune` architecture, in place, to where the pretrained network stood.

    Its last layer becomes zeros, so that the first steps teach that layer what the block says already, and do not shake
    the block.

    Raises:
        WeightsError: the pretrained network is not on this machine.
    """
    source = backbone(architecture.input).source
    assert isinstance(source, Truncation)  # what ends at an inner layer was cut from another
    (block,) = (
        name
        for name, layer in zip(architecture.names, architecture.layers, strict=True)
        if isinstance(layer, PaddedResidual)
    )
    pretrained = weights_after(ensure(source.card).read_bytes(), source.layer).values()
    last = architecture.names[-1]
    state = module.state_dict()
    with torch.no_grad():
        for name, array in zip(_BLOCK, pretrained, strict=False):  # the dense layer behind the block is not wanted
            state[f"{block}.{name}"].copy_(torch.from_numpy(array.copy()))
        for name in ("weight", "bias"):
            state[f"{last}.{name}"].zero_()
