"""How fast the service answers: latency and photos a second at 1 to 16 clients, beside a model behind Flask.

    .venv/bin/python benchmarks/serve.py                 (also: --seconds 10 --processes 1,2 --soak 20000)

The photo is 640 pixels wide and has one face (Grace Hopper, US Navy, public domain); clients run in this process, on
the same cores. Flask with dlib's networks, as face_recognition runs them, is measured in the same run where .bench-venv
is there (make bench): loaded once, and loaded for each request. `--soak N` sends N requests, mixed with those of
MIEN_DATA/bad_input, and tells the statuses and the memory. What follows `--` is given to `mien serve`.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path

import httpx
import numpy as np
from matplotlib import cbook
from PIL import Image
from rich.console import Console

CLIENTS = (1, 2, 4, 8, 16)
FLASK = """
import io, sys, warnings
warnings.simplefilter("ignore")
import flask, logging
logging.getLogger("werkzeug").setLevel(logging.ERROR)
app, once = flask.Flask("other"), sys.argv[2] == "once"
def load():
    import dlib, face_recognition_models as weights
    return (dlib.get_frontal_face_detector(), dlib.shape_predictor(weights.pose_predictor_five_point_model_location()),
            dlib.face_recognition_model_v1(weights.face_recognition_model_location()))
model = load()
@app.post("/")
def answer():
    import numpy, PIL.Image
    detector, points, network = model if once else load()
    pixels = numpy.asarray(PIL.Image.open(io.BytesIO(flask.request.data)).convert("RGB"))
    found = [points(pixels, box) for box in detector(pixels, 1)]
    return {"faces": [list(network.compute_face_descriptor(pixels, shape)) for shape in found]}
app.run(port=int(sys.argv[1]), threaded=True)
"""


def photo() -> bytes:
    with Image.open(cbook.get_sample_data("grace_hopper.jpg")) as picture:
        buffer = BytesIO()
        picture.resize((640, 750)).convert("RGB").save(buffer, "JPEG", quality=90)
    return buffer.getvalue()


@contextmanager
def service(*options: str, gallery: str | None = None) -> Iterator[tuple[str, int]]:
    """`mien serve` with a folder of its own, and a gallery in it unless one is given -> its address and process."""
    with tempfile.TemporaryDirectory() as folder:
        own = {"MIEN_GALLERY": gallery or f"{folder}/gallery.sqlite", "MIEN_SERVICE": f"{folder}/service"}
        command = [
            sys.executable,
            "-c",
            "from mien.cli import main; main()",
            "serve",
            "--json",
            "--quiet",
            "--port",
            "0",
        ]
        process = subprocess.Popen([*command, *options], stdout=subprocess.PIPE, text=True, env={**os.environ, **own})
        assert process.stdout is not None
        try:
            url = json.loads(process.stdout.readline())["url"]
            ready(f"{url}/readyz")
            yield url, process.pid
        finally:
            process.terminate()
            process.wait()


@contextmanager
def flask(once: str) -> Iterator[str]:
    python, port = Path(__file__).parents[1] / ".bench-venv" / "bin" / "python", "8799"
    process = subprocess.Popen([python, "-c", FLASK, port, once], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        ready(f"http://127.0.0.1:{port}/", missing=404)
        yield f"http://127.0.0.1:{port}/"
    finally:
        process.terminate()
        process.wait()


def ready(url: str, missing: int = 200) -> None:
    end = time.monotonic() + 120
    while time.monotonic() < end:
        try:
            if httpx.get(url).status_code in (200, missing, 405):
                return
        except httpx.TransportError:
            pass
        time.sleep(0.1)
    raise TimeoutError(url)


def measure(url: str, data: bytes, clients: int, seconds: float) -> dict[str, float]:
    """Ask for so long with so many clients -> latencies in milliseconds, and answers a second."""
    end = time.monotonic() + seconds

    def ask() -> list[float]:
        taken = []
        # Flask takes a minute and more for eight at once where the cores are busy.
        with httpx.Client(timeout=600, headers={"Content-Type": "image/jpeg"}) as http:
            while time.monotonic() < end:
                start = time.perf_counter()
                http.post(url, content=data).raise_for_status()
                taken.append(time.perf_counter() - start)
        return taken

    start = time.monotonic()
    with ThreadPoolExecutor(clients) as pool:
        taken = [each for some in pool.map(lambda _: ask(), range(clients)) for each in some]
    p50, p95, p99 = np.percentile(taken, [50, 95, 99]) * 1000
    return {"p50": p50, "p95": p95, "p99": p99, "photos_per_second": len(taken) / (time.monotonic() - start)}


def rows(seconds: float, processes: list[int], options: list[str]) -> Iterator[tuple[str, int, dict[str, float]]]:
    data = photo()
    for count in processes:
        with service("--processes", str(count), *options) as (url, _):
            for _ in range(10):
                httpx.post(f"{url}/v1/look", content=data, headers={"Content-Type": "image/jpeg"}, timeout=60)
            for clients in CLIENTS:
                yield f"mien look, {count} process", clients, measure(f"{url}/v1/look", data, clients, seconds)
    if not (Path(__file__).parents[1] / ".bench-venv").exists():
        return
    for once in ("once", "each"):
        with flask(once) as url:
            for clients in (1, 8):
                yield f"flask, model loaded {once}", clients, measure(url, data, clients, seconds)


def soak(count: int) -> dict[str, object]:
    """So many requests by eight clients, every fourth bad -> statuses, and memory after 2,000 and at the end."""
    bad = [file.read_bytes() for file in sorted((Path(os.environ["MIEN_DATA"]) / "bad_input").iterdir())]
    good, statuses, turn = photo(), Counter[int](), threading.Lock()
    with service() as (url, process), httpx.Client(timeout=120, headers={"Content-Type": "image/jpeg"}) as http:
        httpx.post(f"{url}/v1/people", data={"name": "Grace"}, files={"photo": good}, timeout=120).raise_for_status()

        def ask(i: int) -> None:
            path = ("look", "classify/mask", "look", "identify")[i // 4 % 4]
            status = http.post(f"{url}/v1/{path}", content=bad[i % len(bad)] if i % 4 == 0 else good).status_code
            with turn:
                statuses[status] += 1

        with ThreadPoolExecutor(8) as pool:
            first = min(2000, count // 2)
            list(pool.map(ask, range(first)))
            before = memory(process)
            list(pool.map(ask, range(first, count)))
        after = memory(process)
    growth = round(100 * (after / before - 1), 1)
    return {
        "requests": count,
        "statuses": dict(sorted(statuses.items())),
        "server_errors": sum(times for status, times in statuses.items() if status >= 500),
        "mb_before": before,
        "mb_after": after,
        "growth_percent": growth,
    }


def memory(process: int) -> float:
    text = Path(f"/proc/{process}/status").read_text()
    return round(int(text.partition("VmRSS:")[2].split()[0]) / 1024, 1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--processes", default="1")
    parser.add_argument("--soak", type=int, default=0)
    parser.add_argument("options", nargs="*")
    given = parser.parse_args()
    console = Console()
    if given.soak:
        console.print_json(data=soak(given.soak))
        return
    names = ("p50", "p95", "p99", "photos_per_second")
    console.print(f"{'what':28}{'clients':>8}{'p50 ms':>10}{'p95 ms':>10}{'p99 ms':>10}{'photos/s':>10}")
    for what, clients, figures in rows(
        given.seconds, [int(each) for each in given.processes.split(",")], given.options
    ):
        console.print(f"{what:28}{clients:8}" + "".join(f"{figures[name]:10.1f}" for name in names))


if __name__ == "__main__":
    main()
