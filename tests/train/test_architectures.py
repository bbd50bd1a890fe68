"""The named networks are what they are said to be."""

from __future__ import annotations

import pytest

from mien.errors import DataError
from mien.train.architecture import Architecture
from mien.train.architectures import ARCHITECTURES, RESNET_SIDE
from mien.train.layers import NAMES, Conv, Dense, Dropout, LocalResponseNorm, Residual

SHAPES: dict[str, tuple[tuple[int, ...], ...]] = {
    "embedding-cnn": ((128,), (16,), (512,), (1000,)),
    "fer-cnn": ((1, 48, 48), (1, 20, 20), (3, 96, 96), (1, 33, 33)),
    "alexnet": ((3, 227, 227), (1, 25, 25), (3, 64, 64), (3, 96, 96), (3, 112, 112)),
    "finetune": ((4096,),),
    "resnet-small": ((1, 48, 48), (1, 8, 8), (1, 32, 32), (3, 64, 64), (3, 97, 97), (3, 227, 227)),
}


def kinds(architecture: Architecture) -> list[str]:
    return [NAMES[type(layer)] for layer in architecture.layers]


@pytest.mark.parametrize(("name", "shape"), [(name, shape) for name, shapes in SHAPES.items() for shape in shapes])
@pytest.mark.parametrize("classes", [2, 100])
def test_a_network_takes_what_it_can_and_gives_a_logit_a_class(name: str, shape: tuple[int, ...], classes: int) -> None:
    architecture = ARCHITECTURES[name](shape, classes)
    assert (architecture.name, architecture.input, architecture.classes) == (name, shape, classes)


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("embedding-cnn", (1, 48, 48)),
        ("embedding-cnn", (127,)),
        ("embedding-cnn", (6,)),
        ("fer-cnn", (128,)),
        ("fer-cnn", (1, 19, 19)),
        ("fer-cnn", (1, 225, 225)),
        ("alexnet", (3, 24, 24)),
        ("alexnet", (3, 361, 361)),
        ("finetune", (128,)),
        ("finetune", (1, 48, 48)),
        ("resnet-small", (128,)),
        ("resnet-small", (1, 7, 7)),
        ("resnet-small", (1, 2000, 2000)),
    ],
)
def test_what_a_network_cannot_take_is_said_in_a_sentence(name: str, shape: tuple[int, ...]) -> None:
    with pytest.raises(DataError, match=name if name != "embedding-cnn" else "vector"):
        ARCHITECTURES[name](shape, 7)


@pytest.mark.parametrize(("name", "largest"), [("fer-cnn", 224), ("alexnet", 360), ("resnet-small", 1024)])
def test_the_largest_picture_still_makes_a_network(name: str, largest: int) -> None:
    assert ARCHITECTURES[name]((3, largest, largest), 7).input[1] == largest


def test_embedding_cnn_folds_128_numbers_into_16_rows_of_8() -> None:
    architecture = ARCHITECTURES["embedding-cnn"]((128,), 11)
    assert architecture.shapes[1] == (1, 16, 8)
    convolved = [
        shape
        for layer, shape in zip(architecture.layers, architecture.shapes[1:], strict=True)
        if isinstance(layer, Conv)
    ]
    assert convolved == [(12, 16, 8), (24, 8, 4)]
    assert [layer.rate for layer in architecture.layers if isinstance(layer, Dropout)] == [0.1, 0.2, 0.2]
    assert architecture.initial == "glorot-uniform"
    assert architecture.weights == 12 * 5 + 24 * (12 * 4 + 1) + 192 * 193 + 11 * 193


def test_fer_cnn_has_the_4_85_million_weights_of_the_system_that_it_replaces() -> None:
    architecture = ARCHITECTURES["fer-cnn"]((1, 48, 48), 7)
    assert architecture.weights == 4_845_063
    assert architecture.shapes[kinds(architecture).index("flatten")] == (128, 5, 5)
    assert kinds(architecture).count("prelu") == 7


def test_alexnet_at_227_pixels_is_krizhevskys_up_to_the_first_pooling() -> None:
    architecture = ARCHITECTURES["alexnet"]((3, 227, 227), 6)
    assert architecture.layers[1] == Conv(96, 11, 4)
    assert architecture.shapes[2] == (96, 55, 55)
    assert architecture.shapes[kinds(architecture).index("flatten")] == (256, 6, 6)
    assert sum(isinstance(layer, LocalResponseNorm) for layer in architecture.layers) == 2
    assert [layer.units for layer in architecture.layers if isinstance(layer, Dense)] == [4096, 4096, 6]


def test_resnet_small_has_three_million_weights_at_most() -> None:
    for shape in SHAPES["resnet-small"]:
        assert ARCHITECTURES["resnet-small"](shape, 7).weights < 3_000_000


def test_resnet_small_does_not_cost_more_for_a_large_picture() -> None:
    for side in range(8, 300):
        architecture = ARCHITECTURES["resnet-small"]((3, side, side), 7)
        first = next(i for i, layer in enumerate(architecture.layers) if isinstance(layer, Residual))
        assert RESNET_SIDE // 2 <= architecture.shapes[first][1] <= RESNET_SIDE or side < RESNET_SIDE // 2
