"""How many photos a second go through `mien embed`, beside face_recognition, and where the time goes.

    make bench                                          (installs face_recognition into .bench-venv)
    .bench-venv/bin/python benchmarks/throughput.py     (needs MIEN_DATA)

Both programs take turns in one run, because the machine's speed drifts. The photos of one to four megapixels are
enlarged from real ones, since the data has none of that size. `floor` is what no program of this design can beat: for
decoding libjpeg alone, for the crop its warp, for the networks their multiplications at the speed of a large matrix
product on one core, in floats for YuNet and in 8-bit integers for the embedder.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnx
import onnxruntime
from rich.console import Console
from rich.table import Table

import mien.images.stage
from mien import models
from mien.config import settings
from mien.data import photos
from mien.images import decode
from mien.pipeline.spec import build_spec
from mien.run.runners import run_stages
from mien.stage import apply

PEER = """
import sys, time, json, warnings
warnings.simplefilter("ignore")
import face_recognition
paths = sys.argv[1:]
face_recognition.face_encodings(face_recognition.load_image_file(paths[0]))
start, faces = time.perf_counter(), 0
for path in paths:
    faces += len(face_recognition.face_encodings(face_recognition.load_image_file(path)))
print(json.dumps({"photos_per_second": len(paths) / (time.perf_counter() - start), "faces": faces}))
"""
ROUNDS = 5


def small_photos(data: Path, count: int) -> list[Path]:
    return sorted((data / "identity" / "lfw").glob("*/*.jpg"))[:count]


def large_photos(sources: list[Path], folder: Path) -> list[Path]:
    """Photos of 1, 2, 3 and 4 megapixels, enlarged."""
    made = []
    for i, source in enumerate(sources):
        pixels = cv2.imread(str(source))
        factor = ((1 + i % 4) * 1e6 / (pixels.shape[0] * pixels.shape[1])) ** 0.5
        large = cv2.resize(pixels, None, fx=factor, fy=factor, interpolation=cv2.INTER_CUBIC)
        made.append(folder / f"{i:04d}.jpg")
        cv2.imwrite(str(made[-1]), large, [cv2.IMWRITE_JPEG_QUALITY, 90])
    return made


def ours(folder: Path, out: Path, *options: str) -> dict[str, float]:
    command = [sys.executable, "-c", "from mien.cli import main; main()", "embed", str(folder), str(out)]
    start = time.perf_counter()
    done = subprocess.run([*command, "--json", "--quiet", "--workers", "2", *options], check=True, capture_output=True)
    wall = time.perf_counter() - start
    result: dict[str, float] = json.loads(done.stdout)
    return {**result, "wall": wall}


def peer(paths: list[Path]) -> float:
    done = subprocess.run([sys.executable, "-c", PEER, *map(str, paths)], check=True, capture_output=True)
    return float(json.loads(done.stdout)["photos_per_second"])


def against_peer(name: str, paths: list[Path], for_peer: int, table: Table) -> None:
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / "photos"
        folder.mkdir()
        for i, path in enumerate(paths):
            (folder / f"{i:05d}{path.suffix}").symlink_to(path)
        ours(folder, Path(temporary) / "warm.npz", "--no-cache")
        rows = []
        for _ in range(ROUNDS):
            mine = ours(folder, Path(temporary) / "x.npz", "--no-cache")
            theirs = peer(paths[:for_peer])
            rows.append((mine["photos_per_second"], len(paths) / mine["wall"], theirs))
        rate, wall, theirs = np.median(rows, axis=0)
        ratios = sorted(row[0] / row[2] for row in rows)
        table.add_row(
            name,
            f"{rate:.0f} ({wall:.0f} with start-up)",
            f"{theirs:.1f}",
            f"{np.median(ratios):.1f} ({ratios[0]:.1f} to {ratios[-1]:.1f})",
        )


def again(paths: list[Path]) -> str:
    """The first run over a folder against the second, which finds all vectors in the cache."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / "photos"
        folder.mkdir()
        for i, path in enumerate(paths):
            (folder / f"{i:05d}{path.suffix}").symlink_to(path)
        cache = settings().home / "cache.sqlite"
        kept = cache.rename(cache.with_name("cache.kept")) if cache.exists() else None
        try:
            first, second = (ours(folder, Path(temporary) / "x.npz") for _ in range(2))
        finally:
            if kept:
                kept.rename(cache)
    return (
        f"second run over {len(paths)} photos: {first['seconds'] / second['seconds']:.0f} times the first"
        f" ({first['seconds']:.2f} s, {second['seconds']:.3f} s;"
        f" with start-up {first['wall'] / second['wall']:.0f} times: {first['wall']:.2f} s, {second['wall']:.2f} s)"
    )


