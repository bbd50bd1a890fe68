"""`mien serve`: the service, and its keys."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mien.cli import options
from mien.cli.output import Output
from mien.text import pluralize

if TYPE_CHECKING:
    from mien.serve.auth import KeyStore

app = typer.Typer(help="Run a REST API and web pages, and manage their keys.")
keys = typer.Typer(help="Manage API keys.", no_args_is_help=True)
app.add_typer(keys, name="keys")


@app.callback(invoke_without_command=True)
def serve(
    context: typer.Context,
    host: Annotated[str, typer.Option("--host", help="Address to listen at; any but this machine's needs keys.")] = (
        "127.0.0.1"
    ),
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="Port; 0 takes a free one.")] = 8000,
    bundles: Annotated[
        Path | None, typer.Option("--bundles", metavar="DIR", help="Folder of bundles, watched for changes.")
    ] = None,
    detector: options.Detector = "auto",
    min_face: options.MinFace = None,
    traits: options.Traits = None,
    workers: options.Workers = None,
    processes: Annotated[int, typer.Option("--processes", min=1, max=64, help="Number of processes.")] = 1,
    require_keys: Annotated[bool, typer.Option("--require-keys", help="Need a key even from this machine.")] = False,
    max_megabytes: Annotated[float, typer.Option("--max-megabytes", min=0.1, help="Request size limit in MB.")] = 20.0,
    max_photos: Annotated[int, typer.Option("--max-photos", min=1, max=64, help="Photos per request, at most.")] = 16,
    max_faces: Annotated[int, typer.Option("--max-faces", min=1, help="Faces per photo, at most.")] = 100,
    rate: Annotated[int, typer.Option("--rate", min=1, help="Requests per key and minute, at most.")] = 600,
    seconds: Annotated[float, typer.Option("--seconds", min=1, help="Request timeout in seconds.")] = 30.0,
    waiting: Annotated[int, typer.Option("--waiting", min=1, help="Requests in progress at a time, at most.")] = 32,
    json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Serve a REST API and web pages until Ctrl-C."""
    if context.invoked_subcommand is not None:
        return
    from mien.config import service
    from mien.serve import PARTS
    from mien.serve.settings import ServiceConfig, ServiceLimits

    limits = ServiceLimits(max_megabytes, max_photos, max_faces, rate, seconds, waiting)
    config = ServiceConfig(service(), bundles, host, port, detector, min_face, traits, workers, require_keys, limits)
    out = Output(json, quiet)
    run = PARTS.load("the service")
    run(config, lambda url: out.record({"url": url}, f"Serving at {url}"), processes=processes, quiet=quiet)


@keys.command()
def add(
    scope: Annotated[str, typer.Option("--scope", help="read, enrol (people, corrections) or admin (all).")] = "read",
    note: Annotated[str, typer.Option("--note", help="What the key is for.")] = "",
    json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Make a key and print it."""
    store = _keys()
    from mien.serve.auth import Scope

    out = Output(json, quiet)
    key, text = store.add(Scope.parse(scope), note)
    out.record({**key.as_json(), "key": text}, text)
    out.notes([f"Key {key.id} with scope {key.scope}. Save it now; it will not be shown again."])


@keys.command("list")
def list_(json: options.Json = False, quiet: options.Quiet = False) -> None:
    """List all keys, revoked ones included."""
    out = Output(json, quiet)
    all_keys = _keys().all()
    for key in all_keys:
        state = f"revoked {key.revoked}" if key.revoked else f"since {key.created}"
        out.record(key.as_json(), f"{key.id}  {key.scope}  {state}" + (f"  {key.note}" if key.note else ""))
    out.note(pluralize(len(all_keys), "key"))


@keys.command()
def revoke(
    id: Annotated[str, typer.Argument(help="Id of the key, as 'mien serve keys list' prints it.")],
    json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Revoke a key: it is refused from now on."""
    key = _keys().revoke(id)
    Output(json, quiet).record(key.as_json(), f"Key {key.id} is revoked.")


def _keys() -> KeyStore:
    from mien.config import service
    from mien.serve import PARTS
    from mien.serve.settings import ServiceConfig

    store: KeyStore = PARTS.load("the keys")(ServiceConfig(service()).database)
    return store
