"""Variants a second: `mien`, albumentations and Keras's layers doing the same to 96 px RGB faces, in turns.

Needs an environment with `mien[train]`, albumentations 2.0.8, and Keras 3 on TensorFlow; in it:
python benchmarks/augmentation.py [--threads 1 2] [--rounds 7]
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from statistics import median

import numpy as np

FACES, SIDE = 128, 96
"""A batch of different faces, as in training."""


def faces() -> np.ndarray:
    """Smooth pictures of many colours: what they show does not matter for the time."""
    import cv2

    small = np.random.default_rng(0).integers(0, 256, (FACES, 12, 12, 3)).astype(np.uint8)
    return np.stack([cv2.resize(picture, (SIDE, SIDE), interpolation=cv2.INTER_CUBIC) for picture in small])


def of_mien(batch: np.ndarray, threads: int) -> Callable[[], object]:
    import torch

    from mien.augmentation.policy import load_policy

    gentle, pool = load_policy("gentle"), ThreadPoolExecutor(threads)

    def some(part: slice) -> object:  # uint8 in, a float tensor out, as a trainer has it
        planes = (
            torch.from_numpy(batch[part]).permute(0, 3, 1, 2).to(torch.float32, memory_format=torch.contiguous_format)
        )
        return gentle.apply(planes, range(part.start, part.stop))

    share = len(batch) // threads
    parts = [slice(start, start + share) for start in range(0, len(batch), share)]
    return lambda: some(parts[0]) if threads == 1 else list(pool.map(some, parts))


def of_albumentations(batch: np.ndarray, threads: int) -> Callable[[], object]:
    import albumentations
    import cv2

    cv2.setNumThreads(1)
    made = albumentations.Compose(
        [
            albumentations.HorizontalFlip(p=0.5),
            albumentations.Affine(
                rotate=(-20, 20), scale=(0.8, 1.2), translate_percent=(-0.06, 0.06), border_mode=cv2.BORDER_REFLECT, p=1
            ),
            albumentations.RandomBrightnessContrast(0.15, 0.15, p=1),
        ]
    )
    pool = ThreadPoolExecutor(threads)

    def run() -> object:
        if threads == 1:
            return [made(image=face)["image"] for face in batch]
        return list(pool.map(lambda face: made(image=face)["image"], batch, chunksize=32))

    return run


def of_keras(batch: np.ndarray, threads: int) -> Callable[[], object]:
    import tensorflow
    from keras import Sequential, layers

    tensorflow.config.threading.set_intra_op_parallelism_threads(threads)
    tensorflow.config.threading.set_inter_op_parallelism_threads(1)
    made = Sequential(
        [
            layers.RandomFlip("horizontal"),
            layers.RandomRotation(20 / 360, fill_mode="reflect"),
            layers.RandomZoom((-0.2, 0.2), fill_mode="reflect"),
            layers.RandomTranslation(0.06, 0.06, fill_mode="reflect"),
            layers.RandomBrightness(0.15),
            layers.RandomContrast(0.15),
        ]
    )
    compiled = tensorflow.function(lambda pictures: made(pictures, training=True))

    def run() -> object:
        return compiled(tensorflow.cast(batch, tensorflow.float32)).numpy()

    return run


SUBJECTS = {"mien": of_mien, "albumentations": of_albumentations, "keras": of_keras}


def serve(name: str, threads: int) -> None:
    """A process of its own for each library, which measures when it is told to: two would share their threads."""
    run = SUBJECTS[name](faces(), threads)
    for _ in range(3):
        run()
    print("ready", flush=True)
    for _ in sys.stdin:
        start = time.perf_counter()
        run()
        print(FACES / (time.perf_counter() - start), flush=True)


def turns(threads: int, rounds: int) -> dict[str, list[float]]:
    """One library after the other, and again, so that whatever else the machine does hits all of them."""
    environment = {
        **os.environ,
        "OMP_NUM_THREADS": str(threads),
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "NO_ALBUMENTATIONS_UPDATE": "1",
    }
    running = {
        name: subprocess.Popen(
            [sys.executable, __file__, "--serve", name, "--threads", str(threads)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env=environment,
        )
        for name in SUBJECTS
    }
    for name, process in running.items():
        if process.stdout is None or process.stdout.readline().strip() != "ready":
            raise SystemExit(f"{name} did not start in this environment")
    measured: dict[str, list[float]] = {name: [] for name in SUBJECTS}
    for _ in range(rounds):
        for name, process in running.items():
            assert process.stdin
            assert process.stdout
            process.stdin.write("go\n")
            process.stdin.flush()
            measured[name].append(float(process.stdout.readline()))
    for process in running.values():
        process.kill()
        process.wait()
    return measured


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--serve", choices=SUBJECTS)
    asked = parser.parse_args()
    if asked.serve:
        serve(asked.serve, asked.threads[0])
        return
    for threads in asked.threads:
        found = turns(threads, asked.rounds)
        shown = {name: {"median": round(median(all_)), "best": round(max(all_))} for name, all_ in found.items()}
        ratios = {
            name: round(median(ours / theirs for ours, theirs in zip(found["mien"], all_, strict=True)), 2)
            for name, all_ in found.items()
            if name != "mien"
        }
        print(json.dumps({"threads": threads, "variants_per_second": shown, "mien_times_as_fast_as": ratios}))


if __name__ == "__main__":
    main()
