"""What `mien check` costs for 20,000 photos, and again after 100 more: minutes, and memory at its highest.

MIEN_DATA=... .venv/bin/python benchmarks/curation_scale.py [--photos 20000] [--json FILE]

The photos are those of the pools, as files in folders: FairFace at 128 px by age group, photos from the web with and
without a mask. The second run's photos are of LFW, 250 px. What is remembered of photos lies in a folder of its own.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from itertools import chain, islice
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
from rich.console import Console
from rich.table import Table

MIEN = [sys.executable, "-c", "from mien.cli import main; main()"]
POOLS = (("fairface.parquet", "age", None), ("mask.parquet", "label", "web"))
NEW = 100


def rows(pool: Path, target: str, source: str | None) -> Iterator[tuple[str, bytes]]:
    """The label and the bytes of each photo of a pool, of one source where it has several."""
    file = pq.ParquetFile(pool)
    columns = ["image", target, *(["source"] if source else [])]
    for batch in file.iter_batches(512, columns=columns):
        for row in batch.to_pylist():
            if source is None or row["source"] == source:
                yield str(row[target]), row["image"]["bytes"]


def laid_out(data: Path, folder: Path, photos: int) -> int:
    """Write so many photos of the pools into label folders -> how many there were."""
    found = chain.from_iterable(rows(data / "pools" / name, *how) for name, *how in POOLS)
    written = 0
    for label, content in islice(found, photos):
        place = folder / label
        place.mkdir(parents=True, exist_ok=True)
        (place / f"{written:05d}.jpg").write_bytes(content)
        written += 1
    return written


def check(folder: Path, home: Path) -> dict[str, Any]:
    """Run `mien check` over a folder -> its last line, its seconds and its highest memory in MB."""
    before = time.perf_counter()
    process = subprocess.Popen(
        [*MIEN, "check", str(folder), "--report", str(home / "report.html"), "--json", "--quiet"],
        stdout=subprocess.PIPE,
        env={**os.environ, "MIEN_HOME": str(home)},
        text=True,
    )
    assert process.stdout is not None
    last = ""
    for line in process.stdout:
        last = line
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"mien check ended with status {os.waitstatus_to_exitcode(status)}")
    return {**json.loads(last), "wall": time.perf_counter() - before, "memory": _megabytes(usage)}


def _megabytes(usage: resource.struct_rusage) -> float:
    return usage.ru_maxrss / (1e6 if sys.platform == "darwin" else 1e3)


def main() -> None:
    """Lay the photos out, check them twice, print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--photos", type=int, default=20_000)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    data = Path(os.environ["MIEN_DATA"])
    with tempfile.TemporaryDirectory() as name:
        folder, home = Path(name) / "photos", Path(name) / "home"
        home.mkdir()
        written = laid_out(data, folder, options.photos)
        first = check(folder, home)
        added = sorted((data / "identity" / "lfw").rglob("*.jpg"))[:NEW]
        (folder / "new").mkdir()
        for i, photo in enumerate(added):
            shutil.copy(photo, folder / "new" / f"{i:03d}-{photo.name}")
        second = check(folder, home)
        kilobytes = (home / "cache.sqlite").stat().st_size / 1e3 / (written + len(added))
        report = (home / "report.html").stat().st_size / 1e6
    table = Table("run", "photos", "seconds", "photos a second", "MB at most", "findings")
    for run, found in (("first", first), (f"after {len(added)} more", second)):
        many = sum(found["findings"].values())
        speed = found["photos"] / found["wall"]
        cells = (f"{found['photos']:,}", f"{found['wall']:.1f}", f"{speed:,.0f}", f"{found['memory']:.0f}", f"{many:,}")
        table.add_row(run, *cells)
    console = Console()
    console.print(table)
    console.print(f"the report: {report:.1f} MB; remembered: {kilobytes:.1f} kB a photo")
    if options.json:
        options.json.write_text(json.dumps({"first": first, "second": second, "report_mb": report}, indent=1))


if __name__ == "__main__":
    main()
