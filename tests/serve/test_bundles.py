"""BundleFolder of a folder are in use as they are, and nobody notices when they change."""

from __future__ import annotations

import asyncio
import json
import shutil
from dataclasses import replace
from pathlib import Path

import anyio
import pytest

from mien.serve.bundles import BundleFolder
from mien.serve.problems import Problem
from mien.serve.settings import ServiceConfig
from mien.store import bundle as stored
from tests.conftest import Mien
from tests.serve.conftest import JPEG, Serving

ON_SERVICE = pytest.mark.anyio


@pytest.fixture
def folder(people: Path, tmp_path: Path, models_home: Path) -> Path:
    folder = tmp_path / "bundles"
    shutil.copytree(people, folder / "people.mien")
    return folder


def renamed(path: Path, labels: dict[str, str]) -> None:
    """The same bundle with other labels, put in its place as a training would."""
    bundle = stored.load(path)
    head = dict(bundle.manifest["head"])
    head["labels"] = [labels.get(label, label) for label in head["labels"]]
    stored.save(path, {**bundle.manifest, "head": head}, bundle.arrays, {})


def names(bundles: BundleFolder) -> list[str]:
    return [bundle.name for bundle in bundles.all()]


def test_the_traits_and_the_folder_are_there(folder: Path) -> None:
    bundles = BundleFolder(folder)
    bundles.open()
    bundles.close()
    assert names(bundles) == ["age", "expression", "gender", "glasses", "mask", "people"]
    fields = bundles.get("people").as_json()
    assert (fields["trait"], fields["labels"], fields["embedder"]) == (
        False,
        ["Eileen Collins", "Grace Hopper"],
        "dlib-resnet-int8",
    )
    json.dumps([bundle.as_json() for bundle in bundles.all()])
    with pytest.raises(Problem):
        bundles.get("../people")


def test_a_trait_that_is_turned_off_is_not_there(monkeypatch: pytest.MonkeyPatch, models_home: Path) -> None:
    monkeypatch.setenv("MIEN_TRAITS", "mask")
    bundles = BundleFolder(None)
    bundles.open()
    assert names(bundles) == ["mask"]


def test_what_changes_is_opened_anew_and_what_does_not_is_left(folder: Path) -> None:
    loads: list[str] = []
    bundles = BundleFolder(folder, loads.append)
    bundles.refresh()
    first = bundles.get("people")
    bundles.refresh()
    assert bundles.get("people") is first
    renamed(folder / "people.mien", {"Grace Hopper": "Amazing Grace"})
    bundles.refresh()
    assert bundles.get("people").classifier.head.labels == ("Eileen Collins", "Amazing Grace")
    assert bundles.get("people").number != first.number
    assert loads == ["people", "people"]


def test_a_broken_bundle_leaves_the_one_before_it(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    bundles = BundleFolder(folder)
    bundles.refresh()
    first = bundles.get("people")
    (folder / "people.mien" / "bundle.json").write_text("{")
    (folder / "other.mien").mkdir()
    (folder / "other.mien" / "bundle.json").write_text("[]")
    bundles.refresh()
    bundles.refresh()
    assert (bundles.get("people"), names(bundles)) == (first, ["people"])
    assert [record.message for record in caplog.records] == ["a bundle cannot be used"] * 2


def test_one_that_is_missing_for_a_moment_stays_and_one_that_is_gone_goes(folder: Path) -> None:
    bundles = BundleFolder(folder)
    bundles.refresh()
    place = folder / "people.mien"
    place.rename(folder / "elsewhere")
    bundles.refresh()
    (folder / "elsewhere").rename(place)
    bundles.refresh()
    assert names(bundles) == ["people"]
    shutil.rmtree(place)
    for _ in range(3):
        bundles.refresh()
    assert names(bundles) == []


def test_a_bundle_of_the_folder_goes_before_a_trait_of_its_name(folder: Path) -> None:
    (folder / "people.mien").rename(folder / "mask.mien")
    bundles = BundleFolder(folder)
    bundles.open()
    assert not bundles.get("mask").trait
    assert names(bundles).count("mask") == 1
    shutil.rmtree(folder / "mask.mien")
    for _ in range(3):
        bundles.refresh()
    assert bundles.get("mask").trait
    bundles.close()


@ON_SERVICE
async def test_cards_and_reports_are_given_and_nothing_that_they_link_to(
    serving: Serving, config: ServiceConfig, folder: Path, tmp_path: Path
) -> None:
    """A report is a stranger's page: whatever is in it, it runs nothing, loads nothing and is of no origin."""
    other = folder / "other.mien"
    shutil.copytree(folder / "people.mien", other)
    (tmp_path / "secret").write_text("secret")
    for name in ("card.md", "report.html"):
        (other / name).unlink()
        (other / name).symlink_to(tmp_path / "secret")
    async with serving(replace(config, bundles=folder)) as served:
        card = await served.http.get("/v1/bundles/people/card")
        assert card.headers["content-type"].startswith("text/markdown")
        assert card.text.startswith("# people")
        report = await served.http.get("/v1/bundles/people/report")
        assert report.headers["content-type"].startswith("text/html")
        assert report.text.lower().startswith("<!doctype html>")
        policy = {part.strip() for part in report.headers["content-security-policy"].split(";")}
        assert {"sandbox", "default-src 'none'", "form-action 'none'", "frame-ancestors 'none'"} <= policy
        assert not [part for part in policy if part.startswith("script-src")]
        assert report.headers["x-content-type-options"] == "nosniff"
        listed = {bundle["name"]: bundle for bundle in (await served.http.get("/v1/bundles")).json()["bundles"]}
        assert [(listed[name]["card"], listed[name]["report"]) for name in ("mask", "people", "other")] == [
            (True, False),
            (True, True),
            (False, False),
        ]
        for path in ("other/card", "other/report", "mask/report", "nobody/card", "..%2Fpeople/card"):
            answer = await served.http.get(f"/v1/bundles/{path}")
            assert (answer.status_code, "secret" in answer.text) == (404, False), path


@ON_SERVICE
async def test_a_service_answers_by_the_new_one_and_drops_nobody(
    serving: Serving, config: ServiceConfig, folder: Path, hopper: bytes, mien: Mien
) -> None:
    async with serving(replace(config, bundles=folder, workers=2)) as served:

        async def label() -> str:
            answer = await served.http.post("/v1/classify/people", content=hopper, headers=JPEG)
            assert answer.status_code == 200, answer.text
            text: str = answer.json()["results"][0]["label"]
            return text

        assert await label() == "Grace Hopper"
        seen: list[str] = []
        renamed(folder / "people.mien", {"Grace Hopper": "Amazing Grace"})
        with anyio.fail_after(60):
            while not seen or seen[-1] != "Amazing Grace":
                seen += await asyncio.gather(label(), label(), label())
        assert set(seen) <= {"Grace Hopper", "Amazing Grace"}
        listed = (await served.http.get("/v1/bundles")).json()["bundles"]
        assert listed[-1]["labels"] == ["Eileen Collins", "Amazing Grace"]
