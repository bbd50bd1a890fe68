from __future__ import annotations

import json
import re
import tracemalloc
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import confusion_matrix, f1_score, precision_recall_fscore_support, roc_auc_score

from mien.errors import DataError
from mien.evaluation import Confusion, Report, grouped_by_label, measure
from mien.types import UNCERTAIN, Origin, Prediction, Reason, Rejected
from tests.evaluation.factories import LABELS, crowd, predicted, rejected

SMALL: list[Prediction | Rejected] = [
    predicted("1", "ann", "ann", probability=0.9, familiarity=3.0),
    predicted("2", "ann", "bob", probability=0.7, familiarity=2.0),
    predicted("3", "bob", "bob", probability=0.6, familiarity=0.1),
    predicted("4", "bob", "bob", probability=0.8, familiarity=2.5),
    rejected("5", "eve"),
    predicted("6", "zoe", "ann", probability=0.95, familiarity=0.2),
    predicted("7", "unknown", "eve", probability=0.5, familiarity=0.9),
    rejected("8", "zoe", Reason.MISSING),
    predicted("9", None, "ann"),
]


def confusion(report: Report) -> Confusion:
    assert report.confusion is not None
    return report.confusion


@pytest.fixture
def small() -> Report:
    return measure(SMALL, LABELS, 0.5)


def test_photos_are_counted_as_known_strangers_and_unlabelled(small: Report) -> None:
    assert (small.photos, small.n, small.strangers, small.unlabelled, small.rejected) == (9, 5, 3, 1, 2)


def test_accuracy_is_over_faces_and_accuracy_all_counts_a_missed_face_as_an_error(small: Report) -> None:
    assert small.accuracy.value == 3 / 4
    assert small.accuracy_all.value == 3 / 5


def test_accuracy_is_before_the_unknown_rule(small: Report) -> None:
    strict = measure(SMALL, LABELS, 99.0)
    assert strict.accuracy == small.accuracy
    assert strict.unknown.known_named.value == 0


def test_the_uncertain_are_scored_by_their_likeliest_label_and_counted(small: Report) -> None:
    unsure = [
        replace(each, label=UNCERTAIN) if isinstance(each, Prediction) and each.key in ("2", "3", "6") else each
        for each in SMALL
    ]
    found = measure(unsure, LABELS, 0.5)
    assert found.accuracy == small.accuracy
    assert (found.uncertain.right, found.uncertain.of) == (2, 4)
    assert (found.accuracy_certain.right, found.accuracy_certain.of) == (2, 2)
    fields = found.as_json()
    assert (fields["uncertain"], fields["accuracy_certain"]) == (0.5, 1.0)
    assert fields["accuracy_certain_interval"][0] < 1


def test_where_nobody_is_uncertain_both_accuracies_are_one(small: Report) -> None:
    assert small.uncertain.value == 0
    assert small.accuracy_certain == small.accuracy


def test_where_all_are_uncertain_there_is_no_accuracy_of_the_others() -> None:
    found = measure([replace(predicted("1", "ann", "ann"), label=UNCERTAIN)], LABELS, 0.5)
    assert found.uncertain.value == 1
    assert found.as_json()["accuracy_certain"] is None
    assert found.as_json()["accuracy_certain_interval"] is None


def test_confusion_has_the_truth_in_rows_and_all_labels_in_their_order(small: Report) -> None:
    assert confusion(small).labels == LABELS
    assert confusion(small).matrix.tolist() == [[1, 1, 0], [0, 2, 0], [0, 0, 0]]


def test_macro_f1_is_over_labels_that_occur(small: Report) -> None:
    # ann: precision 1/1, recall 1/2; bob: precision 2/3, recall 2/2; eve gave no face
    assert small.macro_f1.value == pytest.approx((2 / 3 + 4 / 5) / 2)


def test_per_class_keeps_what_could_not_be_measured_as_none(small: Report) -> None:
    per_class = small.as_json()["per_class"]
    assert per_class["bob"] == {"n": 2, "rejected": 0, "precision": 2 / 3, "recall": 1.0, "f1": 0.8}
    assert per_class["eve"] == {"n": 1, "rejected": 1, "precision": None, "recall": None, "f1": None}


def test_calibration_error_by_hand(small: Report) -> None:
    # four photos make one bin: mean confidence 0.75, share right 0.75
    assert small.ece == pytest.approx(0.0)


def test_named_and_false_accepts_at_the_threshold(small: Report) -> None:
    assert (small.unknown.known_named.right, small.unknown.known_named.of) == (2, 4)
    assert (small.unknown.false_accepts.right, small.unknown.false_accepts.of) == (1, 2)


def test_reaching_the_threshold_is_enough_to_be_named() -> None:
    result = measure([predicted("1", "ann", "ann", familiarity=0.5)], LABELS, 0.5)
    assert result.unknown.known_named.value == 1.0