def stage_seconds(paths: list[Path]) -> dict[str, float]:
    """CPU milliseconds a photo of each stage, on one thread."""
    stages = build_spec().stages()
    warm: list[object] = list(photos(paths[:4]))
    for stage in stages:
        warm = apply(stage, warm)  # type: ignore[arg-type]
    spent = {}
    items: list[object] = list(photos(paths))
    for stage in stages:
        made = []
        start = time.thread_time()
        for i in range(0, len(items), stage.batch_size):
            made += apply(stage, items[i : i + stage.batch_size])  # type: ignore[arg-type]
        spent[stage.name] = (time.thread_time() - start) * 1e3 / len(paths)
        items = made
    return spent


def multiplications(name: str, height: int, width: int) -> float:
    """Multiply-adds of a network's convolutions and matrix products for one input."""
    model = onnx.load(str(models.ensure(name)))
    for value, size in zip(model.graph.input[0].type.tensor_type.shape.dim, (1, 3, height, width), strict=True):
        value.dim_value = size
    model = onnx.shape_inference.infer_shapes(model)
    weights = {tensor.name: tensor.dims for tensor in model.graph.initializer}
    shapes = {v.name: [d.dim_value for d in v.type.tensor_type.shape.dim] for v in model.graph.value_info}
    shapes |= {v.name: [d.dim_value for d in v.type.tensor_type.shape.dim] for v in model.graph.output}
    total = 0.0
    for node in model.graph.node:
        if node.op_type == "Conv":
            total += float(np.prod(weights[node.input[1]])) * float(np.prod(shapes[node.output[0]][2:]))
        elif node.op_type in ("Gemm", "MatMul"):
            total += float(np.prod(weights[node.input[1]]))
    return total


def products_a_second(operator: str) -> float:
    """Multiply-adds a second of a large matrix product in ONNX Runtime on one core: MatMul, or MatMulInteger."""
    floats = operator == "MatMul"
    x = (np.random.default_rng(0).random((1024, 1024), np.float32) * 63).astype(np.float32 if floats else np.uint8)
    a = x if floats else x.astype(np.int8)
    shape, types = onnx.helper.make_tensor_value_info, onnx.TensorProto
    graph = onnx.helper.make_graph(
        [onnx.helper.make_node(operator, ["x", "a"], ["y"])],
        "product",
        [shape("x", types.FLOAT if floats else types.UINT8, a.shape)],
        [shape("y", types.FLOAT if floats else types.INT32, a.shape)],
        [onnx.numpy_helper.from_array(a, "a")],
    )
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=8)
    with tempfile.TemporaryDirectory() as temporary:
        onnx.save(model, Path(temporary) / "product.onnx")
        session = models.session(Path(temporary) / "product.onnx")
    times = []
    for _ in range(20):
        start = time.perf_counter()
        session.run(None, {"x": x})
        times.append(time.perf_counter() - start)
    return 1024**3 / min(times)


