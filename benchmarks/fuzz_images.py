"""Mutated JPEG and PNG bytes, many of them, in one process: prints the outcomes, the crashes and the peak of memory.

python benchmarks/fuzz_images.py [HOW_MANY] [SEED]
"""

from __future__ import annotations

import io
import random
import resource
import sys
import time
import zlib
from collections import Counter
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from PIL import Image

from mien.images import ImageError, decode

MEGABYTE = 1024 if sys.platform != "darwin" else 1 << 20


def packaged(package: str, *parts: str) -> bytes:
    spec = find_spec(package)
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent.joinpath(*parts).read_bytes()


def seeds() -> list[bytes]:
    """Two real photos as they are, and small in the kinds of JPEG and PNG that differ inside."""
    hopper = packaged("matplotlib", "mpl-data", "sample_data", "grace_hopper.jpg")
    astronaut = packaged("skimage", "data", "astronaut.png")
    photo = Image.open(io.BytesIO(hopper)).convert("RGB").resize((250, 293))
    exif = Image.Exif()
    exif[0x0112] = 6
    kinds: list[tuple[Image.Image, str, dict[str, Any]]] = [
        (photo, "JPEG", {"exif": exif}),
        (photo, "JPEG", {"progressive": True}),
        (photo.convert("L"), "JPEG", {}),
        (photo.convert("CMYK"), "JPEG", {}),
        (photo, "PNG", {"exif": exif}),
        (photo.quantize(64), "PNG", {"transparency": 3}),
        (photo.convert("RGBA"), "PNG", {}),
        (photo.convert("I;16"), "PNG", {}),
    ]
    made = []
    for picture, format, options in kinds:
        buffer = io.BytesIO()
        picture.save(buffer, format, **options)
        made.append(buffer.getvalue())
    return [hopper, astronaut, *made]


def mutated(data: bytes, numbers: random.Random) -> bytes:
    changed = bytearray(data)
    for _ in range(numbers.choice((1, 1, 2, 4, 10, 50))):
        at = numbers.randrange(min(len(changed), numbers.choice((64, 700, len(changed)))))
        kind = numbers.randrange(8)
        if kind < 4:
            changed[at] = numbers.randrange(256)
        elif kind == 4:
            changed[at : at + 4] = numbers.choice((b"\0\0\0\0", b"\xff\xff\xff\xff", b"\0\0\x27\x10"))
        elif kind == 5:
            changed[at:at] = changed[at : at + numbers.randrange(1, 200)]
        elif kind == 6:
            del changed[at : at + numbers.randrange(1, 50)]
        elif numbers.random() < 0.2:
            del changed[max(8, at) :]
        if len(changed) < 8:
            break
    return bytes(changed)


def mended(data: bytes) -> bytes:
    """A PNG with the checksums of its chunks put right, so that damage gets past them."""
    fixed, at = bytearray(data), 8
    while at + 12 <= len(fixed):
        end = at + 8 + int.from_bytes(fixed[at : at + 4], "big")
        if end + 4 > len(fixed):
            break
        fixed[end : end + 4] = zlib.crc32(fixed[at + 4 : end]).to_bytes(4, "big")
        at = end + 4
    return bytes(fixed)


def main(count: int = 10_000, seed: int = 0) -> int:
    numbers = random.Random(seed)
    pool = seeds()
    outcomes: Counter[str] = Counter()
    crashes: Counter[str] = Counter()
    slowest, start = 0.0, time.perf_counter()
    for i in range(count):
        data = mutated(pool[i % len(pool)], numbers)
        if data.startswith(b"\x89PNG") and numbers.random() < 0.7:
            data = mended(data)
        began = time.perf_counter()
        try:
            decode(data, longest=numbers.choice((None, 100)), max_megapixels=100)
            outcomes["decoded"] += 1
        except ImageError as error:
            outcomes[str(error.reason)] += 1
        except Exception as error:  # noqa: BLE001  (this is what is being counted)
            crashes[f"{type(error).__name__}: {error}"[:100]] += 1
        slowest = max(slowest, time.perf_counter() - began)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / MEGABYTE
    print(f"{count} mutated JPEG and PNG strings in {time.perf_counter() - start:.1f} s, the slowest {slowest:.2f} s")
    print("outcomes: " + ", ".join(f"{name} {n}" for name, n in outcomes.most_common()))
    print(f"crashes: {sum(crashes.values())}", *(f"\n  {n} x {what}" for what, n in crashes.most_common()))
    print(f"peak memory: {peak:.0f} MB")
    return 1 if crashes or peak > 1000 else 0


if __name__ == "__main__":
    sys.exit(main(*(int(argument) for argument in sys.argv[1:3])))
