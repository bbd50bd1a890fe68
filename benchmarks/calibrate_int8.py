"""Measures the ranges between the layers of dlib-resnet on photos of faces, for `dlib-resnet-int8`.

    python benchmarks/calibrate_int8.py $MIEN_DATA/identity/lfw --without $MIEN_DATA/identity/lfw_pairs.csv \
        --out src/mien/models/dlib-resnet-int8.json

A range runs from the 1st percentile of the photos' least values to the 99th of their greatest.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import cv2
import dlib
import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime
from onnx import TensorProto, helper

from mien.models import ensure
from mien.models.onnx_edit import quantised_values

BATCH = 8


def chips(paths: list[Path]) -> npt.NDArray[np.uint8]:
    """Photos -> aligned faces (n, 150, 150, 3) RGB, cut by dlib itself; photos without a face are left out."""
    find, points = dlib.get_frontal_face_detector(), dlib.shape_predictor(str(ensure("dlib-landmarks-5")))
    cut = []
    for path in paths:
        pixels = cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB)
        boxes = sorted(find(pixels), key=lambda box: box.area())
        if boxes:
            cut.append(dlib.get_face_chip(pixels, points(pixels, boxes[-1]), size=150, padding=0.25))
    return np.stack(cut)


def measure(model: onnx.ModelProto, faces: npt.NDArray[np.uint8]) -> dict[str, list[float]]:
    """The range of each value between layers over these faces."""
    names = quantised_values(model)
    inner = names[1:]
    model.graph.output.extend(helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in inner)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    ends: list[list[Any]] = [[] for _ in inner]
    for start in range(0, len(faces), BATCH):
        batch = faces[start : start + BATCH].transpose(0, 3, 1, 2).astype(np.float32)
        for found, values in zip(ends, session.run(inner, {names[0]: batch}), strict=True):
            flat = values.reshape(len(batch), -1)
            found.append(np.stack([flat.min(axis=1), flat.max(axis=1)]))
    ranges = {names[0]: [0.0, 255.0]}
    for name, found in zip(inner, ends, strict=True):
        low, high = np.concatenate(found, axis=1)
        ranges[name] = [round(float(np.percentile(low, 1)), 4), round(float(np.percentile(high, 99)), 4)]
    return ranges


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("photos", type=Path, help="folder of photos, one face each")
    parser.add_argument("--without", type=Path, help="file whose text names photos to leave out")
    parser.add_argument("--limit", type=int, default=500)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    held_back = options.without.read_text(encoding="utf-8") if options.without else ""
    paths = [path for path in sorted(options.photos.rglob("*.jpg")) if path.name not in held_back][: options.limit]
    faces = chips(paths)
    ranges = measure(onnx.load(ensure("dlib-resnet")), faces)
    table = ",\n".join(f'    "{name}": [{low}, {high}]' for name, (low, high) in ranges.items())
    options.out.write_text(f'{{\n  "faces": {len(faces)},\n  "ranges": {{\n{table}\n  }}\n}}\n', encoding="utf-8")
    print(json.dumps({"photos": len(paths), "faces": len(faces), "ranges": len(ranges)}))


if __name__ == "__main__":
    main()
