"""What can be wrong with a data set: the kinds of findings, and one of them; finds nothing itself."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from mien.types import Box


class Kind(StrEnum):
    """All kinds of findings, in the order in which a report shows them."""

    UNREADABLE = "unreadable"
    NO_FACE = "no-face"
    WRONG_PERSON = "wrong-person"
    LABEL_SUSPECT = "label-suspect"
    SAME_PERSON = "same-person"
    MANY_FACES = "many-faces"
    COPY = "copy"
    NEAR_COPY = "near-copy"
    LEAK = "leak"
    COVERED = "covered"
    CUT_OFF = "cut-off"
    TURNED = "turned"
    BLURRED = "blurred"
    SMALL = "small"
    DARK = "dark"
    BRIGHT = "bright"
    FEW = "few"
    IMBALANCE = "imbalance"


DROP = "drop"
KEEP = "keep"


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that a person should look at.

    path: the photo's key; None where it is about a label as a whole. proposed: `DROP`, `KEEP`, a label, or `face N`
    (the N-th face of the photo is meant, counted from 0 in the order of `mien look`); a label whose name is one of
    these words stands as it is. other: the key of the photo that it is compared with, or the other label. confidence:
    0 to 1. box: the face that is meant, where `proposed` is `face N`.
    """

    kind: Kind
    path: str | None
    label: str | None
    proposed: str
    confidence: float
    detail: str
    other: str | None = None
    box: Box | None = None

    def as_json(self) -> dict[str, Any]:
        """The fields of a line of `mien check --json`."""
        return {
            "kind": str(self.kind),
            "path": self.path,
            "label": self.label,
            "proposed": self.proposed,
            "other": self.other,
            "confidence": round(self.confidence, 4),
            "detail": self.detail,
            "box": None if self.box is None else [round(value, 1) for value in self.box],
        }