def test_mistakes_come_most_confident_first_and_leave_strangers_kept_out_alone(small: Report) -> None:
    shown = [(m.uri, m.truth, m.answer, m.stranger) for m in small.mistakes]
    assert shown == [("2", "ann", "bob", False), ("7", "unknown", "eve", True)]


def test_rejections_are_counted_by_reason(small: Report) -> None:
    assert small.as_json()["reasons"] == {"no-face": 1, "missing": 1}


def test_a_photo_counts_once_with_its_first_face() -> None:
    result = measure([predicted("1", "ann", "ann"), predicted("1", "ann", "bob")], LABELS, 0.5)
    assert (result.photos, result.n, result.accuracy.right, result.accuracy.of) == (1, 1, 1, 1)


def test_a_photo_with_one_failed_face_and_one_good_one_has_a_result() -> None:
    result = measure([rejected("1", "ann"), predicted("1", "ann", "ann"), rejected("1", "ann")], LABELS, 0.5)
    assert (result.photos, result.rejected, result.accuracy_all.value) == (1, 0, 1.0)


def test_the_fields_of_the_contract_are_there(small: Report) -> None:
    fields = {"n", "rejected", "accuracy", "accuracy_all", "macro_f1", "ece", "per_class", "confusion", "unknown"}
    assert fields <= set(small.as_json())
    parts = {"threshold", "known", "strangers", "known_named", "false_accepts", "auc", "roc"}
    assert parts <= set(small.as_json()["unknown"])


def test_figures_agree_with_scikit_learn() -> None:
    results, labels = crowd(classes=12, photos=500)
    answered = [r for r in results if isinstance(r, Prediction)]
    true, said = [r.origin.label for r in answered], [r.top[0][0] for r in answered]
    ours = measure(results, labels, 0.5)
    assert np.array_equal(confusion(ours).matrix, confusion_matrix(true, said, labels=labels))
    assert ours.macro_f1.value == pytest.approx(f1_score(true, said, average="macro"))
    precision, recall, f1, _ = precision_recall_fscore_support(true, said, labels=labels, zero_division=0)
    assert [s.precision.value for s in ours.per_class.values()] == pytest.approx(precision)
    assert [s.recall.value for s in ours.per_class.values()] == pytest.approx(recall)
    assert [s.f1 for s in ours.per_class.values()] == pytest.approx(f1)


def test_auc_agrees_with_scikit_learn_with_ties() -> None:
    results, labels = crowd(classes=3, photos=150, strangers=80)
    rounded = [
        predicted(r.key, r.origin.label, r.top[0][0], familiarity=round(r.familiarity, 1), labels=labels)
        for r in results
        if isinstance(r, Prediction)
    ]
    known = [r.origin.label in labels for r in rounded]
    expected = roc_auc_score(known, [r.familiarity for r in rounded])
    assert measure(rounded, labels, 0.5).unknown.auc == pytest.approx(expected)


def test_the_f1_interval_is_the_same_each_time_and_holds_the_value() -> None:
    results, labels = crowd(classes=5, photos=200)
    one, two = measure(results, labels, 0.5).macro_f1, measure(results, labels, 0.5).macro_f1
    assert one == two
    assert one.interval is not None
    assert one.value is not None
    assert one.interval[0] < one.value < one.interval[1]


def test_the_order_of_the_results_changes_nothing() -> None:
    results, labels = crowd(classes=5, photos=200, strangers=40)
    backwards = measure(results[::-1], labels, 0.5).as_json()
    assert json.dumps(backwards) == json.dumps(measure(results, labels, 0.5).as_json())


def test_no_error_at_all_gives_no_f1_interval_rather_than_a_false_one() -> None:
    result = measure([predicted(str(i), "ann", "ann") for i in range(9)], LABELS, 0.5)
    assert result.macro_f1.value == 1.0
    assert result.macro_f1.interval is None


def test_results_may_come_from_a_generator() -> None:
    def stream() -> Iterator[Prediction | Rejected]:
        yield from SMALL

    assert measure(stream(), LABELS, 0.5).n == 5


def test_of_many_labels_only_the_answer_is_kept() -> None:
    labels = [f"person {i}" for i in range(400)]
    stream = (predicted(str(i), labels[i % 7], labels[i % 5], labels=labels) for i in range(500))
    tracemalloc.start()
    measure(stream, labels, 0.5)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 8e6, "all probabilities of these photos would take 18 MB"


