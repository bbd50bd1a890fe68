"""The trainer learns, keeps the best epoch, stops when it should, and repeats to the last bit."""

from __future__ import annotations

import json
import warnings
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from mien.errors import DataError
from mien.training.batches import TrainingRows, to_tensor
from mien.training.progress import Epoch, Meter, TrainingProgress
from mien.training.settings import TrainerOptions
from mien.training.trainer import (
    AVERAGE_EVERY,
    average_weights,
    best_of,
    fit_module,
    learning_rate,
    load_optimiser,
    make_optimiser,
    optimiser_tensors,
)
from tests.training.tasks import dense, network, rows, same, settings, vectors


def accuracy(module: nn.Module, task: TrainingRows) -> float:
    with torch.no_grad():
        logits = module(to_tensor(task.inputs, task.stop).float())
    return float((logits.argmax(1).numpy() == task.y[task.stop]).mean())


def noise(batch: torch.Tensor, seeds: Sequence[int]) -> torch.Tensor:
    """Each row darker by its own seed."""
    return batch - torch.tensor([seed % 50 for seed in seeds], dtype=torch.float32)[:, None, None, None]


LONG = settings(samples=1600, most_epochs=20)


@pytest.mark.parametrize("colour", [False, True])
def test_crops_are_learnt(colour: bool) -> None:
    task = rows(colour=colour)
    fitted = fit_module(network(3 if colour else 1), task, LONG, TrainerOptions())
    assert accuracy(fitted.module, task) > 0.9
    assert fitted.curves[-1].loss < fitted.curves[0].loss


@pytest.mark.parametrize("optimiser", ["adam", "adamw", "sgd"])
def test_vectors_are_learnt(optimiser: str) -> None:
    how = settings(inputs="vectors", size=0, optimiser=optimiser, samples=1600, most_epochs=20, ema=0.0)
    task = vectors()
    assert accuracy(fit_module(dense(), task, how, TrainerOptions()).module, task) > 0.9


def test_what_comes_out_is_ready_to_answer() -> None:
    module = network()
    fitted = fit_module(module, rows(), settings(), TrainerOptions())
    assert fitted.module is module
    assert not module.training
    assert all(t.device.type == "cpu" and t.is_contiguous() for t in module.state_dict().values())
    assert all(t.dtype == torch.float32 for t in module.parameters())


def test_the_record_is_complete_and_strict_json() -> None:
    fitted = fit_module(network(), rows(), settings(), TrainerOptions())
    assert [epoch.epoch for epoch in fitted.curves] == list(range(1, fitted.epochs + 1))
    assert fitted.epochs == 5
    assert fitted.samples == 5 * 80
    assert fitted.seconds == sum(epoch.seconds for epoch in fitted.curves)
    assert fitted.images_per_second == pytest.approx(fitted.samples / fitted.seconds)
    assert fitted.ended == "epochs"
    assert json.loads(json.dumps([epoch.as_json() for epoch in fitted.curves], allow_nan=False))


@pytest.mark.parametrize("balance", ["none", "weights", "sampling"])
def test_the_same_seed_gives_the_same_weights_to_the_last_bit(balance: str) -> None:
    how = settings(balance=balance)
    one, two = (fit_module(network(), rows(), how, TrainerOptions(seed=4, augment=noise)) for _ in range(2))
    assert same(one.module, two.module)
    assert [replace(e, seconds=0) for e in one.curves] == [replace(e, seconds=0) for e in two.curves]


def test_another_seed_gives_other_weights() -> None:
    one, two = (fit_module(network(), rows(), settings(), TrainerOptions(seed=seed)) for seed in (1, 2))
    assert not same(one.module, two.module)


def test_what_the_caller_draws_meanwhile_changes_nothing() -> None:
    def watch(progress: TrainingProgress) -> None:
        if progress.ended:
            torch.rand(progress.epoch)

    alone = fit_module(network(), rows(), settings(), TrainerOptions())
    watched = fit_module(network(), rows(), settings(), TrainerOptions(on_progress=watch))
    assert same(alone.module, watched.module)


