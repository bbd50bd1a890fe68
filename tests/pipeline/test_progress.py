"""A training as it is shown: one line that says where it stands, on a terminal a bar before it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from mien.cli.training import Training, bar, line
from mien.train.job import Epoch, Progress

HALFWAY = Progress(
    epoch=3, epochs=4, batch=0, batches=10, loss=1.25, accuracy=0.5, images_per_second=530.4, seconds_left=125.0
)
ENDED = replace(HALFWAY, batch=10, ended=Epoch(3, 1.25, 0.5, 1.1, 0.625, 0.01, 9.0))


def test_the_line_tells_epoch_loss_accuracy_speed_and_time_left() -> None:
    assert line(HALFWAY) == "epoch 3/4  loss 1.250  accuracy 50.0%  530 images/s  2:05 left at most"


def test_the_end_of_an_epoch_tells_of_the_photos_kept_back() -> None:
    assert "62.5% of photos kept back" in line(ENDED)


def test_the_bar_grows_over_the_whole_training() -> None:
    shares = [bar(replace(HALFWAY, epoch=epoch)).count("━") for epoch in (1, 2, 3, 4)]
    assert shares == [0, 6, 12, 18]
    assert bar(replace(HALFWAY, epoch=4, batch=10)).count("╌") == 0


@pytest.fixture
def told() -> list[str]:
    return []


def test_without_a_terminal_there_is_a_line_now_and_then(
    told: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    now = 0.0
    monkeypatch.setattr("mien.cli.training.time.monotonic", lambda: now)
    show = Training(told.append, False, now)
    show(HALFWAY)
    show(ENDED)
    assert told == []
    now = 31.0
    show(HALFWAY)
    show(ENDED)
    show(ENDED)
    assert told == [line(ENDED)]
    assert capsys.readouterr().err == ""


def test_on_a_terminal_the_bar_is_drawn_over_and_erased_with_each_epoch(
    told: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    show = Training(told.append)
    show(HALFWAY)
    show(ENDED)
    written = capsys.readouterr().err
    assert "epoch 3/4" in written
    assert written.endswith("\r\x1b[K")
    assert told == []


def test_a_word_of_the_training_is_passed_on_at_once(told: list[str]) -> None:
    Training(told.append)(replace(HALFWAY, note="the disk is full"))
    assert told == ["the disk is full"]


def test_quiet_is_quiet(told: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    show = Training(told.append, quiet=True)
    for progress in (HALFWAY, ENDED, replace(HALFWAY, note="a word")):
        show(progress)
    assert told == []
    assert capsys.readouterr().err == ""
