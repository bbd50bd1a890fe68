"""What the tests of weights share."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from tests.models import faces


@pytest.fixture(scope="session")
def two_faces(astronaut: bytes, hopper: bytes) -> npt.NDArray[np.uint8]:
    """Eileen Collins and Grace Hopper, (2, 150, 150, 3)."""
    cut = [faces.chip(faces.decoded(photo)) for photo in (astronaut, hopper)]
    return np.stack([face for face in cut if face is not None])


@pytest.fixture(scope="session")
def fifty_faces(data: Path) -> npt.NDArray[np.uint8]:
    """Fifty faces of as many people."""
    people = sorted((data / "identity" / "lfw").iterdir())[:300:5]
    return faces.chips([min(person.glob("*.jpg")) for person in people])[:50]