def test_variants_are_seen_and_the_settings_say_how_many() -> None:
    seen: dict[bytes, set[int]] = {}

    def augment(batch: torch.Tensor, seeds: Sequence[int]) -> torch.Tensor:
        for row, seed in zip(batch, seeds, strict=True):
            seen.setdefault(row.numpy().tobytes(), set()).add(seed)
        return batch

    fit_module(network(), rows(), settings(variants=2), TrainerOptions(augment=augment))
    assert len(seen) == 80
    assert {len(seeds) for seeds in seen.values()} == {2}


def test_stop_rows_are_not_learnt_from() -> None:
    task = rows()
    other = replace(task, inputs=task.inputs.copy())
    other.inputs[task.stop] = 0
    how = settings(patience=0)
    one, two = (fit_module(network(), each, how, TrainerOptions()) for each in (task, other))
    assert [e.loss for e in one.curves] == [e.loss for e in two.curves]


def epochs(*scores: tuple[float | None, float | None]) -> tuple[Epoch, ...]:
    return tuple(Epoch(i, 1.0, 0.5, loss, right, 0.1, 1.0) for i, (right, loss) in enumerate(scores, 1))


@pytest.mark.parametrize(
    ("curves", "best"),
    [
        (epochs((0.5, 1.0), (0.7, 2.0), (0.6, 0.5)), 2),
        (epochs((0.5, 1.0), (0.7, 0.9), (0.7, 0.8), (0.7, 0.85)), 3),
        (epochs((0.7, 0.8), (0.7, 0.8)), 1),
        (epochs((0.0, 0.8), (0.0, 0.7)), 2),
        (epochs((None, None), (None, None)), 2),
    ],
)
def test_the_best_epoch_has_the_highest_accuracy_and_then_the_lowest_loss(curves: tuple[Epoch, ...], best: int) -> None:
    assert best_of(curves) == best


def test_the_weights_of_the_best_epoch_are_kept() -> None:
    task = rows(contrast=25)
    how = settings(learning_rate=0.5, schedule="constant", label_smoothing=0.0, ema=0.0, samples=1200, most_epochs=15)
    fitted = fit_module(network(), task, how, TrainerOptions())
    best = fitted.curves[fitted.best_epoch - 1]
    assert best_of(fitted.curves) == fitted.best_epoch < fitted.epochs, "a restless training, so that there is a choice"
    assert accuracy(fitted.module, task) == pytest.approx(best.stop_accuracy or 0, abs=0.03)


def test_training_ends_when_it_gets_no_better() -> None:
    how = settings(samples=80_000, most_epochs=100, patience=3, schedule="constant", learning_rate=1e-9)
    fitted = fit_module(network(), rows(), replace(how, learning_rate=1e-9, ema=0.0), TrainerOptions())
    assert fitted.ended == "patience"
    assert fitted.epochs == fitted.best_epoch + 3 < 100


def test_training_is_broken_off_with_the_epoch_in_which_the_time_runs_out() -> None:
    fitted = fit_module(network(), rows(), settings(), TrainerOptions(max_minutes=0.0))
    assert (fitted.ended, fitted.epochs) == ("minutes", 1)


