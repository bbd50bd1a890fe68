"""How many images a second `fer-cnn` learns from, beside the same network in Keras 3 on TensorFlow and on PyTorch.

    python benchmarks/training.py [--turns 3] [--images 1280] [--threads 2] [--without keras-torch]

Needs an environment with mien, torch, kornia, keras and tensorflow. All programs take turns in one run, because the
machine's speed drifts; each is a process of its own that waits while the others work, and the first turn is not
counted. All train the same 4.85 million weights with Adam on batches of 128 and dropout, on two threads. Ours does what
the recipe does besides: gradients clipped, weights averaged. With variants, the recipe's policy stands beside Keras's
own layers for flip, rotation, zoom, shift, brightness and contrast in the same ranges.

`cpu` is images a second of processor time: the figure to look at, with one thread, where the machine is not idle.
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

import numpy as np

PROGRAMS = ("mien", "keras-tensorflow", "keras-torch")
BATCH = 128
SIDE, CLASSES = 48, 7


def task(images: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    return rng.integers(0, 255, (images, SIDE, SIDE)).astype(np.uint8), rng.integers(0, CLASSES, images)


def ours(images: int, varied: bool, threads: int) -> Callable[[], float]:
    from mien.augmentation.policy import load_policy
    from mien.training.batches import TrainingRows
    from mien.training.networks import build_network
    from mien.training.settings import SETTINGS, TrainerOptions
    from mien.training.trainer import fit_module

    crops, y = task(images)
    rows = TrainingRows(crops, y, np.arange(images), np.arange(0), CLASSES)
    settings = replace(SETTINGS["fer-cnn"], most_epochs=1)
    run = TrainerOptions(threads=threads, augment=load_policy(settings.policy).apply if varied else None)
    network = build_network("fer-cnn", (1, SIDE, SIDE), CLASSES, seed=0)
    return lambda: fit_module(network, rows, settings, run).images_per_second


def keras(images: int, varied: bool, threads: int) -> Callable[[], float]:
    import keras as k

    if k.backend.backend() == "tensorflow":
        import tensorflow as tf

        tf.config.threading.set_intra_op_parallelism_threads(threads)
        tf.config.threading.set_inter_op_parallelism_threads(threads)
    else:
        import torch

        torch.set_num_threads(threads)

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


def work(options: argparse.Namespace) -> None:
    """A turn for every line that comes in."""
    turn = (ours if options.work == "mien" else keras)(options.images, options.varied, options.threads)
    for _ in sys.stdin:
        start = time.process_time()
        speed = turn()
        print(json.dumps([speed, options.images / (time.process_time() - start)]), flush=True)


def started(program: str, options: argparse.Namespace, varied: bool) -> subprocess.Popen[str]:
    backend = program.removeprefix("keras-")
    environment = {
        **os.environ,
        "KERAS_BACKEND": backend,
        "OMP_NUM_THREADS": str(options.threads),
        "TF_CPP_MIN_LOG_LEVEL": "3",
    }
    command = [sys.executable, __file__, "--work", program, *["--varied"] * varied]
    command += ["--images", str(options.images), "--threads", str(options.threads)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment)


def measure(programs: list[str], options: argparse.Namespace, varied: bool) -> dict[str, np.ndarray]:
    """Images a second, and a second of processor time, of each turn (turns, 2)."""
    workers = {program: started(program, options, varied) for program in programs}
    speeds: dict[str, list[list[float]]] = {program: [] for program in programs}
    for turn in range(options.turns + 1):
        for program, worker in workers.items():
            assert worker.stdin is not None
            assert worker.stdout is not None
            worker.stdin.write("go\n")
            worker.stdin.flush()
            speed = json.loads(worker.stdout.readline())
            if turn:
                speeds[program].append(speed)
    for worker in workers.values():
        worker.communicate()
    return {program: np.array(found) for program, found in speeds.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--images", type=int, default=10 * BATCH, help="of each turn, 1280 at least")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--without", action="append", default=[], choices=PROGRAMS[1:])
    parser.add_argument("--work", choices=PROGRAMS, help=argparse.SUPPRESS)
    parser.add_argument("--varied", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.work:
        work(options)
        return
    programs = [program for program in PROGRAMS if program not in options.without]
    for varied in (False, True):
        speeds = measure(programs, options, varied)
        line: dict[str, object] = {"variants": varied, "threads": options.threads, "turns": options.turns}
        for program, found in speeds.items():
            wall, cpu = np.median(found, axis=0)
            line[program] = {"wall": round(wall, 1), "cpu": round(cpu, 1)}
            if program != "mien":
                wall, cpu = np.median(speeds["mien"] / found, axis=0)
                line[f"mien / {program}"] = {"wall": round(wall, 2), "cpu": round(cpu, 2)}
        print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main()
