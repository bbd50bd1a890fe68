from __future__ import annotations

from pathlib import Path

import pytest

from mien.experiment import features
from tests.experiment.factories import prepare_made_up


@pytest.fixture
def made_up(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Photos are made up, and the cache folder is the test's own."""
    monkeypatch.setattr(features, "prepare_photos", prepare_made_up)
