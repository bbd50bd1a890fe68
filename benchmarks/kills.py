"""Whether every acknowledged enrollment survives `kill -9`, and none is left half done.

    MIEN_DATA=... .venv/bin/python benchmarks/kills.py            (also: --enrollments 500 --each 25 --url POSTGRESQL)

`mien serve` enrolls people, two photos each, for four clients at a time, and is killed again and again at random
moments, until so many enrollments were acknowledged. Then the gallery is read: everybody acknowledged must be in it,
with both photos or not at all, and each template must be that of the photos.
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
from mien.gallery.gallery import Gallery
from mien.gallery.search import template
from serve import service

CLIENTS, PHOTOS = 4, 2


class Round:
    """One life of the service: clients enroll people until it is killed."""

    def __init__(self, url: str, photos: Sequence[bytes], numbers: count[int]) -> None:
        self.url, self.photos, self.numbers = url, photos, numbers
        self.acknowledged: list[str] = []
        self.requested: list[str] = []
        self.over = Event()

    def enroll(self, _: int) -> None:
        with httpx.Client(base_url=self.url, timeout=120) as http:
            while not self.over.is_set():
                number = next(self.numbers)
                name = f"person {number}"
                photos = [self.photos[(PHOTOS * number + i) % len(self.photos)] for i in range(PHOTOS)]
                self.requested.append(name)
                try:
                    sent = [("photo", (f"{i}.jpg", data)) for i, data in enumerate(photos)]
                    answer = http.post("/v1/people", data={"name": name, "largest": "true"}, files=sent)
                except httpx.TransportError:
                    return
                if answer.status_code == 201 and answer.json()["enrolled"] == PHOTOS:
                    self.acknowledged.append(name)

    def run(self, count: int, process: int, wait: float) -> None:
        """Wait until so many were acknowledged, and a moment more, then kill."""
        with ThreadPoolExecutor(CLIENTS) as pool:
            clients = [pool.submit(self.enroll, i) for i in range(CLIENTS)]
            while len(self.acknowledged) < count and not all(client.done() for client in clients):
                time.sleep(0.005)
            time.sleep(wait)
            os.kill(process, 9)
            self.over.set()
            for client in clients:
                client.result()


def broken(gallery: Gallery) -> int:
    """The number of people without all photos, or whose template is not that of their photos."""
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
    parser.add_argument("--enrollments", type=int, default=500)
    parser.add_argument("--each", type=int, default=25, help="acknowledged between two kills")
    parser.add_argument("--url", help="an empty PostgreSQL database with pgvector; a file of its own without")
    args = parser.parse_args()
    data = Path(os.environ.get("MIEN_DATA") or sys.exit("MIEN_DATA is not set: it names the folder of photos"))
    photos = list({path.read_bytes(): 0 for path in sorted((data / "identity" / "lfw").glob("*/*.jpg"))})
    moments, numbers = random.Random(0), count()
    acknowledged: set[str] = set()
    requested: set[str] = set()
    kills = 0
    with tempfile.TemporaryDirectory() as folder:
        address = args.url or f"{folder}/gallery.sqlite"
        while len(acknowledged) < args.enrollments:
            with service("--detector", "mtcnn", "--workers", "2", gallery=address) as (url, process):
                life = Round(url, photos, numbers)
                life.run(min(args.each, args.enrollments - len(acknowledged)), process, moments.uniform(0, 0.5))
            acknowledged, requested, kills = (
                acknowledged | set(life.acknowledged),
                requested | set(life.requested),
                kills + 1,
            )
        with open_gallery(address, create=True) as gallery:  # type: ignore[union-attr]
            there = {each.name for each in gallery.people()}
            console = Console()
            counts = (
                f"{len(requested)} enrollments begun, {len(acknowledged)} acknowledged, {len(there)} in the gallery"
            )
            console.print(f"{kills} kills, {counts}")
            console.print(
                f"acknowledged and missing: {len(acknowledged - there)}; by half done, or with another template: ",
                end="",
            )
            console.print(broken(gallery))


if __name__ == "__main__":
    main()
