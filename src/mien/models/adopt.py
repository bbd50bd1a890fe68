"""Takes files of weights that the user brings: known ones by their checksum, others by the shape of their network."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mien.errors import WeightsError
from mien.models import cache
from mien.models.cards import CARDS, Card, card
from mien.models.weights import BROUGHT, Terms, terms_of

MAX_BYTES = 1 << 30
"""Far above any network for faces."""


@dataclass(frozen=True, slots=True)
class Added:
    """What `add` did: the card, the file in the cache, and under which terms it is; `known` by its checksum."""

    name: str
    path: Path
    known: bool
    terms: Terms


def add(file: Path, name: str | None = None) -> Added:
    """Copy a file of weights into the cache, under the card that its checksum belongs to, or else under `name`.

    Raises:
        UnknownName: there is no card of that name.
        WeightsError: the file cannot be read, is not known and no name is given, or does not fit the name.
    """
    wanted = card(name) if name else None
    data = _read(file)
    owner = _owner(hashlib.sha256(data).hexdigest())
    if owner is not None and wanted is not None and owner.name != wanted.name:
        raise WeightsError(f"{file} is known as weights of {owner.name!r}, not of {wanted.name!r}: leave out --as")
    found = owner or wanted
    if found is None:
        raise WeightsError(f"{file} is not a file that mien knows: say with --as what it is ({_choices()})")
    if owner is None:
        misfit = _unfit(_graph(file, data), found)
        if misfit:
            raise WeightsError(f"{file} does not fit {found.name!r}: {misfit}")
    path = cache.store(found.name, BROUGHT, data)
    return Added(found.name, path, owner is not None, terms_of(found))


def _graph(file: Path, data: bytes) -> Any:
    import onnx  # here, as it takes longer to import than everything else in this room

    try:
        graph = onnx.load_model_from_string(data).graph
    except Exception as error:  # protobuf's own, which onnx does not name
        raise WeightsError(f"{file} is not an ONNX file ({type(error).__name__})") from error
    if not graph.node:
        raise WeightsError(f"{file} is not an ONNX file: it holds no network")
    if any(tensor.data_location == onnx.TensorProto.EXTERNAL for tensor in graph.initializer):
        raise WeightsError(f"{file} keeps its numbers in a second file: save it as one file")
    return graph


def _unfit(graph: Any, found: Card) -> str | None:
    """Why this network cannot be that of the card, or None where its inputs and outputs fit."""
    if not found.is_brought:
        return f"its weights come with an installed package; files are taken for {_choices()}"
    constants = {tensor.name for tensor in graph.initializer}
    inputs = [_shape(value) for value in graph.input if value.name not in constants]
    return _unfit_input(inputs, found) or _unfit_output([_shape(value) for value in graph.output], found)


def _unfit_input(inputs: Sequence[Sequence[int]], found: Card) -> str | None:
    if len(inputs) != 1 or len(inputs[0]) != 4 or inputs[0][1] not in (0, 3):
        return f"it should take one input (n, 3, height, width), and takes {list(inputs)}"
    size = found.input.size if found.input else 0
    if size and any(side not in (0, size) for side in inputs[0][2:]):
        return f"it should take pictures of {size} x {size} pixels, and takes {inputs[0][3]} x {inputs[0][2]}"
    return None


def _unfit_output(outputs: Sequence[Sequence[int]], found: Card) -> str | None:
    if len(outputs) != found.outputs:
        return f"it should have {found.outputs} output{'s' * (found.outputs > 1)}, and has {len(outputs)}"
    if found.dim and (not outputs[0] or outputs[0][-1] not in (0, found.dim)):
        return f"it should give {found.dim} values a face, and gives {list(outputs[0])}"
    return None


def _shape(value: Any) -> list[int]:
    """The sides of an input or output; 0 where one is free."""
    return [int(side.dim_value) for side in value.type.tensor_type.shape.dim]


def _read(file: Path) -> bytes:
    try:
        if file.stat().st_size > MAX_BYTES:
            raise WeightsError(f"{file} is larger than {MAX_BYTES >> 20} MB: it cannot be weights for faces")
        return file.read_bytes()
    except OSError as error:
        raise WeightsError(f"{file} cannot be read ({error.strerror})") from error


def _owner(sha256: str) -> Card | None:
    for found in CARDS.values():
        if any(known.sha256 == sha256 for known in found.known):
            return found
    return None


def _choices() -> str:
    return ", ".join(name for name, found in CARDS.items() if found.is_brought)
