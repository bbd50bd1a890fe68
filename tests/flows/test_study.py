"""A study from photos to its figures, on vectors and crops made up so that what is better is known."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mien.data import DataSet
from mien.errors import DataError, UnknownName
from mien.evaluate.comparison import Trial
from mien.experiment.recipes import FaceOptions, Recipe
from mien.experiment.study_data import StudyData, prepare_study
from mien.experiment.trial import run_trial
from mien.experiment.variants import OVER, StudyOptions, build_variants
from mien.flows import study as studying
from mien.flows.study import StudyResult, study
from mien.models.head import unit
from mien.pipeline.execute import RunOptions
from mien.pipeline.spec import PIXELS, PipelineSpec
from mien.train.candidates import class_centres
from mien.train.head import HeldOut
from mien.types import UNKNOWN, Crop, Detection, Embedding, Ints, Origin, PhotoRef, Reason, Rejected
from tests.train.clusters import clusters

pytestmark = pytest.mark.usefixtures("home")

FACE = Detection(0, (0.0, 0.0, 9.0, 9.0), 1.0)
FACES = FaceOptions(detector="mtcnn")
HEAD = StudyOptions("recipe", variants=("head",))


@dataclass(frozen=True, slots=True)
class Seen(RunOptions):
    """A drive that finds vectors of a class's own, or crops with a corner of its own; none where the name says so."""

    def inputs(self, spec: PipelineSpec, refs: Sequence[PhotoRef]) -> Iterator[Embedding | Crop | Rejected]:
        labels = sorted({ref.origin.label or "" for ref in refs})
        vectors, _ = clusters([len(refs)] * len(labels), spread=0.6)
        for i, ref in enumerate(refs):
            j = labels.index(ref.origin.label or "")
            missing = "no crop" if spec.embedder == PIXELS else "no vector"
            if missing in ref.key:
                yield Rejected(ref.origin, "detect", Reason.NO_FACE)
            elif spec.embedder == PIXELS:
                yield Crop(ref.origin, FACE, _crop(i, j, spec.view.size, spec.view.grey))
            else:
                yield Embedding(ref.origin, FACE, vectors[j * len(refs) + i])


def _crop(i: int, j: int, size: int, grey: bool) -> Any:
    pixels = np.random.default_rng(i).integers(0, 100, (size, size), dtype=np.uint8)
    pixels[: size // 2, (size // 2) * j : (size // 2) * (j + 1)] += 120
    return pixels if grey else np.repeat(pixels[..., None], 3, axis=2)


def photos(label: str, count: int, split: str | None = None, note: str = "") -> list[PhotoRef]:
    return [PhotoRef(Origin(f"{split}/{label}/{note}{i}", label, split)) for i in range(count)]


TWO = DataSet.of(photos("ann", 15) + photos("bob", 15), [])


def studied(options: StudyOptions = HEAD, data: DataSet = TWO, to: Path | None = None, **drive: Any) -> StudyResult:
    return study(data, "made up", options, FACES, Seen(1, **drive), to)


@dataclass(frozen=True, slots=True)
class Centres:
    """A head that takes a face for whoever's mean direction is nearest."""

    labels: tuple[str, ...]
    centres: Any

    def answer(self, inputs: Any) -> tuple[Any, Any]:
        likeness = inputs @ self.centres.T
        return likeness, likeness.max(axis=1)


@dataclass(frozen=True, slots=True)
class Quick:
    """What the quickest of recipes gives."""

    head: Centres
    held_out: HeldOut
    seen: Any

    def as_json(self) -> dict[str, Any]:
        return {}


def quick_fit(self: Recipe, inputs: Any, labels: Sequence[str], groups: Any, splits: Sequence[str], seed: int) -> Quick:
    """The least that is a recipe: class centres, without the cross-validation that the real one spends its time on."""
    names = tuple(sorted(set(labels)))
    y, learnt = np.array([names.index(label) for label in labels]), np.array(splits) == "train"
    head = Centres(names, class_centres(unit(inputs[learnt]), y[learnt], len(names)))
    tested = np.flatnonzero(~learnt)
    return Quick(head, HeldOut("test", tested, *head.answer(inputs[tested])), np.flatnonzero(learnt))


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Recipe, "learn", quick_fit)


