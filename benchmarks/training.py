"""How many images a second `fer-cnn` learns from, beside the same network in Keras 3 on TensorFlow and on PyTorch.

    python benchmarks/training.py [--turns 3] [--images 1280] [--without keras-torch]

Needs an environment with mien, torch, kornia, keras and tensorflow. All programs take turns in one run, because the
machine's speed drifts; each is a process of its own that waits while the others work, and the first turn is not
counted. All train the same 4.85 million weights with Adam on batches of 128 and dropout, on two threads. Ours does what
the recipe does besides: gradients clipped, weights averaged. With variants, the recipe's policy stands beside Keras's
own layers for flip, rotation, zoom, shift, brightness and contrast in the same ranges.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from statistics import median

import numpy as np

PROGRAMS = ("mien", "keras-tensorflow", "keras-torch")
THREADS = 2
BATCH = 128
SIDE, CLASSES = 48, 7


def task(images: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    return rng.integers(0, 255, (images, SIDE, SIDE)).astype(np.uint8), rng.integers(0, CLASSES, images)


def ours(images: int, varied: bool) -> Callable[[], float]:
    import torch

    from mien.augment.policy import policy
    from mien.train.architectures import ARCHITECTURES
    from mien.train.job import Rows, Run
    from mien.train.loop import fit_module
    from mien.train.module import build
    from mien.train.settings import SETTINGS

    crops, y = task(images)
    rows = Rows(crops, y, np.arange(images), np.arange(0), CLASSES)
    settings = replace(SETTINGS["fer-cnn"], most_epochs=1)
    run = Run(threads=THREADS, augment=policy(settings.policy).apply if varied else None)
    torch.set_num_threads(THREADS)
    module = build(ARCHITECTURES["fer-cnn"]((1, SIDE, SIDE), CLASSES))
    return lambda: fit_module(module, rows, settings, run).images_per_second


def keras(images: int, varied: bool) -> Callable[[], float]:
    import keras as k

    layers, network = k.layers, k.Sequential([k.Input((SIDE, SIDE, 1))])
    if varied:
        for layer in (
            layers.RandomFlip("horizontal"),
            layers.RandomRotation(15 / 360),
            layers.RandomZoom(0.15),
            layers.RandomTranslation(0.08, 0.08),
            layers.RandomBrightness(0.2),
            layers.RandomContrast(0.2),
        ):
            network.add(layer)
    network.add(layers.Rescaling(1 / 255))
    for layer in (
        *(layers.Conv2D(64, 5), layers.PReLU(), layers.ZeroPadding2D(2), layers.MaxPooling2D(5, 2)),
        *(layers.ZeroPadding2D(1), layers.Conv2D(64, 3), layers.PReLU()),
        *(layers.ZeroPadding2D(1), layers.Conv2D(64, 3), layers.PReLU(), layers.AveragePooling2D(3, 2)),
        *(layers.ZeroPadding2D(1), layers.Conv2D(128, 3), layers.PReLU()),
        *(layers.ZeroPadding2D(1), layers.Conv2D(128, 3), layers.PReLU()),
        *(layers.ZeroPadding2D(1), layers.AveragePooling2D(3, 2), layers.Flatten()),
        *(layers.Dense(1024), layers.PReLU(), layers.Dropout(0.2)),
        *(layers.Dense(1024), layers.PReLU(), layers.Dropout(0.2)),
        layers.Dense(CLASSES),
    ):
        network.add(layer)
    network.compile(k.optimizers.Adam(1e-3), k.losses.SparseCategoricalCrossentropy(from_logits=True))
    crops, y = task(images)
    crops = crops[..., None].astype(np.float32)

    def turn() -> float:
        start = time.perf_counter()
        network.fit(crops, y, batch_size=BATCH, epochs=1, verbose=0)
        return images / (time.perf_counter() - start)

    return turn


def work(program: str, images: int, varied: bool) -> None:
    """A turn for every line that comes in."""
    turn = (ours if program == "mien" else keras)(images, varied)
    for _ in sys.stdin:
        print(turn(), flush=True)


def started(program: str, images: int, varied: bool) -> subprocess.Popen[str]:
    backend = program.removeprefix("keras-")
    environment = {
        **os.environ,
        "KERAS_BACKEND": backend,
        "OMP_NUM_THREADS": str(THREADS),
        "TF_NUM_INTRAOP_THREADS": str(THREADS),
        "TF_CPP_MIN_LOG_LEVEL": "3",
    }
    command = [sys.executable, __file__, "--work", program, "--images", str(images), *["--varied"] * varied]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment)


def measure(programs: list[str], images: int, turns: int, varied: bool) -> dict[str, list[float]]:
    workers = {program: started(program, images, varied) for program in programs}
    speeds: dict[str, list[float]] = {program: [] for program in programs}
    for turn in range(turns + 1):
        for program, worker in workers.items():
            assert worker.stdin is not None
            assert worker.stdout is not None
            worker.stdin.write("go\n")
            worker.stdin.flush()
            speed = float(worker.stdout.readline())
            if turn:
                speeds[program].append(speed)
    for worker in workers.values():
        worker.communicate()
    return speeds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--images", type=int, default=10 * BATCH, help="of each turn, 1280 at least")
    parser.add_argument("--without", action="append", default=[], choices=PROGRAMS[1:])
    parser.add_argument("--work", choices=PROGRAMS, help=argparse.SUPPRESS)
    parser.add_argument("--varied", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.work:
        work(options.work, options.images, options.varied)
        return
    programs = [program for program in PROGRAMS if program not in options.without]
    for varied in (False, True):
        speeds = measure(programs, options.images, options.turns, varied)
        line: dict[str, object] = {"variants": varied, "images": options.images, "turns": options.turns}
        for program, found in speeds.items():
            line[program] = round(median(found), 1)
            if program != "mien":
                pairs = zip(speeds["mien"], found, strict=True)
                line[f"times {program}"] = round(median(a / b for a, b in pairs), 2)
        print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main()
