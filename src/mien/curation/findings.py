"""What can be wrong with a data set: a finding, its kinds, and what each kind means."""

from __future__ import annotations

from collections.abc import Mapping
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
    TURNED_PHOTO = "turned-photo"
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
TURN = "turn"
"""Begins the proposal for a photo that is to be turned: `turn 90`, in degrees clockwise."""


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that a person should look at.

    path: the photo's key; None for a finding about a whole label. proposed: `DROP`, `KEEP`, a label, `face N` (the
    N-th face of the photo is meant, counted from 0 in the order of `mien look`), or `turn N` (the photo is to be turned
    N degrees clockwise); a label that is called like one of these words is given as it is. other: the key of the photo
    that it is compared with, or the other label. confidence: 0 to 1. box: the face that is meant, where `proposed` is
    `face N`.
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


@dataclass(frozen=True, slots=True)
class Meaning:
    """A kind in words: its title, what is wrong with the photo or label, and what to do about it."""

    title: str
    problem: str
    advice: str


MEANINGS: Mapping[Kind, Meaning] = {
    Kind.UNREADABLE: Meaning("Unreadable", "the file cannot be opened as an image", "drop it, or replace the file"),
    Kind.NO_FACE: Meaning("No face", "no face was found", "drop it, unless you can see one"),
    Kind.WRONG_PERSON: Meaning(
        "Wrong person", "the face does not match its folder", "move it to the right folder, or drop it"
    ),
    Kind.LABEL_SUSPECT: Meaning(
        "Suspect label", "the photo looks like another label, or has two", "move it, or keep it"
    ),
    Kind.SAME_PERSON: Meaning("One person twice", "two folders seem to show the same person", "merge the two folders"),
    Kind.MANY_FACES: Meaning(
        "Several faces", "it is unclear which face is meant", "choose the face, or drop the photo"
    ),
    Kind.TURNED_PHOTO: Meaning(
        "On its side", "the whole photo lies on its side or upside down, and the file does not say so", "turn it"
    ),
    Kind.COPY: Meaning("Copy", "the same picture, byte for byte or pixel for pixel", "keep one, drop the rest"),
    Kind.NEAR_COPY: Meaning("Near copy", "the same picture, resized, cropped or mirrored", "keep one, drop the rest"),
    Kind.LEAK: Meaning(
        "Leak", "the photo is on both sides of a split, which makes results too good", "drop it on one side"
    ),
    Kind.COVERED: Meaning("Covered", "a mask or sunglasses hide the face", "drop it, unless you want such photos"),
    Kind.CUT_OFF: Meaning("Cut off", "the edge of the picture cuts the face off", "drop it if much is missing"),
    Kind.TURNED: Meaning(
        "Turned away", "the face is turned away from the camera", "drop it if little of the face is visible"
    ),
    Kind.BLURRED: Meaning("Blurred", "the face is too blurred to show much detail", "drop it, or find a sharper photo"),
    Kind.SMALL: Meaning("Small", "the face is only a few pixels wide", "drop it, or find a larger photo"),
    Kind.DARK: Meaning("Dark", "it is too dark to see the face well", "drop it, or brighten it"),
    Kind.BRIGHT: Meaning("Overexposed", "it is so bright that the face has lost its detail", "drop it"),
    Kind.FEW: Meaning("Few photos", "the label has too few photos to learn from", "add photos, or leave the label out"),
    Kind.IMBALANCE: Meaning(
        "Imbalance", "some labels have far more photos than others", "add photos to the smaller labels"
    ),
}
"""All kinds in words."""
