from __future__ import annotations

import math
import pickle
from dataclasses import replace

import numpy as np
import pytest

from mien.models.head import Head
from mien.pipeline.classify import TOP, Abstention, Classify
from mien.stage import Stage, apply
from mien.types import UNCERTAIN, UNKNOWN, Detection, Embedding, Origin, Prediction


def a_head(threshold: float = 0.9) -> Head:
    centres = np.eye(3, 4, dtype=np.float32)
    return Head("centres", ("Ada", "Bo", "Cy"), centres, np.zeros(3, np.float32), centres, 0.1, threshold)


def an_embedding(key: str, *vector: float) -> Embedding:
    face = Detection(0, (0.0, 0.0, 10.0, 10.0), 0.99)
    return Embedding(Origin(key, label="truth", split="test"), face, np.array(vector, dtype=np.float32))


def test_a_known_face_gets_its_name_with_all_labels_best_first() -> None:
    (made,) = Classify(a_head())([an_embedding("a.jpg", 0.1, 1, 0, 0)])
    assert made.label == "Bo"
    assert [name for name, _ in made.top] == ["Bo", "Ada", "Cy"]
    scores = [score for _, score in made.top]
    assert scores == sorted(scores, reverse=True)
    assert sum(scores) == pytest.approx(1, abs=1e-6)


def test_a_stranger_is_unknown_and_still_says_who_is_nearest() -> None:
    (made,) = Classify(a_head())([an_embedding("a.jpg", 0.2, 0.1, 0, 1)])
    assert made.label == UNKNOWN
    assert made.top[0][0] == "Ada"
    assert made.familiarity < 0.9


def test_a_face_exactly_at_the_threshold_is_known() -> None:
    item = an_embedding("a.jpg", 1, 0, 0, 1)
    (made,) = Classify(a_head())([item])
    (again,) = Classify(a_head(made.familiarity))([item])
    assert again.label == "Ada"


def test_below_the_certain_probability_the_label_is_uncertain_and_the_likeliest_is_told() -> None:
    item = an_embedding("a.jpg", 1, 0.9, 0, 0)
    (sure,) = Classify(replace(a_head(-1.0), certain=0.3))([item])
    (unsure,) = Classify(replace(a_head(-1.0), certain=0.99))([item])
    assert (sure.label, unsure.label) == ("Ada", UNCERTAIN)
    assert sure.top == unsure.top


def test_a_face_exactly_as_probable_as_needed_is_certain() -> None:
    item = an_embedding("a.jpg", 1, 0.9, 0, 0)
    (made,) = Classify(a_head(-1.0))([item])
    (again,) = Classify(replace(a_head(-1.0), certain=made.top[0][1]))([item])
    assert again.label == "Ada"


def test_a_stranger_is_unknown_rather_than_uncertain() -> None:
    (made,) = Classify(replace(a_head(), certain=1.0))([an_embedding("a.jpg", 0.2, 0.1, 0, 1)])
    assert made.label == UNKNOWN


def test_faces_that_another_head_tells_to_be_silent_about_are_uncertain() -> None:
    other = replace(a_head(-1.0), labels=("child", "adult", "old"))
    stage = Classify(a_head(-1.0), abstention=Abstention(other, frozenset({"child"})))
    items = [an_embedding("a.jpg", 1, 0, 0, 0), an_embedding("b.jpg", 0, 1, 0, 0)]
    made = list(stage(items))
    assert [each.label for each in made] == [UNCERTAIN, "Bo"]
    assert made[0].top == ()
    measured = list(replace(stage, list_all=True)(items))
    assert [each.label for each in measured] == [UNCERTAIN, "Bo"]
    assert measured[0].top[0][0] == "Ada"


def test_without_a_threshold_nobody_is_unknown() -> None:
    (made,) = Classify(a_head(-math.inf))([an_embedding("a.jpg", 0, 0, 0, 1)])
    assert made.label != UNKNOWN


def test_of_many_labels_the_ten_best_are_kept() -> None:
    k = 844
    centres = np.eye(k, dtype=np.float32)
    head = Head("centres", tuple(map(str, range(k))), centres, np.arange(k, dtype=np.float32), centres, 1.0, 0.0)
    (made,) = Classify(head)([an_embedding("a.jpg", *centres[3])])
    assert TOP == 10
    assert [name for name, _ in made.top] == [str(i) for i in range(843, 833, -1)]
    assert made.top[0][1] == head.probabilities(centres[3:4]).max()


def test_equal_probabilities_keep_the_order_of_the_head() -> None:
    (made,) = Classify(a_head(-1.0))([an_embedding("a.jpg", 0, 0, 0, 1)])
    assert [name for name, _ in made.top] == ["Ada", "Bo", "Cy"]


def test_origin_and_face_travel_along() -> None:
    item = an_embedding("a.jpg", 1, 0, 0, 0)
    (made,) = Classify(a_head())([item])
    assert made.origin is item.origin
    assert made.face is item.face


def test_the_batch_size_never_changes_an_answer() -> None:
    rng = np.random.default_rng(0)
    items = [an_embedding(f"{i}.jpg", *rng.normal(size=4)) for i in range(50)]
    stage = Classify(a_head())
    singly = [made for item in items for made in stage([item])]
    together = list(stage(items))
    assert [(m.key, m.label, m.top, m.familiarity) for m in together] == [
        (m.key, m.label, m.top, m.familiarity) for m in singly
    ]


def test_an_empty_batch_gives_nothing() -> None:
    assert list(Classify(a_head())([])) == []


def test_several_faces_of_one_photo_stay_apart() -> None:
    one, two = an_embedding("a.jpg", 1, 0, 0, 0), an_embedding("a.jpg", 0, 0, 1, 0)
    other = replace(two, face=replace(two.face, index=1))
    made = list(Classify(a_head())([one, other]))
    assert [(m.face.index, m.label) for m in made] == [(0, "Ada"), (1, "Cy")]


def test_it_is_a_stage_that_runs_anywhere() -> None:
    stage: Stage[Embedding, Prediction] = pickle.loads(pickle.dumps(Classify(a_head())))
    (made,) = apply(stage, [an_embedding("a.jpg", 1, 0, 0, 0)])
    assert made.key == "a.jpg"
    assert (stage.name, stage.batch_size, stage.needs.cpus) == ("classify", 8, 1.0)
