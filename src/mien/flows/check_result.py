"""What `mien check` found: rows to go over, a review page, a table of verdicts, a summary."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from html import escape as escape_html
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from mien import fileio
from mien.config import settings
from mien.curation.features import ImageFeatures
from mien.curation.findings import KEEP, MEANINGS, Finding, Kind
from mien.curation.verdicts import propose_verdict, propose_verdicts, write_verdicts
from mien.data import DataOptions, DataSet, form_of
from mien.data.dataset import Subset
from mien.errors import DataError, MissingExtra
from mien.flows.clean import LABEL_FOLDERS, CleanResult, clean_folder, next_command
from mien.images import Decode, thumbnail
from mien.models import APPEARANCE_EMBEDDER, IDENTITY_EMBEDDER
from mien.pipeline.execute import RunOptions, execute
from mien.pipeline.spec import PipelineSpec
from mien.text import escape, pluralize, today
from mien.types import Photo, Rejected

if TYPE_CHECKING:
    import pandas as pd

MASK = "mask"
"""What may be expected of photos."""

PICTURE_SIDE = 160
"""Pixels on the longer side of a picture in the review page."""

MAX_PICTURE_BYTES = 16_000_000
"""Of all pictures in the page, before base64 turns three bytes into four; photos beyond are shown by name."""

_EXAMPLES = 3  # findings of each kind in a summary
_ROWS = 10  # findings in a notebook


@dataclass(frozen=True, slots=True, eq=False)
class CheckedData:
    """What was checked and how: the data (with the path and options that it was read by), the pipeline, the run."""

    data: DataSet
    path: Path | None
    options: DataOptions
    spec: PipelineSpec
    run: RunOptions


@dataclass(frozen=True, slots=True, eq=False)
class CheckResult:
    """The findings, by kind and the surest of a kind first; going over the result is going over its findings.

    photos, rejected: the photos that could be read, and the others. counts: photos by label. labels_are: what labels
    were taken for; None where there are none. advice: sentences on the data as a whole. mask_findings: those on masks,
    where every face should wear one.
    """

    findings: Sequence[Finding]
    photos: Sequence[ImageFeatures]
    rejected: Sequence[Rejected]
    counts: Mapping[str, int]
    labels_are: Literal["people", "looks"] | None
    advice: Sequence[str]
    mask_findings: Sequence[Finding]
    source: CheckedData = field(repr=False)

    def __iter__(self) -> Iterator[Finding]:
        return iter(self.findings)

    def __len__(self) -> int:
        return len(self.findings)

    @property
    def vectors(self) -> str:
        """The name of the vectors that tell its labels apart."""
        return APPEARANCE_EMBEDDER if self.labels_are == "looks" else IDENTITY_EMBEDDER

    @property
    def faceless(self) -> int:
        """How many photos give no face to learn from: those that could not be read, and those that show none."""
        return len(self.rejected) + sum(not len(photo) for photo in self.photos)

    @property
    def kinds(self) -> dict[Kind, int]:
        """How many findings there are of each kind."""
        counts = Counter(finding.kind for finding in self.findings)
        return {kind: counts[kind] for kind in Kind if counts[kind]}

    def as_json(self) -> dict[str, Any]:
        """The fields of the last line of `mien check --json`."""
        return {
            "photos": len(self.photos) + len(self.rejected),
            "faces": sum(len(photo) for photo in self.photos),
            "rejected": self.faceless,
            "counts": dict(self.counts),
            "findings": {str(kind): count for kind, count in self.kinds.items()},
            "labels_are": self.labels_are,
            "advice": list(self.advice),
            "detector": self.source.spec.detector,
        }

    def summary(self) -> str:
        """A few lines for a terminal: how many findings there are of each kind, what they mean, and the surest."""
        photos = pluralize(len(self.photos) + len(self.rejected), "photo")
        of_labels = f" of {pluralize(len(self.counts), 'label')}" if self.counts else ""
        lines = [f"{photos}{of_labels}, {self.faceless} without a face to learn from", *self.advice]
        for kind, count in self.kinds.items():
            lines.append(f"{count:>6}  {kind}: {MEANINGS[kind].problem}; {MEANINGS[kind].advice}")
            examples = [finding for finding in self.findings if finding.kind is kind][:_EXAMPLES]
            lines += [f"        {_line(finding)}" for finding in examples]
            if count > _EXAMPLES:
                lines.append(f"        and {count - _EXAMPLES} more")
        return "\n".join(lines if self.findings else [*lines, "no problems were found"])

    def to_html(self, path: str | os.PathLike[str]) -> Path:
        """Write the page on which the findings are reviewed in a browser.

        Raises:
            DataError: it cannot be written.
        """
        fileio.write(Path(path), _review_page(self).encode())
        return Path(path)

    def write_verdicts(self, path: str | os.PathLike[str]) -> Path:
        """Write the table of proposals (CSV), to edit and pass to `clean` or `train`.

        Raises:
            DataError: it cannot be written.
        """
        fileio.write(Path(path), write_verdicts(propose_verdicts(self.findings)))
        return Path(path)

    def to_pandas(self) -> pd.DataFrame:
        """The findings as a table, a row each.

        Raises:
            MissingExtra: pandas is not installed.
        """
        try:
            import pandas as pd
        except ModuleNotFoundError as error:
            raise MissingExtra("to_pandas() needs the package pandas: pip install pandas") from error
        columns = list(Finding(Kind.FEW, None, None, KEEP, 0, "").as_json())
        return pd.DataFrame([finding.as_json() for finding in self.findings], columns=columns)

    def next_command(self, table: str = "verdicts.csv") -> str:
        """What to type in a shell to apply the verdicts in a table; empty for data that has no path."""
        return "" if self.source.path is None else next_command(self.source.path, self.source.options, table)

    def move_by_mask(self) -> CleanResult:
        """Move the photos of its mask findings into `incorrect/` and `without_mask/`, with a journal to undo it.

        Raises:
            DataError: the photos are not in a folder, or nothing can be written there; what was done until then is in
                the journal.
        """
        require_movable(self.source.path, MASK)
        assert self.source.path is not None
        verdicts = [verdict for finding in self.mask_findings if (verdict := propose_verdict(finding)) is not None]
        return clean_folder(self.source.path, verdicts, Path("the mask findings"), self.source.run)

    def _repr_html_(self) -> str:
        total = f"{pluralize(len(self), 'finding')} in {pluralize(len(self.photos) + len(self.rejected), 'photo')}"
        kinds = _html_table(
            ("Finding", "Count", "What it means", "What to do"),
            [(MEANINGS[k].title, n, MEANINGS[k].problem, MEANINGS[k].advice) for k, n in self.kinds.items()],
        )
        rows = [(f.kind, f.path or f.label or "", f.proposed, f.detail) for f in self.findings[:_ROWS]]
        first = _html_table(("Kind", "Photo or label", "Proposed", "Detail"), rows)
        return f"<p>{total}</p>{kinds}{first}"


def require_movable(data: Path | None, expect: str | None) -> None:
    """Refuse (DataError) what `move_by_mask` cannot do, before all photos are looked at."""
    if expect is None:
        raise DataError("--move needs --expect mask: other findings are for you to decide, see --report")
    form = "a DataSet" if data is None else form_of(data)
    if form != LABEL_FOLDERS:
        raise DataError(f"--move: {data or 'the data'} is {form}, whose files cannot be moved: give a folder of photos")


def _line(finding: Finding) -> str:
    subject = finding.path or finding.label or "all labels"
    said = finding.proposed == KEEP or finding.kind is Kind.TURNED_PHOTO
    proposed = "" if said else f" -> {escape(finding.proposed)}"
    return f"{escape(subject)}: {escape(finding.detail)}{proposed}"


# The review page.


def _review_page(result: CheckResult) -> str:
    from mien.curation.review_page import ReviewPage, map_faces, nearest_examples, render_review_page

    source = result.source
    examples = nearest_examples(result.findings, result.photos, result.vectors)
    names: dict[str | None, None] = {}  # the most important first
    for i, finding in enumerate(result.findings):
        names.update(dict.fromkeys([finding.path, finding.other, *(example.key for example in examples.get(i, ()))]))
    readable = {photo.key for photo in result.photos}
    wanted = [name for name in names if name is not None and name in readable]
    pictures = _pictures(source, wanted)
    detector = source.spec.detector if source.spec.faces == "find" else "none: pictures are faces already cut"
    labels = {"people": "taken for names of people", "looks": "taken for how people look"}
    taken_for = {} if result.labels_are is None else {"Labels": labels[result.labels_are]}
    return render_review_page(
        ReviewPage(
            name="data" if source.path is None else source.path.resolve().name,
            facts={"Date": today(), "Detector": detector, **taken_for},
            findings=result.findings,
            photos=result.photos,
            unreadable=len(result.rejected),
            pictures=pictures,
            examples=examples,
            face_map=map_faces(result.photos, result.vectors),
            advice=result.advice,
            next_command=result.next_command(),
            unpictured=len(wanted) - len(pictures),
            counts=result.counts,
        )
    )


def _pictures(source: CheckedData, wanted: Sequence[str]) -> dict[str, bytes]:
    """Small JPEGs of the photos, as many as there is room for."""
    rank = {key: i for i, key in enumerate(wanted)}
    indices = [i for i, origin in enumerate(source.data.origins) if origin.uri in rank]
    decode = Decode(2 * PICTURE_SIDE, settings().max_megapixels)
    results = execute([decode], Subset(source.data.refs, indices), len(indices), "pictures", source.run)
    pictures = {photo.key: thumbnail(photo.pixels, PICTURE_SIDE) for photo in results if isinstance(photo, Photo)}
    room, chosen = MAX_PICTURE_BYTES, {}
    for key in sorted(pictures, key=rank.__getitem__):
        room -= len(pictures[key])
        if room < 0:
            break
        chosen[key] = pictures[key]
    return chosen


def _html_table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    head = "".join(f"<th>{name}</th>" for name in header)
    body = "".join(f"<tr>{''.join(f'<td>{escape_html(str(cell))}</td>' for cell in row)}</tr>" for row in rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
