"""The service as processes behind one port: listens, starts them, and lets them finish what they began."""

from __future__ import annotations

import json
import math
import os
import socket
import tempfile
from collections.abc import Callable
from dataclasses import replace

import uvicorn
from uvicorn.supervisors import Multiprocess

from mien.errors import DataError
from mien.run import cores
from mien.serve.app import QUIET, SETTINGS, from_environment
from mien.serve.keys import Keys
from mien.serve.metrics import SHARED
from mien.serve.settings import Config

_APP = f"{from_environment.__module__}:{from_environment.__name__}"
_CONNECTIONS = 512  # at one time; a further one is told to come again
_BACKLOG = 2048


def serve(config: Config, tell: Callable[[str], None], *, processes: int = 1, quiet: bool = False) -> None:
    """Run the service until it is told to stop; `tell` hears where it listens.

    Raises:
        DataError: others than this machine could reach it and there is no key, or it cannot listen there.
    """
    permit(config)
    shared = replace(config.limits, requests=math.ceil(config.limits.requests / processes))
    workers = config.workers or max(1, cores() // processes)
    os.environ[SETTINGS] = json.dumps(replace(config, limits=shared, workers=workers).as_json())
    os.environ[QUIET] = str(int(quiet))
    listening = listen(config)
    plan = uvicorn.Config(
        _APP,
        factory=True,
        workers=processes,
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,  # or whoever is local could say to come from elsewhere
        limit_concurrency=_CONNECTIONS,
        timeout_graceful_shutdown=math.ceil(config.limits.seconds),
    )
    with listening, tempfile.TemporaryDirectory(prefix="mien-metrics-") as folder:
        tell(_url(config, listening))
        if processes == 1:
            uvicorn.Server(plan).run([listening])
        else:
            os.environ[SHARED] = folder
            Multiprocess(plan, [listening]).run()


def permit(config: Config) -> None:
    """Refuse to be reached by other machines without keys.

    Raises:
        DataError: there is no key, and one is needed.
    """
    if config.bundles is not None and not config.bundles.is_dir():
        raise DataError(f"--bundles {config.bundles}: there is no such folder")
    if (config.keyed or not config.local) and not Keys(config.keys).usable():
        what = "needs keys" if config.local else f"is reached by others at {config.host}, which needs keys"
        raise DataError(f"the service {what}, and there is none: 'mien serve keys add --scope read' makes one")


def listen(config: Config) -> socket.socket:
    """The socket that the processes share.

    Raises:
        DataError: it cannot be had.
    """
    family = socket.AF_INET6 if ":" in config.host else socket.AF_INET
    try:
        found = socket.create_server((config.host, config.port), family=family, backlog=_BACKLOG)
    except OSError as error:
        raise DataError(
            f"the service cannot listen at {config.host} port {config.port} ({error.strerror or error}):"
            " choose another --port"
        ) from error
    found.set_inheritable(True)
    # Connections inherit it; asyncio sets it only where a socket names its protocol, and create_server's does not.
    # Without it the end of an answer waits for the other side to acknowledge its beginning, which takes 40 ms.
    found.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return found


def _url(config: Config, listening: socket.socket) -> str:
    host = f"[{config.host}]" if ":" in config.host else config.host
    return f"http://{host}:{listening.getsockname()[1]}"
