"""Which photo goes into which folder; reads nothing of a photo but whether it is there, and moves nothing."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from mien.store.fileops import FreeNames, is_same_file
from mien.store.journal import Action, FilingHistory, Transfer
from mien.text import folder_names
from mien.types import UNKNOWN, Prediction, Reason, Rejected

REJECTED = "rejected"


@dataclass(frozen=True, slots=True)
class Filing:
    """One photo to be filed: under a label (`UNKNOWN` too), or as rejected for a reason."""

    transfer: Transfer
    label: str | None
    reason: Reason | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be done, in the order of the sources, and how many photos fell to what.

    Each photo counts in one of `counts` (by label), `unknown` and `rejected`, by its main face; `kept` of them are
    not in `filings`, since they lie filed already, or are no longer there; `elsewhere` of these lie filed under
    another label than they would get now.
    """

    filings: tuple[Filing, ...]
    counts: Mapping[str, int]
    unknown: int
    rejected: int
    kept: int
    elsewhere: int

    @property
    def transfers(self) -> tuple[Transfer, ...]:
        return tuple(filing.transfer for filing in self.filings)

    def as_json_lines(self) -> Iterator[str]:
        """One JSON object a photo: `source`, `target`, `action`, `label` (null if rejected), `reason`."""
        for filing in self.filings:
            transfer = filing.transfer
            where = {"source": str(transfer.source), "target": str(transfer.target), "action": transfer.action}
            yield json.dumps({**where, "label": filing.label, "reason": filing.reason and str(filing.reason)})


def plan(
    results: Iterable[Prediction | Rejected],
    path_of: Callable[[str], Path],
    root: Path,
    mode: Action,
    earlier: FilingHistory | None = None,
    known: Iterable[str] = (),
) -> Plan:
    """Results -> the plan that files each photo once: under its main face's label, in `unknown` or in `rejected`.

    `path_of` tells the file of a photo from its uri. Folders are named after the labels, as far as these can be
    names, with regard to all that are `known`, so that a folder's name does not hang on who is seen. Nothing is filed
    twice that `earlier` runs filed, or that lies in its folder already.
    """
    earlier, root = earlier or FilingHistory(), _absolute(root)
    faces, rejected, labels = _verdicts(results)
    folders = folder_names({*labels, *known} - {UNKNOWN}, reserved=(UNKNOWN, REJECTED)) | {UNKNOWN: UNKNOWN}
    found: dict[str, tuple[str | None, Reason | None]] = {uri: (None, reason) for uri, reason in rejected.items()}
    found |= {uri: (label, None) for uri, (_, label) in faces.items()}
    names, filings, elsewhere = FreeNames(), [], 0
    for source, uri in sorted((_absolute(path_of(uri)), uri) for uri in found):
        label, reason = found[uri]
        wanted = root / (REJECTED if label is None else folders[label]) / source.name
        filed = earlier.location(source)
        if filed is not None:
            elsewhere += filed.parent != wanted.parent
        elif not _lies(source, wanted, mode, earlier):
            filings.append(Filing(Transfer(source, names.claim(wanted), mode), label, reason))
    counts = Counter(label for label, _ in found.values() if label is not None)
    unknown = counts.pop(UNKNOWN, 0)
    return Plan(
        tuple(filings), dict(sorted(counts.items())), unknown, len(rejected), len(found) - len(filings), elsewhere
    )


def _verdicts(
    results: Iterable[Prediction | Rejected],
) -> tuple[dict[str, tuple[int, str]], dict[str, Reason], set[str]]:
    """Results -> by uri, the index and label of the main face; by uri, why there is none; all labels there are."""
    faces: dict[str, tuple[int, str]] = {}
    rejected: dict[str, Reason] = {}
    labels: set[str] = set()
    for result in results:
        if isinstance(result, Rejected):
            rejected[result.key] = result.reason
            continue
        faces[result.key] = min(
            faces.get(result.key, (result.face.index, result.label)), (result.face.index, result.label)
        )
        labels.update([result.label], (label for label, _ in result.top))
    return faces, {uri: reason for uri, reason in rejected.items() if uri not in faces}, labels


def _lies(source: Path, wanted: Path, mode: Action, earlier: FilingHistory) -> bool:
    """Whether there is nothing to do: it lies there, an earlier run made it, or there is no such file."""
    if not source.exists() or is_same_file(source, wanted):
        return True
    return mode != "move" and source in earlier.targets


def _absolute(path: Path) -> Path:
    return Path(os.path.abspath(path))  # noqa: PTH100  (resolve() would follow links)