@pytest.fixture
def trials(home: Path, monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int, int]]:
    """Which trials were really run, by variant, seed and fold; the memory is the test's own."""
    run: list[tuple[str, int, int]] = []

    def counted(recipe: Recipe, photos: StudyData, rows: Ints, seed: int, fold: int) -> Trial:
        run.append((recipe.name, seed, fold))
        return run_trial(recipe, photos, rows, seed, fold)

    monkeypatch.setattr(studying, "run_trial", counted)
    return run


def test_every_variant_is_tested_on_the_same_photos_with_each_seed(trials: list[tuple[str, int, int]]) -> None:
    options = StudyOptions("recipe", variants=("head", "embedding-cnn"), epochs=2)
    done = studied(options)
    assert sorted(trials) == sorted((name, seed, 0) for name in ("head", "embedding-cnn") for seed in range(3))
    head, network = done.scores
    assert (head.variant, head.trials, head.n) == ("head", 3, network.n)
    assert head.accuracy_mean > 0.9
    assert (head.epochs, network.epochs) == (None, 2.0)
    assert {done.comparisons[0].a, done.comparisons[0].b} == {"head", "embedding-cnn"}
    assert done.verdict


@pytest.mark.usefixtures("quick")
def test_with_all_folds_every_photo_is_tested_with_every_seed(trials: list[tuple[str, int, int]]) -> None:
    done = studied(replace(HEAD, folds=5))
    assert done.scores[0].n == 30
    assert len(trials) == 15


