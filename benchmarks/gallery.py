"""How well a gallery names people and keeps strangers out, and how fast a million of them are searched.

MIEN_DATA=... .venv/bin/python benchmarks/gallery.py                 (--search adds a million templates, minutes;
                                                                      --url POSTGRESQL the same in pgvector)

Ways of scoring are compared at the threshold that lets in exactly the stated share of strangers, which nobody knows in
practice; then the gallery's own threshold is measured by what it does let in.
"""

from __future__ import annotations

import argparse
import os
import resource
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from mien.data import photos
from mien.gallery.search import ExactSearch, IvfIndex, template, unit
from mien.gallery.threshold import calibrate
from mien.pipeline.execute import RunOptions, embed_photos
from mien.pipeline.identify import verification_threshold
from mien.pipeline.spec import build_spec
from mien.types import Embedding, Floats, Ints

DRAWS = 20
SIZES = ((1, 1), (1, 5), (2, 5), (3, 3), (5, 5), (5, 1), (10, 5), (20, 5), (20, 1), (45, 3), (100, 2), (300, 1))


@dataclass(frozen=True)
class Faces:
    """Everybody's vectors (n, d), and whose they are."""

    vectors: Floats
    names: np.ndarray[tuple[int, ...], np.dtype[np.str_]]


@dataclass(frozen=True)
class Draw:
    """People who are enrolled, with so many photos each; their other photos, and all photos of everybody else."""

    owners: Ints
    enrolled: Floats
    probes: Floats
    truth: Ints
    strangers: Floats


def faces(folder: Path, detector: str) -> Faces:
    found = [r for r in embed_photos(build_spec(detector), photos([folder]), RunOptions()) if isinstance(r, Embedding)]
    return Faces(np.stack([r.vector for r in found]), np.array([Path(r.key).parent.name for r in found]))


def drawn(everyone: Faces, people: int, each: int, seed: int) -> Draw:
    random = np.random.default_rng([people, each, seed])
    names, counts = np.unique(everyone.names, return_counts=True)
    some = random.choice(names[counts > each], people, replace=False)
    own = [random.permutation(np.flatnonzero(everyone.names == name)) for name in some]
    return Draw(
        np.repeat(np.arange(people), each),
        everyone.vectors[np.concatenate([rows[:each] for rows in own])],
        everyone.vectors[np.concatenate([rows[each:] for rows in own])],
        np.concatenate([np.full(len(rows) - each, i) for i, rows in enumerate(own)]),
        everyone.vectors[~np.isin(everyone.names, some)],
    )


def closed(everyone: Faces, table: Path, seed: int) -> Draw:
    """The closed set's people, five photos each enrolled, drawn at random."""
    listed = {line.split(",")[1] for line in table.read_text().splitlines()[1:]}
    others = Faces(everyone.vectors[~np.isin(everyone.names, list(listed))], everyone.names)
    inside = np.isin(everyone.names, list(listed))
    draw = drawn(Faces(everyone.vectors[inside], everyone.names[inside]), len(listed), 5, seed)
    return Draw(draw.owners, draw.enrolled, draw.probes, draw.truth, others.vectors)


def grouped(draw: Draw, reduce: Callable[[Floats], Floats]) -> Callable[[Floats], Floats]:
    """A score out of the cosines to all photos of a person."""
    people = np.unique(draw.owners)

    def score(some: Floats) -> Floats:
        cosines = some @ draw.enrolled.T
        return np.stack([reduce(cosines[:, draw.owners == i]) for i in people], axis=1)

    return score


def templates(draw: Draw) -> Floats:
    return np.stack([template(draw.enrolled[draw.owners == i]) for i in np.unique(draw.owners)])


