"""What each kind of finding means and what is to be done about it, in words; finds nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from mien.curate.finding import Kind


@dataclass(frozen=True, slots=True)
class Meaning:
    """A kind in words: its title, what it says of a photo, and what a person should do about it."""

    title: str
    means: str
    do: str


MEANINGS: Mapping[Kind, Meaning] = {
    Kind.UNREADABLE: Meaning("Unreadable", "cannot be opened as a picture", "drop it, or get it anew"),
    Kind.NO_FACE: Meaning("No face", "no face was found", "drop it, unless there is one"),
    Kind.WRONG_PERSON: Meaning(
        "Wrong person", "the face does not fit its folder", "move it where it belongs, or drop it"
    ),
    Kind.LABEL_SUSPECT: Meaning("Suspect label", "looks like others, or lies under two labels", "move it, or keep it"),
    Kind.SAME_PERSON: Meaning("One person twice", "two folders seem to be one person", "put them into one folder"),
    Kind.MANY_FACES: Meaning("Several faces", "more than one face may be meant", "say which, or drop it"),
    Kind.COPY: Meaning("Copy", "the same picture, byte for byte or pixel for pixel", "drop all but one"),
    Kind.NEAR_COPY: Meaning("Near copy", "the same picture, resized, cropped or mirrored", "drop all but one"),
    Kind.LEAK: Meaning("Leak", "stands on both sides of a split, so that figures flatter", "drop one side"),
    Kind.COVERED: Meaning("Covered", "a mask or sunglasses hide the face", "drop it, unless they are wanted"),
    Kind.CUT_OFF: Meaning("Cut off", "the edge of the picture cuts the face off", "drop it if much is missing"),
    Kind.TURNED: Meaning("Turned away", "the face looks away from the camera", "drop it if little can be seen"),
    Kind.BLURRED: Meaning("Blurred", "too blurred to tell much", "drop it, or take a sharper one"),
    Kind.SMALL: Meaning("Small", "the face has few pixels", "drop it, or take a larger one"),
    Kind.DARK: Meaning("Dark", "too dark to see the face well", "drop it, or brighten it"),
    Kind.BRIGHT: Meaning("Burnt out", "so bright that the face has no detail", "drop it"),
    Kind.FEW: Meaning("Few photos", "the label has too few photos to learn from", "add photos, or leave it out"),
    Kind.IMBALANCE: Meaning("Imbalance", "some labels have many more photos than others", "add to the small ones"),
}
"""All kinds in words."""
