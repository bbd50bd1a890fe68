"""How a training is shown while it goes on: a bar on a terminal, and elsewhere a line now and then."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from collections.abc import Callable

    from mien.train.job import Progress

_WIDTH = 24  # of the bar, in letters
_SECONDS = 30.0  # between two lines where there is no terminal
_CLEAR = "\r\x1b[K"


@dataclass(slots=True)
class Training:
    """Takes what a training tells of itself; `tell` is for what is worth a line of its own."""

    tell: Callable[[str], None]
    quiet: bool = False
    _told: float = field(default_factory=time.monotonic)

    def __call__(self, progress: Progress) -> None:
        """Show where it stands."""
        if self.quiet:
            return
        terminal = sys.stderr.isatty()
        if progress.note:
            typer.echo(_CLEAR if terminal else "", nl=False, err=True)
            self.tell(progress.note)
        elif terminal:
            # Erased with each epoch's end, so that nothing of it is left behind the last one.
            typer.echo(_CLEAR + ("" if progress.ended else bar(progress)), nl=False, err=True)
        elif progress.ended and time.monotonic() - self._told > _SECONDS:
            self._told = time.monotonic()
            self.tell(line(progress))


def bar(progress: Progress) -> str:
    """Progress -> a bar over the whole training, and how it stands, in one line."""
    share = (progress.epoch - 1 + progress.batch / max(1, progress.batches)) / progress.epochs
    full = round(_WIDTH * min(1.0, share))
    return f"{'━' * full}{'╌' * (_WIDTH - full)} {line(progress)}"


def line(progress: Progress) -> str:
    """Progress -> epoch, loss, accuracy, images a second and the time that is left."""
    minutes, seconds = divmod(round(progress.seconds_left), 60)
    held = progress.ended.stop_accuracy if progress.ended else None
    apart = "" if held is None else f", {held:.1%} of photos kept back"
    return (
        f"epoch {progress.epoch}/{progress.epochs}  loss {progress.loss:.3f}  accuracy {progress.accuracy:.1%}{apart}"
        f"  {progress.images_per_second:.0f} images/s  {minutes}:{seconds:02d} left at most"
    )
