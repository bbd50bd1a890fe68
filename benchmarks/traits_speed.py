"""How long the built-in traits take for a face, on one core, and how much they weigh; knows no figure of accuracy."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

import cv2
import numpy as np

from mien import models
from mien.alignment import LANDMARKS
from mien.alignment.stage import cut_faces
from mien.data import photos
from mien.embedding import EMBEDDERS
from mien.models import builtin_traits
from mien.pipeline.classifier import open_trait
from mien.pipeline.spec import build_spec
from mien.pipeline.traits import open_traits
from mien.run.runners import run_stages
from mien.types import Faces, Floats

Crops: TypeAlias = np.ndarray[tuple[int, ...], np.dtype[np.uint8]]

FACES = 32
SECONDS = 1.5
"""Each thing is done again for so long, and once before."""


def measured(pictures: Sequence[Path], floats: Path | None) -> dict[str, Any]:
    """Photos with a face -> times, the distance between int8 and float, and the size of what is installed."""
    with _one_core():
        faces = _found(pictures)
        found = {**_trunks(faces, floats), **_heads(), **_whole(faces)}
        return {
            "milliseconds a face, one core": found,
            "int8 beside float": {name: _apart(name, faces, file) for name, file in _floats(floats)},
            "bytes": sum(file.stat().st_size for file in builtin_traits.FOLDER.rglob("*") if file.is_file()),
        }


@contextmanager
def _one_core() -> Iterator[None]:
    # ONNX Runtime's sessions have one thread each as mien opens them.
    here = os.sched_getaffinity(0) if hasattr(os, "sched_setaffinity") else None
    cv2.setNumThreads(1)
    if here:
        os.sched_setaffinity(0, {max(here)})
    try:
        yield
    finally:
        if here:
            os.sched_setaffinity(0, here)


def _found(pictures: Sequence[Path]) -> list[Faces]:
    found = run_stages(build_spec().detect_stages(), photos(pictures[: 2 * FACES]), keep_going=False)
    return [item for item in found if isinstance(item, Faces)][:FACES]


def _trunks(faces: Sequence[Faces], floats: Path | None) -> dict[str, dict[str, float]]:
    """One pass of each network; that of expression takes two in use, as it looks at the mirror image, too."""
    found = {}
    for name in _names():
        crops = _crops(name, faces)
        network = EMBEDDERS.load(name)(name)
        for many in (1, FACES):
            batch = crops[:many]
            found[f"{name}, batches of {many}"] = _timed(partial(network, batch), many)
    for name, file in _floats(floats):
        for many in (1, FACES):
            batch = _crops(name, faces)[:many]
            found[f"{name} in float32, batches of {many}"] = _timed(partial(_wide, file, batch), many)
    return found


def _heads() -> dict[str, dict[str, float]]:
    found = {}
    for name in builtin_traits.TRAITS:
        head = open_trait(name).head
        vectors = np.random.default_rng(0).normal(size=(FACES, 256)).astype(np.float32)
        found[f"head of {name}, batches of {FACES}"] = _timed(partial(head.answer, vectors), FACES)
    return found


def _whole(faces: Sequence[Faces]) -> dict[str, dict[str, float]]:
    views = list(dict.fromkeys(open_trait(name).spec.view for name in builtin_traits.TRAITS))
    wanted = {view.points for view in views if view.points in LANDMARKS}
    points = [(LANDMARKS.load(model)(model), each) for model in sorted(wanted) for each in faces]
    found = {"landmarks": _timed(lambda: [model(f.photo.pixels, f.face(0).box) for model, f in points], len(faces))}
    found |= {"landmarks and cutting": _timed(lambda: [cut_faces(each, views) for each in faces], len(faces))}
    told = open_traits("all").traits
    for many in (1, len(faces)):
        found[f"all traits, batches of {many}"] = _timed(partial(told, faces[:many]), many)
    return found


def _timed(work: Callable[[], object], faces: int) -> dict[str, float]:
    """Milliseconds a face: the median of many turns by the clock and of processor time, and the least of that.

    On a machine that does other work besides, the least is nearest to the truth.
    """
    work()
    walls: list[float] = []
    cpus: list[float] = []
    end = time.perf_counter() + SECONDS
    while time.perf_counter() < end or len(walls) < 3:
        wall, cpu = time.perf_counter(), time.process_time()
        work()
        walls.append(time.perf_counter() - wall)
        cpus.append(time.process_time() - cpu)
    found = {"wall": np.median(walls), "cpu": np.median(cpus), "least": np.min(cpus)}
    return {name: float(value) * 1e3 / faces for name, value in found.items()}


def _apart(name: str, faces: Sequence[Faces], file: Path) -> dict[str, float]:
    crops = _crops(name, faces)
    far = np.linalg.norm(_unit(EMBEDDERS.load(name)(name)(crops)) - _unit(_wide(file, crops)), axis=1)
    return {"mean": float(far.mean()), "most": float(far.max())}


def _names() -> list[str]:
    return list(dict.fromkeys(builtin_traits.get_trait(name).backbone.name for name in builtin_traits.TRAITS))


def _floats(folder: Path | None) -> list[tuple[str, Path]]:
    return [(name, folder / f"{name}.onnx") for name in _names() if folder and (folder / f"{name}.onnx").is_file()]


def _crops(name: str, faces: Sequence[Faces]) -> Crops:
    view = next(
        open_trait(t).spec.view for t in builtin_traits.TRAITS if builtin_traits.get_trait(t).backbone.name == name
    )
    return np.stack([crop.pixels for each in faces for crop in cut_faces(each, [view])[0]])


def _wide(file: Path, crops: Crops) -> Floats:
    session = models.session(file)
    planes = np.ascontiguousarray(crops.transpose(0, 3, 1, 2), np.float32)
    return np.asarray(session.run(None, {session.get_inputs()[0].name: planes})[0], np.float32)


def _unit(vectors: Floats) -> Floats:
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), np.float32)
