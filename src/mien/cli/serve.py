"""`mien serve`: the service, and its keys."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mien.cli import options
from mien.cli.output import Output
from mien.text import pluralize

if TYPE_CHECKING:
    from mien.serve.keys import Keys

app = typer.Typer(help="A REST API and a web page for looking at faces, and the keys to them.")
keys = typer.Typer(help="The keys to the service.", no_args_is_help=True)
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
    min_face: options.MinFace = 20,
    traits: options.Traits = None,
    workers: options.Workers = None,
    processes: Annotated[int, typer.Option("--processes", min=1, max=64, help="Processes behind the port.")] = 1,
    require_keys: Annotated[bool, typer.Option("--require-keys", help="Ask for a key on this machine, too.")] = False,
    max_megabytes: Annotated[float, typer.Option("--max-megabytes", min=0.1, help="Of a request's body.")] = 20.0,
    max_photos: Annotated[int, typer.Option("--max-photos", min=1, max=64, help="Of a request.")] = 16,
    max_faces: Annotated[int, typer.Option("--max-faces", min=1, help="Of a photo.")] = 100,
    rate: Annotated[int, typer.Option("--rate", min=1, help="Requests of a key in a minute.")] = 600,
    seconds: Annotated[float, typer.Option("--seconds", min=1, help="For an answer, at most.")] = 30.0,
    waiting: Annotated[int, typer.Option("--waiting", min=1, help="Requests under way at one time.")] = 32,
    json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Serve a REST API and a web page, until Ctrl-C."""
    if context.invoked_subcommand is not None:
        return
    from mien.config import service
    from mien.serve import start
    from mien.serve.settings import Config, Limits

    limits = Limits(max_megabytes, max_photos, max_faces, rate, seconds, waiting)
    config = Config(service(), bundles, host, port, detector, min_face, traits, workers, require_keys, limits)
    out = Output(json, quiet)
    start()(config, lambda url: out.record({"url": url}, f"mien serves {url}"), processes=processes, quiet=quiet)


@keys.command()
def add(
    scope: Annotated[str, typer.Option("--scope", help="read: look and ask; enrol: people too; admin: all.")] = "read",
    note: Annotated[str, typer.Option("--note", help="What it is for.")] = "",
    json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Make a key, and show it this one time."""
    from mien.serve.keys import Scope

    out = Output(json, quiet)
    key, text = _keys().add(Scope.named(scope), note)
    out.record({**key.as_json(), "key": text}, text)
    out.tell(f"this is key {key.id}, for {key.scope}: it is shown this once, and not kept")


@keys.command("list")
def list_(json: options.Json = False, quiet: options.Quiet = False) -> None:
    """Every key that there is or was: its number, what it may do, and since when."""
    out = Output(json, quiet)
    every = _keys().all()
    for key in every:
        state = f"revoked {key.revoked}" if key.revoked else f"since {key.created}"
        out.record(key.as_json(), f"{key.id}  {key.scope}  {state}" + (f"  {key.note}" if key.note else ""))
    out.note(pluralize(len(every), "key"))


@keys.command()
def revoke(
    id: Annotated[str, typer.Argument(help="The key's number, as 'mien serve keys list' shows it.")],
    json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Have a key refused from now on."""
    key = _keys().revoke(id)
    Output(json, quiet).record(key.as_json(), f"{key.id} is revoked")


def _keys() -> Keys:
    from mien.config import service
    from mien.serve.keys import Keys
    from mien.serve.settings import Config

    return Keys(Config(service()).keys)