@pytest.mark.usefixtures("quick")
def test_a_study_that_was_broken_off_goes_on_where_it_stopped(
    trials: list[tuple[str, int, int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    counting: Callable[..., Trial] = vars(studying)["run_trial"]

    def killed(recipe: Recipe, photos: StudyData, rows: Ints, seed: int, fold: int) -> Trial:
        if len(trials) == 2:
            raise KeyboardInterrupt
        return counting(recipe, photos, rows, seed, fold)

    monkeypatch.setattr(studying, "run_trial", killed)
    with pytest.raises(KeyboardInterrupt):
        studied()
    monkeypatch.setattr(studying, "run_trial", counting)
    done = studied()
    assert trials == [("head", 0, 0), ("head", 1, 0), ("head", 2, 0)]
    assert done.remembered == 2
    assert any(note.startswith("2 trainings finished by an earlier run") for note in done.notes)
    again = studied()
    assert len(trials) == 3
    assert again.scores == done.scores


@pytest.mark.usefixtures("quick")
def test_what_was_remembered_is_for_these_photos_and_this_way_only(trials: list[tuple[str, int, int]]) -> None:
    studied()
    assert studied(data=DataSet.of(photos("ann", 14) + photos("bob", 15), [])).remembered == 0
    assert studied(StudyOptions("recipe", variants=("embedding-cnn",), epochs=1)).remembered == 0
    assert studied(StudyOptions("recipe", variants=("embedding-cnn",), epochs=2)).remembered == 0
    assert studied(replace(HEAD, seeds=4)).remembered == 3


@pytest.mark.usefixtures("quick")
def test_without_the_cache_nothing_is_remembered(trials: list[tuple[str, int, int]], home: Path) -> None:
    assert studied(cache=False).remembered == studied(cache=False).remembered == 0
    assert len(trials) == 6
    assert not (home / "studies").exists()


@pytest.mark.usefixtures("quick")
def test_where_studies_cannot_be_kept_it_says_whose_folder_that_is(
    trials: list[tuple[str, int, int]], home: Path
) -> None:
    home.mkdir(parents=True, exist_ok=True)
    (home / "studies").write_bytes(b"")
    with pytest.raises(DataError, match=r"could not be written .* \(MIEN_HOME says where it is kept\)$"):
        studied()
    assert not trials


@pytest.mark.usefixtures("quick")
def test_lines_that_were_damaged_are_done_again(trials: list[tuple[str, int, int]], home: Path) -> None:
    studied()
    (file,) = (home / "studies").glob("*.jsonl")
    first, second, third = file.read_text("utf-8").splitlines()
    file.write_text(
        "\n".join([first, '{"name": 1}', second.replace('"rows": [', '"rows": ["x", '), third[:40]]), "utf-8"
    )
    assert studied().remembered == 1
    assert studied().remembered == 3


def test_a_photo_that_one_variant_cannot_use_is_left_out_for_all(trials: list[tuple[str, int, int]]) -> None:
    refs = [*TWO.refs, *photos("ann", 2, note="no crop "), *photos("bob", 3, note="no vector ")]
    varied = build_variants(StudyOptions("recipe", variants=("head", "fer-cnn")), FACES, Seen(1))
    found = prepare_study(DataSet.of(refs, []), [way.recipe.spec for way in varied], Seen(1), 3)
    assert len(found.y) == 30
    assert len(found.rejected) == 5
    assert [len(inputs) for inputs in found.inputs.values()] == [30, 30]


@pytest.mark.usefixtures("quick")
def test_official_test_photos_and_strangers_have_no_part_in_the_choice(home: Path) -> None:
    refs = [*photos("ann", 12, "train"), *photos("bob", 12, "train"), *photos("ann", 4, "test"), *photos(UNKNOWN, 5)]
    done = studied(data=DataSet.of(refs, []))
    assert done.photos == 24
    assert "4 photos of other splits than train: left alone, to measure the chosen one on" in done.notes


@pytest.mark.usefixtures("quick")
def test_a_label_that_is_one_group_is_said_to_go_untested(home: Path) -> None:
    grouped = [replace(ref, origin=replace(ref.origin, group="burst")) for ref in photos("cy", 10)]
    done = studied(data=DataSet.of([*TWO.refs, *grouped], []))
    assert any(note.startswith("no photo of cy was tested") for note in done.notes)


def test_photos_of_one_group_are_tested_together(home: Path) -> None:
    refs = [
        replace(ref, origin=replace(ref.origin, group=f"{ref.origin.label}{i % 5}")) for i, ref in enumerate(TWO.refs)
    ]
    found = prepare_study(DataSet.of(refs, []), [build_variants(HEAD, FACES, Seen(1))[0].recipe.spec], Seen(1), 3)
    for _, _, rows in found.tests(5):
        apart = set(range(30)) - set(rows.tolist())
        assert not {found.groups[i] for i in rows} & {found.groups[i] for i in apart}


def test_two_photos_of_a_class_at_least_stay_to_learn_from(home: Path) -> None:
    """Of three groups of a class one holds nearly all: tested on, it would leave one photo in training."""
    sizes = {"a": 8, "b": 1}
    refs = [
        replace(ref, origin=replace(ref.origin, group=f"{ref.origin.label}{group}"))
        for label in ("ann", "bob")
        for group, size in sizes.items()
        for ref in photos(label, size, note=group)
    ]
    found = prepare_study(DataSet.of(refs, []), [build_variants(HEAD, FACES, Seen(1))[0].recipe.spec], Seen(1), 3)
    for _, _, rows in found.tests(5):
        left = np.bincount(np.delete(found.y, rows), minlength=2)
        assert (left >= 2).all()


def test_crops_of_every_size_and_colour_are_asked_for() -> None:
    sizes = [way.recipe.spec.view.size for way in build_variants(StudyOptions("size"), FACES, Seen(1))]
    assert sizes == [32, 48, 64, 96]
    colours = {way.name: way.recipe.spec.view.grey for way in build_variants(StudyOptions("colour"), FACES, Seen(1))}
    assert colours == {"grey": True, "colour": False}


def test_variants_of_photos_are_by_policy_or_by_number() -> None:
    made = {way.name: way.recipe.settings for way in build_variants(StudyOptions("augment"), FACES, Seen(1))}
    assert list(made) == ["none", "gentle", "extreme", "1", "4", "16", "64"]
    told = {name: (settings.policy, settings.variants) for name, settings in made.items() if settings}
    assert told["extreme"] == ("extreme", None)
    assert told["16"] == ("gentle", 16)
    sixteen = next(way for way in build_variants(StudyOptions("augment"), FACES, Seen(1)) if way.name == "16")
    assert sixteen.recipe.options.settings.variants == 16


def test_hierarchies_are_the_shipped_ones_or_those_of_files(tmp_path: Path) -> None:
    assert next(way.name for way in build_variants(StudyOptions("hierarchy"), FACES, Seen(1))) == "flat"
    tree = tmp_path / "mine.toml"
    tree.write_text('[tree]\nleft = ["ann", "bob"]\nright = ["cy", "dee"]\n')
    made = build_variants(StudyOptions("hierarchy", trees=(tree,)), FACES, Seen(1))
    assert [way.name for way in made] == ["flat", "mine"]
    assert made[1].recipe.tree is not None
    assert made[1].recipe.tree.leaves == ("ann", "bob", "cy", "dee")


def test_in_two_steps_is_tried_as_any_other_way(tmp_path: Path, home: Path) -> None:
    tree = tmp_path / "mine.toml"
    tree.write_text('[tree]\nleft = ["ann", "bob"]\nright = ["cy", "dee"]\n')
    data = DataSet.of([ref for label in ("ann", "bob", "cy", "dee") for ref in photos(label, 10)], [])
    way = build_variants(StudyOptions("hierarchy", trees=(tree,)), FACES, Seen(1))[1]
    found = prepare_study(data, [way.recipe.spec], Seen(1), 3)
    seed, fold, rows = next(found.tests(1))
    trial = run_trial(way.recipe, found, rows, seed, fold)
    assert (trial.answers == found.y[rows]).mean() > 0.8
    assert 0.8 < trial.learnt <= 1.0


def test_a_tree_that_does_not_fit_is_refused_before_anything_is_trained(trials: list[tuple[str, int, int]]) -> None:
    with pytest.raises(DataError, match="does not fit the data"):
        studied(StudyOptions("hierarchy"))
    assert trials == []


def test_what_fails_says_which_variant_it_was(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: Any) -> Any:
        raise DataError("the loss is no number")

    monkeypatch.setattr("mien.experiment.recipes.Recipe.learn", fails)
    with pytest.raises(DataError, match="recipe head: head, seed 0: the loss is no number"):
        studied()


@pytest.mark.usefixtures("quick")
def test_the_page_is_written_where_it_is_wanted(home: Path, tmp_path: Path) -> None:
    studied(to=tmp_path / "study.html")
    assert "Which recipe?" in (tmp_path / "study.html").read_text("utf-8")
    (tmp_path / "file").touch()
    with pytest.raises(DataError):
        studied(to=tmp_path / "file" / "study.html")


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"over": "luck"}, UnknownName, "augment, size, colour, hierarchy, recipe"),
        ({"over": "size", "seeds": 2}, DataError, "3 or more"),
        ({"over": "size", "folds": 6}, DataError, "1 to 5"),
        ({"over": "size", "epochs": 0}, DataError, "1 or more"),
        ({"over": "size", "trees": (Path("x.toml"),)}, DataError, "goes with --over hierarchy"),
        ({"over": "size", "variants": ("32", "32")}, DataError, "twice"),
    ],
)
def test_options_that_cannot_be_are_one_sentence(options: dict[str, Any], error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        StudyOptions(**options)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (StudyOptions("size", variants=("big",)), "give numbers of pixels"),
        (StudyOptions("colour", variants=("blue",)), "grey, colour"),
        (StudyOptions("augment", recipe="head"), "learns from pictures, and head is none"),
        (StudyOptions("recipe", recipe="head"), "name them with --variants"),
        (StudyOptions("recipe", variants=("magic",)), "magic"),
        (StudyOptions("hierarchy", variants=("flat", "none-such")), "none-such"),
        (StudyOptions("hierarchy", trees=(Path("a/x.toml"), Path("b/x.toml"))), "two files of one name"),
    ],
)
def test_variants_that_there_are_not_are_named(options: StudyOptions, words: str) -> None:
    with pytest.raises((DataError, UnknownName), match=words):
        build_variants(options, FACES, Seen(1))


def test_all_that_can_be_varied_has_variants() -> None:
    for over in OVER:
        made = build_variants(StudyOptions(over), FACES, Seen(1))
        assert len(made) >= 2
        assert len({str(way.as_json()) for way in made}) == len(made)
