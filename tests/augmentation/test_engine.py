"""What a policy makes of pictures: each method does what it says, and a row depends on nothing but itself."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import pytest
import torch

from mien.augmentation import engine
from mien.augmentation.policy import METHODS, Policy, Step, load_policy, policy_names
from mien.images import decode
from mien.types import Pixels


@pytest.fixture(scope="module")
def face(astronaut: bytes) -> Pixels:
    """A face of 96 pixels."""
    pixels = decode(astronaut, max_megapixels=1).pixels[60:200, 150:290]
    return np.asarray(cv2.resize(pixels, (96, 96), interpolation=cv2.INTER_AREA), dtype=np.uint8)


def tensor(face: Pixels, n: int = 1) -> torch.Tensor:
    planes = np.atleast_3d(face).transpose(2, 0, 1)
    return torch.from_numpy(np.repeat(planes[None], n, 0).astype(np.float32))


def only(method: str, low: float = 0, high: float | None = None, fill: str = "reflect") -> Policy:
    return Policy("one", fill=fill, steps=(Step(method, low, low if high is None else high),))  # type: ignore[arg-type]


def one(face: Pixels, method: str, low: float = 0, high: float | None = None, seed: int = 1) -> Pixels:
    return np.asarray(only(method, low, high).variants(face, [seed])[0], dtype=np.uint8)


def apart(a: npt.NDArray[Any], b: npt.NDArray[Any]) -> float:
    """Mean difference in grey levels, away from the edges."""
    inner = (slice(20, -20), slice(20, -20))
    return float(np.abs(a[inner].astype(float) - b[inner]).mean())


@pytest.mark.parametrize("name", policy_names())
@pytest.mark.parametrize("channels", [1, 3])
def test_a_row_depends_on_its_own_pixels_and_seed_only(face: Pixels, name: str, channels: int) -> None:
    batch = tensor(face, 40)[:, :channels] + torch.arange(40).view(-1, 1, 1, 1) % 7
    batch = batch.clamp(0, 255)[..., :60, :48].contiguous()
    seeds = [3 * i for i in range(40)]
    made = load_policy(name).apply(batch, seeds)
    assert made.shape == batch.shape
    assert made.dtype == torch.float32
    assert float(made.min()) >= 0
    assert float(made.max()) <= 255
    order = torch.randperm(40, generator=torch.Generator().manual_seed(0))
    assert torch.equal(load_policy(name).apply(batch[order], [seeds[i] for i in order]), made[order])
    for i in (0, 17, 39):
        assert torch.equal(load_policy(name).apply(batch[i : i + 1], [seeds[i]])[0], made[i])


def test_the_same_seed_gives_the_same_pictures_on_any_number_of_threads(face: Pixels) -> None:
    everything = load_policy("extreme")
    alone = everything.variants(face, range(24))
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        assert (everything.variants(face, range(24)) == alone).all()
    finally:
        torch.set_num_threads(threads)
    with ThreadPoolExecutor(3) as pool:
        parts = list(pool.map(lambda start: everything.variants(face, range(start, start + 8)), (0, 8, 16)))
    assert (np.concatenate(parts) == alone).all()


def test_no_global_generator_is_used_and_what_came_in_is_left_as_it_was(face: Pixels) -> None:
    batch = tensor(face, 6)
    before, state = batch.clone(), torch.get_rng_state()
    for name in policy_names():
        made = load_policy(name).apply(batch, range(6))
        assert made.data_ptr() != batch.data_ptr()
    assert torch.equal(batch, before)
    assert torch.equal(torch.get_rng_state(), state)


def test_large_pictures_are_worked_on_a_few_at_a_time_with_the_same_result(
    face: Pixels, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = load_policy("extreme").variants(face, range(12))
    monkeypatch.setattr(engine, "_CHUNK", 1)
    assert (load_policy("extreme").variants(face, range(12)) == whole).all()


def test_other_seeds_give_other_pictures(face: Pixels) -> None:
    made = load_policy("gentle").variants(face, range(64))
    assert len({picture.tobytes() for picture in made}) == 64


def test_nothing_changes_without_steps_or_where_none_is_drawn(face: Pixels) -> None:
    assert (load_policy("none").variants(face, [1, 2]) == face).all()
    never = Policy("never", steps=tuple(Step(name, *METHODS[name].typical, probability=0) for name in METHODS))
    assert (never.variants(face, range(8)) == face).all()


def test_a_probability_is_the_share_of_rows(face: Pixels) -> None:
    made = Policy("often", steps=(Step("flip", probability=0.3),)).variants(face[:8, :8], range(2000))
    assert 0.26 < float((made != face[:8, :8]).any((1, 2, 3)).mean()) < 0.34


def test_flip_is_the_mirror_image(face: Pixels) -> None:
    assert apart(one(face, "flip"), face[:, ::-1]) < 0.01


def test_what_moves_pixels_agrees_with_opencv(face: Pixels) -> None:
    centre = (47.5, 47.5)
    turned = cv2.warpAffine(face, cv2.getRotationMatrix2D(centre, -30, 1), (96, 96), borderMode=cv2.BORDER_REFLECT)
    assert apart(one(face, "rotate", 30), turned) < 1.5
    larger = cv2.warpAffine(face, cv2.getRotationMatrix2D(centre, 0, 1.5), (96, 96), borderMode=cv2.BORDER_REFLECT)
    assert apart(one(face, "scale", 1.5), larger) < 1.5
    assert apart(one(face, "translate", 0.125), np.roll(face, (12, 12), (0, 1))) < 0.01
    slanted = np.array([[1, 0.2, -0.2 * 47.5], [0, 1, 0]])
    assert apart(one(face, "shear", 0.2), cv2.warpAffine(face, slanted, (96, 96))) < 1.5


def test_zoom_stretches_both_ways_apart(face: Pixels) -> None:
    square = np.zeros((96, 96), np.uint8)
    square[40:56, 40:56] = 255
    across, down = [], []
    for seed in range(20):
        made = one(square, "zoom", 0.7, 1.6, seed) > 127
        across.append(made.any(0).sum())
        down.append(made.any(1).sum())
    assert min(across) < 14
    assert max(across) > 20
    assert abs(float(np.corrcoef(across, down)[0, 1])) < 0.7


def test_all_moves_together_are_one_warp_in_the_order_of_the_steps(face: Pixels) -> None:
    steps = (Step("translate", 0.2, 0.2), Step("rotate", 90, 90))
    dot = np.zeros((97, 97), np.uint8)
    dot[48, 48] = 255
    first = Policy("a", steps=steps).variants(dot, [1])[0]
    other = Policy("b", steps=steps[::-1]).variants(dot, [1])[0]
    assert np.argwhere(first > 60).mean(0).round().tolist() == [67, 29]
    assert np.argwhere(other > 60).mean(0).round().tolist() == [67, 67]


@pytest.mark.parametrize("size", [(97, 96), (40, 90)])
def test_a_turn_keeps_right_angles_in_pictures_that_are_no_squares(size: tuple[int, int]) -> None:
    picture = np.zeros(size, np.uint8)
    picture[size[0] // 2 - 2 : size[0] // 2 + 2, size[1] // 2 - 8 : size[1] // 2 + 8] = 255
    turned = only("rotate", 90, fill="edge").variants(picture, [1])[0] > 127
    assert abs(int(turned.any(1).sum()) - 16) <= 1
    assert abs(int(turned.any(0).sum()) - 4) <= 1


def test_no_black_wedge_is_left(face: Pixels) -> None:
    bright = np.maximum(face, 100)
    for fill in ("reflect", "edge"):
        steps = (Step("rotate", 45, 45), Step("scale", 0.5, 0.5))
        made = Policy("far", fill=fill, steps=steps).variants(bright, [1])
        assert int(made.min()) >= 99


def test_brightness_and_contrast(face: Pixels) -> None:
    dull = (face * 0.4 + 60).astype(np.uint8)
    assert apart(one(dull, "brightness", 1.2), np.clip(np.rint(dull * 1.2), 0, 255).astype(np.uint8)) < 0.6
    harder = one(dull, "contrast", 1.5)
    assert abs(float(harder.mean()) - float(dull.mean())) < 1
    assert float(harder.std()) == pytest.approx(1.5 * float(dull.std()), rel=0.02)
    assert float(one(dull, "contrast", 0).std()) < 0.01
    both = Policy("both", steps=(Step("brightness", 0.5, 0.5), Step("contrast", 0, 0))).variants(dull, [1])
    assert float(both.mean()) == pytest.approx(float(dull.mean()) / 2, abs=1)


def test_noise_has_the_deviation_that_was_asked_for(face: Pixels) -> None:
    flat = np.full((96, 96, 3), 128, np.uint8)
    made = one(flat, "noise", 10)
    assert float(made.std()) == pytest.approx(10, rel=0.03)
    assert float(made.mean()) == pytest.approx(128, abs=0.5)
    assert (made[..., 0] != made[..., 1]).any()


def test_grey_takes_the_colours_away(face: Pixels) -> None:
    made = one(face, "grey")
    assert (made[..., 0] == made[..., 2]).all()
    assert apart(made[..., 0], cv2.cvtColor(face, cv2.COLOR_RGB2GRAY).astype(np.uint8)) < 1
    after = Policy("both", steps=(Step("grey"), Step("brightness", 1.1, 1.1))).variants(face, [1, 2])
    assert after.shape == (2, 96, 96, 3)


def test_blur_and_resize_take_detail_away_and_keep_the_light(face: Pixels) -> None:
    for method, little, much in (("blur", 0.005, 0.05), ("resize", 0.7, 0.15)):
        sharp = [float(cv2.Laplacian(it, cv2.CV_64F).var()) for it in (face, one(face, method, little))]
        soft = one(face, method, much)
        assert sharp[0] > sharp[1] > 5 * float(cv2.Laplacian(soft, cv2.CV_64F).var())
        assert abs(float(soft.mean()) - float(face.mean())) < 2


def test_blur_is_a_gaussian_of_that_share(face: Pixels) -> None:
    expected = cv2.GaussianBlur(face, (0, 0), 0.02 * 96, borderType=cv2.BORDER_REPLICATE)
    assert apart(one(face, "blur", 0.02), expected.astype(np.uint8)) < 1


def test_jpeg_is_what_a_file_of_that_quality_gives(face: Pixels) -> None:
    worse, better = (apart(one(face, "jpeg", quality), face) for quality in (10, 90))
    assert worse > 2 * better > 0
    grey = face[..., 0]
    assert one(grey, "jpeg", 20).shape == grey.shape


def test_erasing_fills_a_rectangle_with_the_mean(face: Pixels) -> None:
    places = set()
    for seed in range(30):
        made = one(face, "erasing", 0.25, 0.5, seed)
        rows, columns = (np.flatnonzero((made != face).any((axis, 2))) for axis in (1, 0))
        height, width = rows.max() - rows.min() + 1, columns.max() - columns.min() + 1
        assert 22 <= height <= 48
        assert 22 <= width <= 48
        middle = made[(rows.min() + rows.max()) // 2, (columns.min() + columns.max()) // 2]
        assert abs(float(middle.mean()) - float(face.mean())) < 1
        places.add((int(rows.min()), int(columns.min())))
    assert len(places) > 20


@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (2, 2), (5, 3), (1, 1, 3), (3, 1, 3)])
@pytest.mark.parametrize("name", policy_names())
def test_pictures_of_a_few_pixels_come_through(shape: tuple[int, ...], name: str) -> None:
    made = load_policy(name).variants(np.full(shape, 77, np.uint8), range(9))
    assert made.shape == (9, *shape)
    assert made.dtype == np.uint8


def test_no_seed_no_picture(face: Pixels) -> None:
    assert load_policy("gentle").variants(face, []).shape == (0, 96, 96, 3)
    assert load_policy("gentle").apply(torch.zeros(0, 1, 8, 8), []).shape == (0, 1, 8, 8)


def test_a_batch_of_another_kind_is_refused(face: Pixels) -> None:
    gentle = load_policy("gentle")
    with pytest.raises(ValueError, match="float32"):
        gentle.apply(torch.zeros(2, 3, 8, 8, dtype=torch.uint8), [1, 2])
    with pytest.raises(ValueError, match="float32"):
        gentle.apply(torch.zeros(2, 2, 8, 8), [1, 2])
    with pytest.raises(ValueError, match="2 pictures, but 1 seeds"):
        gentle.apply(torch.zeros(2, 3, 8, 8), [1])


def test_channels_last_batches_give_the_same(face: Pixels) -> None:
    batch = tensor(face, 8)
    made = load_policy("expression").apply(batch, range(8))
    assert torch.equal(load_policy("expression").apply(batch.to(memory_format=torch.channels_last), range(8)), made)
