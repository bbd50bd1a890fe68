"""The plan of `mien sort`: which photo goes into which folder. It moves nothing itself."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from mien.store.fileops import FreeNames, absolute, is_same_file
from mien.store.journal import Action, FilingHistory, Transfer
from mien.text import folder_names
from mien.types import UNKNOWN, Prediction, Reason, Rejected

REJECTED = "rejected"


@dataclass(frozen=True, slots=True)
class Filing:
    """One photo to file: under a label (or `UNKNOWN`), or as rejected for a reason."""

    transfer: Transfer
    label: str | None
    reason: Reason | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """What to do, in the order of the sources, and the counts.

    Each photo counts once in `counts` (by label), `unknown` or `rejected`, by its main face. `kept` of them are not in
    `filings`, because they were filed before or no longer exist; `elsewhere` of these were filed under another label
    than they would get now.
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

    path_of: the file of a photo by its uri. known: all labels, so that a folder's name does not depend on who is in the
    photos. Photos that `earlier` runs filed, or that are in their folder already, are not filed again.
    """
    earlier, root = earlier or FilingHistory(), absolute(root)
    faces, rejected, labels = _verdicts(results)
    folders = folder_names({*labels, *known} - {UNKNOWN}, reserved=(UNKNOWN, REJECTED)) | {UNKNOWN: UNKNOWN}
    verdicts: dict[str, tuple[str | None, Reason | None]] = {uri: (None, reason) for uri, reason in rejected.items()}
    verdicts |= {uri: (label, None) for uri, (_, label) in faces.items()}
    names, filings, elsewhere = FreeNames(), [], 0
    for source, uri in sorted((absolute(path_of(uri)), uri) for uri in verdicts):
        label, reason = verdicts[uri]
        wanted = root / (REJECTED if label is None else folders[label]) / source.name
        filed = earlier.location(source)
        if filed is not None:
            elsewhere += filed.parent != wanted.parent
        elif not _is_done(source, wanted, mode, earlier):
            filings.append(Filing(Transfer(source, names.claim(wanted), mode), label, reason))
    counts = Counter(label for label, _ in verdicts.values() if label is not None)
    unknown = counts.pop(UNKNOWN, 0)
    kept = len(verdicts) - len(filings)
    return Plan(tuple(filings), dict(sorted(counts.items())), unknown, len(rejected), kept, elsewhere)


def _verdicts(
    results: Iterable[Prediction | Rejected],
) -> tuple[dict[str, tuple[int, str]], dict[str, Reason], set[str]]:
    """Results -> the index and label of the main face by uri; the reasons of rejections by uri; all labels."""
    faces: dict[str, tuple[int, str]] = {}
    rejected: dict[str, Reason] = {}
    labels: set[str] = set()
    for result in results:
        if isinstance(result, Rejected):
            rejected[result.key] = result.reason
            continue
        face = result.face.index, result.label
        faces[result.key] = min(faces.get(result.key, face), face)
        labels.update([result.label], (label for label, _ in result.top))
    return faces, {uri: reason for uri, reason in rejected.items() if uri not in faces}, labels


def _is_done(source: Path, wanted: Path, mode: Action, earlier: FilingHistory) -> bool:
    """Whether there is nothing to do: it is in place, an earlier run made it, or there is no such file."""
    made_earlier = mode != "move" and source in earlier.targets
    return made_earlier or not source.exists() or is_same_file(source, wanted)
