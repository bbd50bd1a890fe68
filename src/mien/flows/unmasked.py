"""Files photos whose mask is not worn properly, or that show none, by the machinery that verdicts are followed by."""

from __future__ import annotations

from pathlib import Path

from mien.curate.verdicts import propose_verdict
from mien.data import form_of
from mien.errors import DataError
from mien.flows.check import CheckResult
from mien.flows.clean import LABEL_FOLDERS, CleanResult, follow
from mien.pipeline.execute import RunOptions


def movable(data: Path, expect: str | None) -> None:
    """Refuse early, before all photos are looked at, what `move` cannot do.

    Raises:
        DataError: nothing is expected of the photos, or they do not lie in folders.
    """
    if expect is None:
        raise DataError("--move goes with --expect mask: what else is found is for you to decide, see --report")
    if (form := form_of(data)) != LABEL_FOLDERS:
        raise DataError(f"--move: {data} is {form}, where no file can be moved: give a folder of photos")


def move(checked: CheckResult, data: Path, drive: RunOptions) -> CleanResult:
    """What was found of masks -> photos in `incorrect/` and `without_mask/` below `data`, with a journal.

    Raises:
        DataError: nothing can be written there; what was done until then stands in the journal.
    """
    verdicts = [verdict for finding in checked.unmasked if (verdict := propose_verdict(finding)) is not None]
    return follow(data, verdicts, Path("what was found of masks"), drive)