def floors(paths: list[Path]) -> dict[str, float]:
    """The least milliseconds that each stage could take."""
    encoded = [path.read_bytes() for path in paths]
    scales = [decode(data, longest=1000, max_megapixels=100).scale for data in encoded]
    flags = {1.0: cv2.IMREAD_COLOR, 0.5: cv2.IMREAD_REDUCED_COLOR_2, 0.25: cv2.IMREAD_REDUCED_COLOR_4}
    start = time.thread_time()
    sizes = []
    for data, scale in zip(encoded, scales, strict=True):
        sizes.append(cv2.imdecode(np.frombuffer(data, np.uint8), flags[scale]).shape[:2])
    decoding = (time.thread_time() - start) / len(paths)
    height, width = np.mean(sizes, axis=0)
    # The main face is found in the smallest picture, and seen once more in one of its own.
    sides = [-(-round(side * 128 / max(height, width)) // 32) * 32 for side in (height, width)]
    looks = multiplications("yunet", *sides) + multiplications("yunet", 128, 128)
    pixels, matrix = np.zeros((250, 250, 3), np.uint8), np.array([[1.2, 0.1, 0], [-0.1, 1.2, 0]], np.float32)
    start = time.thread_time()
    for _ in range(100):
        cv2.warpAffine(pixels, matrix, (150, 150))
    warping = (time.thread_time() - start) / 100
    return {
        "decode": decoding * 1e3,
        "detect": looks / products_a_second("MatMul") * 1e3,
        "align": warping * 1e3,
        "embed": 2 * multiplications("dlib-resnet", 150, 150) / products_a_second("MatMulInteger") * 1e3,
    }


def outside_libraries(paths: list[Path]) -> float:
    """The share of the time on one thread that is spent neither in ONNX Runtime nor in OpenCV, Pillow and the disk."""
    inside = 0.0

    def timed(call: Callable[..., Any]) -> Callable[..., Any]:
        def run(*arguments: Any, **options: Any) -> Any:
            nonlocal inside
            start = time.thread_time()
            try:
                return call(*arguments, **options)
            finally:
                inside += time.thread_time() - start

        return run

    places = [
        (onnxruntime.InferenceSession, "run"),
        *((cv2, name) for name in ("warpAffine", "resize", "cvtColor", "copyMakeBorder")),
        (mien.images.stage, "decode"),
        (mien.images.stage, "decode_at"),
        (mien.images.stage, "read"),
    ]
    originals = [getattr(owner, name) for owner, name in places]
    stages = build_spec().stages()
    list(run_stages(stages, photos(paths[:8]), keep_going=False))
    try:
        for (owner, name), original in zip(places, originals, strict=True):
            setattr(owner, name, timed(original))
        start = time.thread_time()
        list(run_stages(stages, photos(paths), keep_going=False))
        total = time.thread_time() - start
    finally:
        for (owner, name), original in zip(places, originals, strict=True):
            setattr(owner, name, original)
    return 1 - inside / total


def main() -> None:
    data = Path(os.environ.get("MIEN_DATA") or sys.exit("MIEN_DATA is not set: it names the folder of photos"))
    cv2.setNumThreads(1)
    console = Console(width=110)
    with tempfile.TemporaryDirectory() as temporary:
        small = small_photos(data, 600)
        large = large_photos(small_photos(data, 600)[::6], Path(temporary))
        speed = Table("photos", "mien embed, two workers, a second", "face_recognition", "times (lowest, highest)")
        against_peer("250 px", small, 60, speed)
        against_peer("1-4 megapixels", large, 8, speed)
        console.print(speed)
        console.print(again(small_photos(data, 1800)))
        for name, paths in (("250 px", small[:200]), ("1-4 megapixels", large[:60])):
            spent, least = stage_seconds(paths), floors(paths)
            where = Table(f"{name}: stage", "ms a photo, one core", "share", "floor, ms", "times its floor")
            for stage, ms in spent.items():
                floor = least.get(stage)
                shown = ("-", "-") if floor is None else (f"{floor:.2f}", f"{ms / floor:.1f}")
                where.add_row(stage, f"{ms:.2f}", f"{ms / sum(spent.values()):.0%}", *shown)
            console.print(where)
            console.print(f"outside ONNX Runtime, OpenCV, Pillow and the disk: {outside_libraries(paths):.0%}")


if __name__ == "__main__":
    main()