@st.composite
def some_results(draw: st.DrawFn) -> list[Prediction | Rejected]:
    results: list[Prediction | Rejected] = []
    for uri in draw(st.lists(st.sampled_from("abcdefgh"), min_size=1, max_size=20)):
        truth = draw(st.sampled_from([*LABELS, "zoe", "unknown"]))
        if draw(st.booleans()):
            results.append(rejected(uri, truth, draw(st.sampled_from(list(Reason)))))
        else:
            answer, familiarity = draw(st.sampled_from(LABELS)), draw(st.floats(-2, 2))
            probability = draw(st.floats(0, 1))
            results.append(predicted(uri, truth, answer, probability=probability, familiarity=familiarity))
    return results


@settings(deadline=None, max_examples=60)
@given(some_results())
def test_whatever_comes_every_photo_is_counted_once_and_shares_fit_together(
    results: list[Prediction | Rejected],
) -> None:
    e = measure(results, LABELS, 0.5)
    assert e.photos == len({r.key for r in results}) == e.n + e.strangers
    assert e.rejected == sum(e.reasons.values())
    assert e.accuracy.right == e.accuracy_all.right == int(np.trace(confusion(e).matrix))
    assert int(confusion(e).matrix.sum()) == e.accuracy.of == sum(b.hits.of for b in e.bins)
    assert sum(s.n for s in e.per_class.values()) == e.n
    assert sum(s.rejected for s in e.per_class.values()) == e.n - e.accuracy.of
    assert e.unknown.known_named.right <= e.accuracy.right
    wrong = e.accuracy.of - e.accuracy.right + e.unknown.false_accepts.right
    assert len(e.mistakes) == wrong
    json.dumps(e.as_json(), allow_nan=False)


def test_labels_that_never_occur_change_no_figure_but_stand_in_the_matrix() -> None:
    more = measure(SMALL, [*LABELS, "fay", "gus"], 0.5)
    less = measure(SMALL, LABELS, 0.5)
    assert more.macro_f1 == less.macro_f1
    assert more.accuracy == less.accuracy
    assert confusion(more).matrix.shape == (5, 5)
    assert more.as_json()["per_class"]["gus"] == {"n": 0, "rejected": 0, "precision": None, "recall": None, "f1": None}


def test_a_label_named_unknown_is_always_a_stranger() -> None:
    result = measure(
        [predicted("1", "unknown", "ann"), predicted("2", "ann", "ann")], ["ann", "bob", "eve", "unknown"], 0
    )
    assert (result.n, result.strangers) == (1, 1)
    assert "unknown" not in confusion(result).labels


@pytest.mark.parametrize(
    "results",
    [
        pytest.param([predicted("1", "ann", "ann")], id="one photo"),
        pytest.param([predicted("1", "ann", "bob")], id="one photo, wrong"),
        pytest.param([rejected("1", "ann"), rejected("2", "zoe")], id="all rejected"),
        pytest.param([predicted("1", "zoe", "ann")], id="strangers only"),
        pytest.param([predicted("1", "ann", "ann"), predicted("2", "zoe", "ann")], id="one of each"),
        pytest.param([predicted("1", "ann", "ann", probability=np.nan, familiarity=np.nan)], id="not numbers"),
        pytest.param([predicted("1", "ann", "ann", familiarity=np.inf), rejected("2", None)], id="infinite"),
    ],
)
def test_little_to_go_by_gives_none_and_valid_json(results: list[Prediction | Rejected]) -> None:
    text = json.dumps(measure(results, LABELS, 0.5).as_json(), allow_nan=False)
    assert set(json.loads(text)) == set(measure(SMALL, LABELS, 0.5).as_json())


def test_a_threshold_that_is_no_number_is_null_in_json() -> None:
    assert measure(SMALL, LABELS, -np.inf).as_json()["unknown"]["threshold"] is None


def test_without_strangers_their_figures_are_null_and_the_rest_stands() -> None:
    unknown = measure([predicted("1", "ann", "ann")], LABELS, 0.5).as_json()["unknown"]
    assert (unknown["false_accepts"], unknown["auc"], unknown["roc"]) == (None, None, [])
    assert (unknown["known"], unknown["strangers"], unknown["known_named"]) == (1, 0, 1.0)


def test_no_labels_at_all_is_one_clear_sentence() -> None:
    with pytest.raises(DataError, match=r"none of the 2 photos has a label.*folders named after their label"):
        measure([predicted("1", None, "ann"), rejected("2", None)], LABELS, 0.5)


def test_no_photos_at_all_is_one_clear_sentence() -> None:
    with pytest.raises(DataError, match="no photos to evaluate"):
        measure([], LABELS, 0.5)


def test_an_answer_outside_the_labels_is_a_bug_of_the_caller() -> None:
    with pytest.raises(ValueError, match="'ann' for 1 is not among the labels"):
        measure([predicted("1", "bob", "ann")], ["bob"], 0.5)


