"""An earlier network of the traits, whose probabilities the next one learns besides the labels."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import onnxruntime

from mien.models.head import Head
from mien.types import Floats, Pixels
from recipes.traits.faces import LABELS
from recipes.traits.heads import input_batches


class Teacher:
    """Crops (n, s, s, 3) RGB -> its probabilities of each trait's labels, (n, k).

    folder: what an earlier version of the package has in `models/shipped`: a network that takes pixels, and a bundle of
    each trait.

    Raises:
        SystemExit: it is not such a folder.
    """

    def __init__(self, folder: Path) -> None:
        try:
            network = (folder / "traits.onnx").read_bytes()
            self._heads = {trait: _head(folder / f"{trait}.mien") for trait in LABELS}
        except OSError as error:
            raise SystemExit(f"{folder} holds no earlier traits to learn from: {error}") from error
        self._session = onnxruntime.InferenceSession(network, providers=["CPUExecutionProvider"])
        self._taken = self._session.get_inputs()[0]

    def __call__(self, crops: Pixels) -> dict[str, Floats]:
        side = int(self._taken.shape[2])
        sized = np.stack([cv2.resize(crop, (side, side), interpolation=cv2.INTER_AREA) for crop in crops])
        made = [
            self._session.run(None, {self._taken.name: batch})[0]
            for batch in input_batches(np.asarray(sized, np.uint8))
        ]
        found = np.concatenate(made)
        return {trait: head.probabilities(found).astype(np.float32) for trait, head in self._heads.items()}


def _head(folder: Path) -> Head:
    with np.load(folder / "head.npz", allow_pickle=False) as arrays:
        return Head.load(json.loads((folder / "bundle.json").read_bytes())["head"], dict(arrays))
