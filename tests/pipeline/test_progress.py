"""How far along work is: bars on a terminal, and elsewhere a line for a long training now and then."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest

from mien.pipeline.execute import RunOptions
from mien.pipeline.progress import NoProgress, TerminalProgress, training_line
from mien.training.progress import Epoch, TrainingProgress

HALFWAY = TrainingProgress(
    epoch=3, epochs=4, batch=0, batches=10, loss=1.25, accuracy=0.5, images_per_second=530.4, seconds_left=125.0
)
ENDED = replace(HALFWAY, batch=10, ended=Epoch(3, 1.25, 0.5, 1.1, 0.625, 0.01, 9.0))
LAST = replace(ENDED, epoch=4)


def use_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let stderr pass for a terminal; called by the test itself, since pytest captures set-up apart."""
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")


def test_the_line_tells_epoch_loss_accuracy_speed_and_time_left() -> None:
    assert training_line(HALFWAY) == "epoch 3/4  loss 1.250  accuracy 50.0%  530 images/s  2:05 left at most"


def test_the_end_of_an_epoch_tells_of_the_validation_photos() -> None:
    assert "accuracy 50.0%, 62.5% on validation photos" in training_line(ENDED)


def test_the_bar_grows_over_the_whole_training(monkeypatch: pytest.MonkeyPatch) -> None:
    use_terminal(monkeypatch)
    shares: list[float] = []

    class Bars:
        task_ids = (0,)

        def add_task(self, _: str, total: float) -> None:
            assert total == 1.0

        def start(self) -> None: ...

        def stop(self) -> None: ...

        def update(self, task: int, *, completed: float, description: str) -> None:
            assert (task, description[:6]) == (0, "epoch ")
            shares.append(completed)

    monkeypatch.setattr("mien.pipeline.progress._bars", lambda *_, **__: Bars())
    show = TerminalProgress()
    for epoch in (1, 2, 3, 4):
        show.training(replace(HALFWAY, epoch=epoch))
    show.training(replace(HALFWAY, epoch=4, batch=10))
    assert shares == [0, 0.25, 0.5, 0.75, 1]


def test_without_a_terminal_there_is_a_line_now_and_then(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    show, start = TerminalProgress(), time.monotonic()
    show.training(HALFWAY)
    show.training(ENDED)
    assert capsys.readouterr().err == ""
    monkeypatch.setattr("mien.pipeline.progress.time.monotonic", lambda: start + 31)
    show.training(HALFWAY)
    show.training(ENDED)
    show.training(ENDED)
    assert capsys.readouterr().err == f"{training_line(ENDED)}\n"


def test_on_a_terminal_the_bar_is_drawn_and_gone_at_the_end(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    use_terminal(monkeypatch)
    show = TerminalProgress()
    show.training(HALFWAY)
    show.training(ENDED)
    show.training(LAST)
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "epoch 3/4" in captured.err
    assert captured.err.endswith("\x1b[2K")
    assert captured.err.count("\x1b[?25l") == captured.err.count("\x1b[?25h") == 1, "the cursor is back"


@pytest.mark.parametrize("on_terminal", [False, True])
def test_a_note_of_the_training_is_passed_on_at_once(
    on_terminal: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stderr.isatty", lambda: on_terminal, raising=False)
    TerminalProgress().training(replace(HALFWAY, note="the disk is full"))
    assert capsys.readouterr().err == "note: the disk is full\n"


def test_without_progress_nothing_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    show = NoProgress()
    for state in (HALFWAY, ENDED, replace(HALFWAY, note="a word")):
        show.training(state)
    assert list(show.track([1, 2], 2, "photos")) == [1, 2]
    assert capsys.readouterr() == ("", "")


def test_a_loop_shows_a_bar_only_once_it_takes_a_while(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    use_terminal(monkeypatch)
    show = TerminalProgress()
    assert list(show.track(iter([1, 2]), 2, "photos")) == [1, 2]
    assert capsys.readouterr().err == ""
    monkeypatch.setattr("mien.pipeline.progress._PATIENCE", 0.0)
    for _ in show.track(iter([1, 2]), 2, "photos"):
        time.sleep(0.15)
    assert "photos" in capsys.readouterr().err


def test_without_a_terminal_a_loop_shows_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    items = [1, 2]
    assert TerminalProgress().track(items, 2, "photos") is items
    assert capsys.readouterr().err == ""


def test_progress_is_off_unless_asked() -> None:
    assert isinstance(RunOptions.build().progress, NoProgress)
    assert isinstance(RunOptions.build(progress=True).progress, TerminalProgress)
    own = NoProgress()
    assert RunOptions.build(progress=own).progress is own