def ways(draw: Draw) -> dict[str, Callable[[Floats], Floats]]:
    middle, means = templates(draw), grouped(draw, lambda c: c.mean(axis=1))
    best = grouped(draw, lambda c: c.max(axis=1))
    return {
        "template (mean direction)": lambda some: some @ middle.T,
        "likest photo": best,
        "mean likeness": means,
        "mean of the likest half": grouped(
            draw, lambda c: np.sort(c, axis=1)[:, -((c.shape[1] + 1) // 2) :].mean(axis=1)
        ),
        "soft maximum": grouped(draw, lambda c: np.log(np.exp(20 * c).mean(axis=1)) / 20),
        "template and likest photo": lambda some: (some @ middle.T + best(some)) / 2,
    }


def named(score: Callable[[Floats], Floats], draw: Draw, rate: float) -> float:
    limit = np.quantile(score(draw.strangers).max(axis=1), 1 - rate)
    scores = score(draw.probes)
    return float(((scores.argmax(axis=1) == draw.truth) & (scores.max(axis=1) >= limit)).mean())


def scoring(lfw: Faces, table: Path) -> Table:
    sizes = {"closed set of 20, 5 photos": None, "45 people, 3": (45, 3), "100 people, 2": (100, 2)}
    shown = Table("score", *(f"{name}, at {rate:.1%}" for name in sizes for rate in (0.01, 0.001)))
    kept: dict[str, list[str]] = {}
    for size in sizes.values():
        draws = [closed(lfw, table, i) if size is None else drawn(lfw, *size, i) for i in range(DRAWS)]
        for rate in (0.01, 0.001):
            for way in ways(draws[0]):
                kept.setdefault(way, []).append(f"{np.mean([named(ways(d)[way], d, rate) for d in draws]):.2%}")
    for way, cells in kept.items():
        shown.add_row(way, *cells)
    return shown


def settled(draw: Draw, rate: float) -> tuple[float, float]:
    """What the gallery's own threshold does: the share of strangers let in, and of the known named rightly."""
    known = templates(draw)
    search = ExactSearch(np.arange(len(known)), known)
    threshold = calibrate(draw.owners, draw.enrolled, search, verification_threshold(build_spec("mtcnn")), rate).cosine
    scores = draw.probes @ known.T
    right = (scores.argmax(axis=1) == draw.truth) & (scores.max(axis=1) >= threshold)
    return float(((draw.strangers @ known.T).max(axis=1) >= threshold).mean()), float(right.mean())


def thresholds(lfw: Faces, orl: Faces, table: Path) -> Table:
    shown = Table("people, photos", "stated", "let in: mean", "median", "most", "known named: mean", "least")
    sets: list[tuple[str, Callable[[int], Draw]]] = [("closed set of 20, 5", lambda i: closed(lfw, table, i))]
    sets += [(f"{p}, {e}", lambda i, p=p, e=e: drawn(lfw, p, e, i)) for p, e in SIZES]  # type: ignore[misc]
    sets += [(f"ORL {p}, 5", lambda i, p=p: drawn(orl, p, 5, i)) for p in (5, 10)]  # type: ignore[misc]
    for name, draw in sets:
        for rate in (0.01, 0.001) if name.endswith("5") and "ORL" not in name else (0.01,):
            let_in, right = np.array([settled(draw(i), rate) for i in range(DRAWS)]).T
            cells = (let_in.mean(), np.median(let_in), let_in.max(), right.mean(), right.min())
            shown.add_row(name, f"{rate:.1%}", *(f"{cell:.2%}" for cell in cells))
    return shown


def many(lfw: Faces, count: int) -> tuple[Floats, Floats, Ints]:
    """Templates of people drawn like those of LFW, faces of 1,000 of them, and whose they are."""
    random = np.random.default_rng(0)
    means = np.stack([lfw.vectors[lfw.names == name].mean(axis=0) for name in np.unique(lfw.names)])
    within = np.concatenate(
        [lfw.vectors[lfw.names == n] - lfw.vectors[lfw.names == n].mean(axis=0) for n in np.unique(lfw.names)]
    )
    tiny = 1e-7 * np.eye(means.shape[1])
    between_root = np.linalg.cholesky(np.cov(means.T) + tiny).T.astype(np.float32)
    # Divided by the number of photos that are not their own mean.
    freedom = len(within) - len(means)
    within_root = np.linalg.cholesky(within.T @ within / freedom + tiny).T.astype(np.float32)
    known = np.empty((count, means.shape[1]), np.float32)
    for start in range(0, count, 100_000):
        part = known[start : start + 100_000]
        spread = random.standard_normal(part.shape, np.float32) @ within_root / np.sqrt(5)
        part[:] = unit(means.mean(axis=0) + random.standard_normal(part.shape, np.float32) @ between_root + spread)
    whose = random.choice(count, 1000, replace=False)
    asked = unit(known[whose] + random.standard_normal((1000, means.shape[1]), np.float32) @ within_root)
    return known, asked, whose


def milliseconds(ask: Callable[[Floats], object], asked: Floats) -> tuple[float, float]:
    taken = []
    for face in asked:
        start = time.perf_counter()
        ask(face)
        taken.append(1e3 * (time.perf_counter() - start))
    return float(np.median(taken)), float(np.quantile(taken, 0.99))


def searching(lfw: Faces, count: int, url: str | None) -> Iterator[str]:
    known, asked, _ = many(lfw, count)
    ids = np.arange(count)
    exact = ExactSearch(ids, known)
    truth = exact.nearest(asked, 1)[1][:, 0]
    yield "exact: p50 {:.2f} ms, p99 {:.2f} ms".format(*milliseconds(lambda f: exact.nearest(f[None], 1), asked[:100]))
    start = time.perf_counter()
    near = IvfIndex(ids, known)
    built = time.perf_counter() - start
    same = (near.nearest(asked, 1)[1][:, 0] == truth).mean()
    p50, p99 = milliseconds(lambda f: near.nearest(f[None], 1), asked)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    yield f"neighbourhoods: built in {built:.1f} s, p50 {p50:.2f} ms, p99 {p99:.2f} ms, same as exact {same:.1%}"
    yield f"largest memory of this process, with the templates three times in it: {memory:.0f} MB"
    if url:
        yield from in_postgresql(url, known, asked, truth)


def in_postgresql(url: str, known: Floats, asked: Floats, truth: Ints) -> Iterator[str]:
    import psycopg

    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("CREATE EXTENSION IF NOT EXISTS vector")
        connection.execute("DROP TABLE IF EXISTS benchmark")
        connection.execute(f"CREATE TABLE benchmark (id int, template vector({known.shape[1]}))")
        with connection.cursor().copy("COPY benchmark FROM STDIN") as copy:
            for i, one in enumerate(known):
                copy.write_row((i, "[" + ",".join(f"{value:.7g}" for value in one.tolist()) + "]"))
        start = time.perf_counter()
        connection.execute("SET maintenance_work_mem = '2GB'")
        connection.execute("CREATE INDEX ON benchmark USING ivfflat (template vector_ip_ops) WITH (lists = 1000)")
        built = time.perf_counter() - start
        connection.execute("SET ivfflat.probes = 64")
        query = "SELECT id FROM benchmark ORDER BY template <#> %s::vector LIMIT 1"
        found: list[int] = []

        def ask(face: Floats) -> None:
            row = connection.execute(query, ("[" + ",".join(map(str, face.tolist())) + "]",)).fetchone()
            found.append(-1 if row is None else row[0])

        p50, p99 = milliseconds(ask, asked)
        same = (np.array(found) == truth).mean()
        yield f"pgvector, ivfflat: built in {built:.1f} s, p50 {p50:.2f} ms, p99 {p99:.2f} ms, same as exact {same:.1%}"
        connection.execute("DROP TABLE benchmark")


def main() -> None:
    options = argparse.ArgumentParser()
    options.add_argument("--search", type=int, nargs="?", const=1_000_000, help="so many templates")
    options.add_argument("--url", help="a PostgreSQL with pgvector")
    options.add_argument("--only-search", action="store_true")
    options.add_argument("--detector", default="mtcnn")
    asked = options.parse_args()
    data = Path(os.environ.get("MIEN_DATA") or sys.exit("MIEN_DATA is not set: it names the folder of photos"))
    lfw, orl = (faces(data / "identity" / name, asked.detector) for name in ("lfw", "orl"))
    table, console = data / "identity" / "lfw_closed_set.csv", Console(width=150)
    if not asked.only_search:
        console.print(scoring(lfw, table))
        console.print(thresholds(lfw, orl, table))
    for line in searching(lfw, asked.search, asked.url) if asked.search else ():
        console.print(line)


if __name__ == "__main__":
    main()
