"""Whether an enrolment that was acknowledged survives `kill -9`, and whether any is there by half.

    MIEN_DATA=... .venv/bin/python benchmarks/kills.py            (also: --enrolments 500 --each 25 --url POSTGRESQL)

`mien serve` enrols people, two photos each, for four clients at a time, and is killed again and again at moments drawn
at random, until so many enrolments were acknowledged. Then the gallery is read: whoever was acknowledged has to be
there, everybody has two photos or is not there at all, and each template is that of the photos.
"""

from __future__ import annotations

import argparse
import os
import random
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path
from threading import Event

import httpx
import numpy as np
from rich.console import Console

from mien.gallery import open_gallery
from mien.gallery.book import Gallery
from mien.gallery.template import template
from serve import service

CLIENTS, PHOTOS = 4, 2


class Round:
    """One life of the service: clients enrol until it is killed. told: names that were acknowledged."""

    def __init__(self, url: str, photos: Sequence[bytes], numbers: count[int]) -> None:
        self.url, self.photos, self.numbers = url, photos, numbers
        self.told: list[str] = []
        self.asked: list[str] = []
        self.over = Event()

    def enrol(self, _: int) -> None:
        with httpx.Client(base_url=self.url, timeout=120) as http:
            while not self.over.is_set():
                number = next(self.numbers)
                name = f"person {number}"
                some = [self.photos[(PHOTOS * number + i) % len(self.photos)] for i in range(PHOTOS)]
                self.asked.append(name)
                try:
                    sent = [("photo", (f"{i}.jpg", data)) for i, data in enumerate(some)]
                    answer = http.post("/v1/people", data={"name": name, "largest": "true"}, files=sent)
                except httpx.TransportError:
                    return
                if answer.status_code == 201 and answer.json()["enrolled"] == PHOTOS:
                    self.told.append(name)

    def until(self, acknowledged: int, process: int, wait: float) -> None:
        """Let clients enrol so many, wait a moment more, and kill."""
        with ThreadPoolExecutor(CLIENTS) as pool:
            clients = [pool.submit(self.enrol, i) for i in range(CLIENTS)]
            while len(self.told) < acknowledged and not all(each.done() for each in clients):
                time.sleep(0.005)
            time.sleep(wait)
            os.kill(process, 9)
            self.over.set()
            for each in clients:
                each.result()


def broken(gallery: Gallery) -> int:
    """People who do not have their photos, or whose template is not that of their photos."""
    known = gallery.people()
    owners, vectors = gallery.vectors([each.id for each in known])
    ids, templates = [], []
    for start in range(0, len(known), 500):
        some, rows = gallery.templates([each.id for each in known[start : start + 500]])
        ids += some.tolist()
        templates += list(rows)
    kept = dict(zip(ids, templates, strict=True))
    return sum(
        each.photos != PHOTOS
        or (owners == each.id).sum() != PHOTOS
        or not np.allclose(kept[each.id], template(vectors[owners == each.id]), atol=1e-6)
        for each in known
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--enrolments", type=int, default=500)
    parser.add_argument("--each", type=int, default=25, help="acknowledged between two kills")
    parser.add_argument("--url", help="an empty PostgreSQL database with pgvector; a file of its own without")
    given = parser.parse_args()
    data = Path(os.environ.get("MIEN_DATA") or sys.exit("MIEN_DATA is not set: it names the folder of photos"))
    photos = list({path.read_bytes(): 0 for path in sorted((data / "identity" / "lfw").glob("*/*.jpg"))})
    moments, numbers = random.Random(0), count()
    told: set[str] = set()
    asked: set[str] = set()
    kills = 0
    with tempfile.TemporaryDirectory() as folder:
        address = given.url or f"{folder}/gallery.sqlite"
        while len(told) < given.enrolments:
            with service("--detector", "mtcnn", "--workers", "2", gallery=address) as (url, process):
                life = Round(url, photos, numbers)
                life.until(min(given.each, given.enrolments - len(told)), process, moments.uniform(0, 0.5))
            told, asked, kills = told | set(life.told), asked | set(life.asked), kills + 1
        with open_gallery(address, make=True) as gallery:  # type: ignore[union-attr]
            there = {each.name for each in gallery.people()}
            console = Console()
            console.print(f"{kills} kills, {len(asked)} enrolments begun, {len(told)} acknowledged, {len(there)} there")
            console.print(f"acknowledged and missing: {len(told - there)}; by half, or with another template: ", end="")
            console.print(broken(gallery))


if __name__ == "__main__":
    main()
