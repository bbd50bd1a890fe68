"""Folders of files to be moved about, and children that are killed while they do it."""

from __future__ import annotations

import os
import signal
import traceback
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

Tree = Mapping[str, bytes]

CHANGES = ("link", "unlink", "open", "write", "fsync", "replace", "mkdir", "rmdir", "utime", "ftruncate")
"""The calls by which files are changed; a child may be killed at each of them."""


def plant(root: Path, tree: Tree) -> Path:
    root.mkdir(parents=True, exist_ok=True)
    for name, data in tree.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        os.utime(path, ns=(10**18, 10**18 + len(data)))
    return root


def harvest(root: Path) -> dict[str, bytes]:
    """Every file below a folder, but for what lies in `.mien`."""
    files = (path for path in root.rglob("*") if path.is_file() and ".mien" not in path.parts)
    return {str(path.relative_to(root)): path.read_bytes() for path in files}


def folders(root: Path) -> set[str]:
    return {str(path.relative_to(root)) for path in root.rglob("*") if path.is_dir() and ".mien" not in path.parts}


def contents(*roots: Path) -> Counter[bytes]:
    return Counter(data for root in roots for data in harvest(root).values())


def parts(*roots: Path) -> list[Path]:
    """What is left half written."""
    return [path for root in roots for path in root.rglob(".mien-*.part")]


def no_links(*_: Any, **__: Any) -> None:
    raise PermissionError(1, "Operation not permitted")


def in_child(work: Callable[[], object], *, kill_at: int = -1, links: bool = True) -> bool:
    """Do it in a child that kills itself at its n-th change of the disk -> whether it was killed.

    A killed write has written half of its bytes. Without `links` it is as on a FAT file system.
    """
    child = os.fork()
    if child == 0:
        try:
            if not links:
                os.link = no_links
            _arm(kill_at)
            work()
            os._exit(0)
        except BaseException:
            traceback.print_exc()
            raise
        finally:
            os._exit(1)
    _, status = os.waitpid(child, 0)
    killed = os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL
    assert killed or os.waitstatus_to_exitcode(status) == 0
    return killed


def _arm(kill_at: int) -> None:
    left = [kill_at]

    def armed(name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def change(*args: Any, **kwargs: Any) -> Any:
            if left[0] == 0:
                if name == "write":
                    call(args[0], bytes(args[1])[: len(args[1]) // 2])
                os.kill(os.getpid(), signal.SIGKILL)
            left[0] -= 1
            return call(*args, **kwargs)

        return change

    for name in CHANGES:
        setattr(os, name, armed(name, getattr(os, name)))
