"""`mien forget`: somebody out of the gallery."""

from __future__ import annotations

from typing import Annotated

import typer

from mien.cli import options
from mien.cli.output import Output
from mien.text import pluralize


def forget(
    name: Annotated[str, typer.Argument(help="Who is to be forgotten.")],
    json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Forget somebody: the name, the vectors, and what was remembered of the photos; there is no undo."""
    from mien.flows.forget import forget as flow
    from mien.flows.gallery import opened

    out = Output(json, quiet)
    with opened() as gallery:
        receipt = flow(name, gallery)
    out.record(
        receipt.as_json(),
        f"{receipt.name} (number {receipt.person}) is forgotten: {pluralize(len(receipt.photos), 'photo')},"
        f" {pluralize(receipt.vectors, 'vector')}, {receipt.cached} in the cache,"
        f" {receipt.forgotten:%Y-%m-%d %H:%M:%S} UTC" + "".join(f"\n  sha256 {photo}" for photo in receipt.photos),
    )
    if not receipt.erased:
        out.warn(
            "the rows are gone, but their bytes may still lie in the files, since another program is at them: they go"
            " when 'mien people' is run after it has ended"
        )