def test_the_schedule_comes_to_its_end_in_the_minutes_that_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each epoch takes a minute by a clock that only they move on."""
    monkeypatch.setattr(Meter, "seconds", 60.0)
    told: list[TrainingProgress] = []
    how = settings(schedule="cosine", patience=0)
    fitted = fit_module(network(), rows(), how, TrainerOptions(minutes=3.5, on_progress=told.append))
    assert (fitted.ended, fitted.epochs) == ("minutes", 3)
    assert [told[0].epochs, told[-1].epochs] == [how.epochs(len(rows().train)), 3]
    assert [each.note for each in told if each.note] == ["3 of 5 epochs fit in the time"]
    whole = fit_module(network(), rows(), how, TrainerOptions())
    assert fitted.curves[-1].learning_rate < 0.1 * fitted.curves[0].learning_rate
    assert whole.curves[2].learning_rate > 2 * fitted.curves[2].learning_rate


def test_more_minutes_than_are_needed_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Meter, "seconds", 60.0)
    fitted, whole = (fit_module(network(), rows(), settings(), TrainerOptions(minutes=many)) for many in (60.0, None))
    assert (fitted.ended, fitted.epochs) == (whole.ended, whole.epochs) == ("epochs", whole.epochs)
    assert [e.loss for e in fitted.curves] == [e.loss for e in whole.curves]


def test_without_stop_rows_the_last_epoch_is_taken() -> None:
    fitted = fit_module(network(), rows(stop=0), settings(patience=2), TrainerOptions())
    assert fitted.best_epoch == fitted.epochs == 5
    assert {(e.stop_loss, e.stop_accuracy) for e in fitted.curves} == {(None, None)}


def uneven() -> TrainingRows:
    """Two classes that cannot be told apart, one of them ten times as frequent; half of the stop rows are of each."""
    rng = np.random.default_rng(1)
    y = np.array([0] * 100 + [1] * 10 + [0, 1] * 10)
    return TrainingRows(rng.integers(0, 255, (130, 12, 12)).astype(np.uint8), y, np.arange(110), np.arange(110, 130), 2)


@pytest.mark.parametrize("balance", ["weights", "sampling"])
def test_a_rare_class_counts_as_much_as_a_frequent_one(balance: str) -> None:
    def taken_for_rare(balance: str) -> float:
        how = settings(balance=balance, samples=550, ema=0.0, learning_rate=0.02)
        fitted = fit_module(network(classes=2), uneven(), how, TrainerOptions())
        with torch.no_grad():
            logits = fitted.module(to_tensor(uneven().inputs, uneven().stop).float())
        return float(logits.softmax(1)[:, 1].mean())

    assert taken_for_rare("none") < 0.3
    assert 0.3 < taken_for_rare(balance) < 0.7


@pytest.mark.parametrize("n", [2, 3, 17, 33])
def test_any_number_of_rows_can_be_learnt_from_in_spite_of_batch_norm(n: int) -> None:
    y = np.arange(n, dtype=np.int64) % 2
    inputs = np.random.default_rng(0).normal(size=(n, 8)).astype(np.float32)
    how = settings(inputs="vectors", size=0, samples=3 * n, most_epochs=3, batch=2)
    fitted = fit_module(dense(2), TrainingRows(inputs, y, np.arange(n), np.arange(0), 2), how, TrainerOptions())
    assert fitted.samples == 3 * n


def test_progress_marks_the_ends_of_epochs() -> None:
    seen: list[TrainingProgress] = []
    fitted = fit_module(network(), rows(), settings(), TrainerOptions(on_progress=seen.append))
    assert tuple(told.ended for told in seen if told.ended) == fitted.curves
    assert all(told.epochs == 5 and told.batches == 5 for told in seen)
    assert seen[-1].seconds_left == 0


def test_a_folder_gets_events_and_no_checkpoint_stays(tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fit_module(network(), rows(), settings(), TrainerOptions(folder=tmp_path / "new", save_seconds=0))
    assert [path.name.split(".")[0] for path in (tmp_path / "new").rglob("*") if path.is_file()] == ["events"]


def test_trainings_in_one_folder_have_curves_of_their_own(tmp_path: Path) -> None:
    for data in (rows(), rows(classes=2)):
        fit_module(network(), data, settings(most_epochs=1), TrainerOptions(folder=tmp_path))
    assert len([path for path in tmp_path.iterdir() if path.is_dir()]) == 2


def test_watching_and_writing_change_nothing(tmp_path: Path) -> None:
    quiet = fit_module(network(), rows(), settings(), TrainerOptions())
    seen: list[TrainingProgress] = []
    loud = fit_module(
        network(), rows(), settings(), TrainerOptions(folder=tmp_path, on_progress=seen.append, save_seconds=0)
    )
    assert same(quiet.module, loud.module)


def test_a_loss_that_is_no_number_ends_training_with_advice() -> None:
    how = settings(learning_rate=1e30, clip=0.0, warm_up=0, schedule="constant")
    with pytest.raises(DataError, match=r"epoch 1.*--learning-rate.*data"):
        fit_module(network(), rows(), how, TrainerOptions())


class Odd(nn.Module):
    """A network that comes to no number in some of its calls."""

    def __init__(self, *calls: int) -> None:
        super().__init__()
        self.inner = network()
        self.calls = calls
        self.called = 0

    def forward(self, x: torch.Tensor) -> Any:
        self.called += self.training
        return self.inner(x) * (float("nan") if self.training and self.called in self.calls else 1.0)


def test_single_steps_that_come_to_no_number_are_left_out() -> None:
    fitted = fit_module(Odd(3, 4, 9), rows(), settings(), TrainerOptions())
    assert fitted.epochs == 5
    assert all(np.isfinite(epoch.loss) for epoch in fitted.curves)


def test_several_in_a_row_end_training_at_once() -> None:
    module = Odd(*range(8, 100))
    with pytest.raises(DataError, match="epoch 3"):
        fit_module(module, rows(), settings(), TrainerOptions())
    assert module.called < 15


def test_vectors_that_are_not_finite_are_refused() -> None:
    task = vectors()
    task.inputs[3, 2] = np.nan
    with pytest.raises(DataError, match="1 of 120 vectors"):
        fit_module(dense(), task, settings(inputs="vectors", size=0), TrainerOptions())


@pytest.mark.parametrize("train", [[], [0], [0, 3, 6]])
def test_too_little_to_learn_from_is_refused(train: list[int]) -> None:
    task = replace(rows(), train=np.array(train, dtype=np.int64))
    with pytest.raises(DataError, match="at least two classes"):
        fit_module(network(), task, settings(), TrainerOptions())


@pytest.mark.parametrize(
    "changed",
    [
        {"inputs": np.zeros((120, 12, 12), np.float32)},
        {"inputs": np.zeros((120, 8), np.uint8)},
        {"inputs": np.zeros((119, 12, 12), np.uint8)},
        {"classes": 2},
    ],
)
def test_rows_that_do_not_belong_together_are_refused(changed: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"needed|need one class"):
        replace(rows(), **changed)


def test_the_last_epochs_are_seen_calmly() -> None:
    seen: list[str] = []

    def named(name: str) -> Any:
        def vary(batch: torch.Tensor, seeds: Sequence[int]) -> torch.Tensor:
            seen.append(name)
            return batch

        return vary

    how = replace(LONG, most_epochs=4, calm=0.25, patience=0)
    task = rows()
    fitted = fit_module(network(), task, how, TrainerOptions(augment=named("wild"), weak_augment=named("calm")))
    assert fitted.epochs == 4
    assert seen == ["wild"] * (len(seen) * 3 // 4) + ["calm"] * (len(seen) // 4)


def test_calm_epochs_without_variants_are_seen_as_they_are() -> None:
    how = replace(LONG, most_epochs=2, calm=0.5)
    fitted = fit_module(network(), rows(), how, TrainerOptions(augment=noise, weak_augment=None))
    assert [epoch.epoch for epoch in fitted.curves] == [1, 2]


def fill(module: nn.Module, value: float) -> None:
    for tensor in module.state_dict().values():
        tensor.fill_(value)


def test_the_first_update_of_the_average_forgets_the_initial_weights() -> None:
    module = network()
    fill(module, 0)
    average = average_weights(module, 0.999)
    fill(module, 1)
    average.update_parameters(module)
    means = [float(v.min()) for v in average.module.state_dict().values() if v.is_floating_point()]
    assert min(means) > 0.9


def test_later_the_average_follows_slowly_batch_statistics_too_and_counters_are_copied() -> None:
    module = network()
    fill(module, 0)
    average = average_weights(module, 0.99)
    average.n_averaged.fill_(100_000)
    fill(module, 8)
    average.update_parameters(module)
    state = average.module.state_dict()
    for name in ("0.weight", "1.running_var"):
        assert float(state[name].mean()) == pytest.approx(8 * (1 - 0.99**AVERAGE_EVERY), rel=1e-5)
    assert int(state["1.num_batches_tracked"]) == 8


def test_the_average_is_no_part_of_what_is_trained() -> None:
    module = network()
    average = average_weights(module, 0.9)
    assert not average.module.training
    assert not any(p.requires_grad for p in average.module.parameters())
    assert all(p.requires_grad for p in module.parameters())


def test_it_rises_evenly_over_the_warm_up() -> None:
    rates = [learning_rate(settings(schedule="constant", warm_up=2), 0.4, step, 100, 10) for step in range(30)]
    assert np.diff(rates[:20]) == pytest.approx(0.02)
    assert rates[0] == pytest.approx(0.02)
    assert rates[19:] == pytest.approx([0.4] * 11)


def test_a_constant_rate_is_constant() -> None:
    assert {learning_rate(settings(schedule="constant", warm_up=0), 0.1, step, 50, 10) for step in range(50)} == {0.1}


def test_a_cosine_falls_to_nothing() -> None:
    rates = [learning_rate(settings(schedule="cosine", warm_up=0), 0.1, step, 50, 10) for step in range(50)]
    assert rates[0] == 0.1
    assert rates[25] == pytest.approx(0.05)
    assert 0 < rates[-1] < 2e-4
    assert all(np.diff(rates) < 0)


def test_a_warm_up_may_be_part_of_an_epoch() -> None:
    assert learning_rate(settings(schedule="constant", warm_up=0.5), 0.1, 0, 50, 10) == pytest.approx(0.02)
    assert learning_rate(settings(schedule="constant", warm_up=0.01), 0.1, 0, 50, 10) == 0.1


def step(module: nn.Module, optimiser: torch.optim.Optimizer, seed: int) -> None:
    torch.manual_seed(seed)
    module(torch.randn(4, 1, 12, 12)).square().sum().backward()
    optimiser.step()
    optimiser.zero_grad(set_to_none=True)


def test_weight_decay_is_on_matrices_and_filters_only() -> None:
    module = network()
    groups = make_optimiser(module, settings(weight_decay=0.3)).param_groups
    decays = {p: group["weight_decay"] for group in groups for p in group["params"]}
    assert {name: decays[p] for name, p in module.named_parameters()} == {
        "0.weight": 0.3,
        "0.bias": 0.0,
        "1.weight": 0.0,
        "1.bias": 0.0,
        "6.weight": 0.3,
        "6.bias": 0.0,
    }


def test_frozen_parameters_are_left_alone() -> None:
    module = network()
    module[0].requires_grad_(False)  # type: ignore[index]
    assert len([p for group in make_optimiser(module, settings()).param_groups for p in group["params"]]) == 4


@pytest.mark.parametrize(("name", "kind"), [("adam", "Adam"), ("adamw", "AdamW"), ("sgd", "SGD")])
def test_each_has_its_name(name: str, kind: str) -> None:
    assert type(make_optimiser(network(), settings(optimiser=name))).__name__ == kind


@pytest.mark.parametrize("name", ["adam", "adamw", "sgd"])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_one_that_was_written_down_goes_on_to_the_last_bit(name: str, layout: torch.memory_format) -> None:
    one, two = network(), network()
    for module in (one, two):
        module.to(memory_format=layout)  # type: ignore[call-overload]
    first = make_optimiser(one, settings(optimiser=name))
    step(one, first, 1)
    step(one, first, 2)
    two.load_state_dict(one.state_dict())
    second = make_optimiser(two, settings(optimiser=name))
    load_optimiser(second, {key: value.contiguous().clone() for key, value in optimiser_tensors(first).items()})
    step(one, first, 3)
    step(two, second, 3)
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), two.parameters(), strict=True))


def test_one_that_remembers_nothing_yet_is_empty() -> None:
    fresh = make_optimiser(network(), settings())
    assert optimiser_tensors(fresh) == {}
    load_optimiser(fresh, {})