def families(photos: int, variants: int) -> list[Prediction | Rejected]:
    """Variants of photos, of which every fourth is taken for somebody else, with all of its variants."""
    made: list[Prediction | Rejected] = []
    for photo in range(photos):
        truth = LABELS[photo % 2]
        for variant in range(variants):
            told = predicted(f"{photo}~{variant}", truth, "eve" if photo % 4 == 0 else truth)
            made.append(replace(told, origin=replace(told.origin, group=str(photo))))
    return made


def test_variants_of_a_photo_make_no_figure_surer() -> None:
    few, many = measure(families(40, 1), LABELS, 0.5), measure(families(40, 16), LABELS, 0.5)
    alone = measure(families(40, 16), LABELS, 0.5, grouped=False)
    assert many.accuracy.value == few.accuracy.value
    assert many.accuracy.interval == pytest.approx(few.accuracy.interval, abs=0.015)
    assert many.accuracy_all.interval == many.accuracy.interval
    assert many.macro_f1.interval == pytest.approx(few.macro_f1.interval, abs=0.03)
    assert alone.accuracy.interval == pytest.approx((0.715, 0.782), abs=0.002)  # Wilson's, of 480 of 640


def test_families_in_any_order_give_the_same() -> None:
    results = families(30, 3)
    assert measure(results[::-1], LABELS, 0.5).as_json() == measure(results, LABELS, 0.5).as_json()


def test_a_group_that_is_the_label_is_known_as_such() -> None:
    assert grouped_by_label(
        [Origin("1", "ann", group="a"), Origin("2", "ann", group="a"), Origin("3", "bob", group="b")]
    )
    assert not grouped_by_label([Origin("1", "ann", group="a"), Origin("2", "ann", group="c"), Origin("3", "bob")])


def test_a_report_comes_back_from_json_with_the_same_figures() -> None:
    results, labels = crowd(classes=5, photos=200, strangers=40)
    for threshold in (0.5, -np.inf):
        fields = json.loads(json.dumps(measure(results, labels, threshold).as_json()))
        again = Report.from_json(fields)
        assert json.loads(json.dumps(again.as_json())) == fields
        assert again.unknown == measure(results, labels, threshold).unknown
        assert again.to_pandas().equals(measure(results, labels, threshold).to_pandas())


def test_a_manifest_gives_a_report_without_the_confusion() -> None:
    fields = measure(SMALL, LABELS, 0.5).as_json()
    del fields["confusion"]
    again = Report.from_json(fields)
    assert again.confusion is None
    assert again.as_json() == {**fields, "confusion": None}
    assert "<table" in again._repr_html_()
    assert "matrix" not in re.sub(r"<style>.*</style>", "", again._repr_html_(), flags=re.DOTALL)


def test_fields_that_are_not_a_report_are_refused() -> None:
    with pytest.raises(KeyError):
        Report.from_json({})


def test_a_notebook_shows_figures_and_the_confusion_with_names_escaped() -> None:
    labels = ["<b>ann</b>", "bob"]
    results = [predicted("1", labels[0], labels[0], labels=labels), predicted("2", "bob", labels[0], labels=labels)]
    html = measure(results, labels, 0.5)._repr_html_().replace("\u00a0", " ")
    assert "Accuracy on faces found" in html
    assert "50.0 %" in html
    assert "&lt;b&gt;ann&lt;/b&gt;" in html
    assert "<b>" not in html
    assert 'class="matrix"' in html


def test_a_notebook_shows_no_table_of_very_many_labels() -> None:
    assert 'class="matrix"' not in measure(*crowd(50, 300), 0.5)._repr_html_()


def test_what_was_trained_on_is_noted() -> None:
    report = replace(measure(SMALL, LABELS, 0.5), detector="yunet", trained_on=2)
    assert report.note == "2 of 9 photos were in the training set; results are optimistic"
    assert report.note in report._repr_html_()
    assert (report.as_json()["detector"], report.as_json()["trained_on"]) == ("yunet", 2)
    assert Report.from_json(report.as_json()).trained_on == 2
    assert measure(SMALL, LABELS, 0.5).note == ""


def test_the_table_has_a_row_per_label() -> None:
    table = measure(SMALL, LABELS, 0.5).to_pandas()
    assert list(table.index) == list(LABELS)
    assert list(table.columns) == ["n", "rejected", "precision", "recall", "f1"]
    assert table.loc["bob", "f1"] == 0.8


def test_a_page_is_written_where_there_is_something_to_make_it_from(tmp_path: Path) -> None:
    report = measure(SMALL, LABELS, 0.5)
    with pytest.raises(DataError, match="this report has no page"):
        report.to_html(tmp_path / "report.html")
    written = replace(report, page=lambda: "<p>Zoë</p>").to_html(str(tmp_path / "report.html"))
    assert written.read_text("utf-8") == "<p>Zoë</p>"
