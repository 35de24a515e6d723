"""``mxnet-audio serve``: answer requests over HTTP, and show a web page."""

from __future__ import annotations

import os
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mxnet_audio.cli.options import Gpu, StoredNetwork, parse_path
from mxnet_audio.cli.output import print_lines, print_message
from mxnet_audio.cli.vector_model import EncoderChoice
from mxnet_audio.errors import ParameterError

if TYPE_CHECKING:
    from mxnet_audio.serve import ServeSettings

__all__ = ["serve"]

KEY = "MXNET_AUDIO_API_KEY"


def serve(
    model_dir: Annotated[
        Path | None,
        typer.Option(
            "--model-dir",
            parser=parse_path,
            metavar="DIR",
            help="Folder of a trained model, or an .onnx file, which needs no MXNet.",
        ),
    ] = None,
    network: StoredNetwork = None,
    encoder: Annotated[
        str | None, typer.Option(metavar="NAME", help="Pretrained encoder, for tags, events and embeddings.")
    ] = None,
    index: Annotated[
        Path | None, typer.Option(parser=parse_path, metavar="DIR", help="Folder of an index, for the search.")
    ] = None,
    speakers: Annotated[
        Path | None,
        typer.Option(parser=parse_path, metavar="DIR", help="Folder of enrolled speakers, for a tab of the page."),
    ] = None,
    audio_root: Annotated[
        Path | None,
        typer.Option(
            parser=parse_path, metavar="DIR", help="Folder of sound files that requests may name. [default: none]"
        ),
    ] = None,
    host: Annotated[
        str, typer.Option(metavar="ADDRESS", help="Address to listen on; 0.0.0.0 is reached from other machines.")
    ] = "127.0.0.1",
    port: Annotated[
        int, typer.Option(min=0, max=65535, metavar="PORT", help="Port to listen on; 0 chooses a free one.")
    ] = 8000,
    api_key: Annotated[
        str | None,
        typer.Option(
            metavar="KEY",
            help=f"Secret that each request must contain. Give it by the environment variable {KEY}: everybody on "
            "this machine can read the words of a command. [default: none]",
        ),
    ] = None,
    origin: Annotated[
        list[str] | None,
        typer.Option(
            metavar="ORIGIN",
            help="Origin of web pages whose scripts may call the API, such as https://sounds.example; may be given "
            "several times. [default: none]",
        ),
    ] = None,
    max_bytes: Annotated[int, typer.Option(min=1, metavar="BYTES", help="Largest upload.")] = 64 << 20,
    max_seconds: Annotated[float, typer.Option(metavar="SECONDS", help="Longest sound.")] = 600.0,
    max_batch: Annotated[
        int, typer.Option(min=1, metavar="N", help="Number of sounds that pass a network together.")
    ] = 16,
    batch_wait: Annotated[
        float,
        typer.Option(
            metavar="SECONDS", help="Longest time that a request waits for others, to pass a network together."
        ),
    ] = 0.004,
    queue_size: Annotated[
        int, typer.Option(min=1, metavar="N", help="Number of requests that wait; more are answered with 429.")
    ] = 64,
    timeout: Annotated[
        float, typer.Option(metavar="SECONDS", help="Longest time from the end of a request to its answer.")
    ] = 60.0,
    upload_timeout: Annotated[float, typer.Option(metavar="SECONDS", help="Longest time of an upload.")] = 60.0,
    page: Annotated[bool, typer.Option("--page/--no-page", help="With the web page, or the API only.")] = True,
    gpu: Gpu = None,
) -> None:
    """Answer requests over HTTP, and show a web page.

    SIGTERM and Ctrl-C end the server; requests that have arrived are answered.

    \b
    Examples:
      mxnet-audio serve --model-dir models
      mxnet-audio serve --model-dir songs.onnx --index index --no-page
      MXNET_AUDIO_API_KEY=secret mxnet-audio serve --encoder yamnet --host 0.0.0.0
      curl -F file=@new.wav http://127.0.0.1:8000/v1/predict
    """
    given: dict[str, Any] = locals()
    models: dict[str, Any] = {"model_dir": model_dir, "encoder": encoder, "index": index, "speakers": speakers}
    if all(value is None for value in models.values()):
        raise typer.BadParameter(
            "give what to serve: --model-dir, --encoder, --index or --speakers", param_hint="serve"
        )
    if network is not None and model_dir is None:
        raise typer.BadParameter("needs --model-dir", param_hint="--network")
    EncoderChoice(encoder).check()
    given |= {"api_key": (os.environ.get(KEY) or None) if api_key is None else api_key, "allowed_origins": origin or ()}
    from mxnet_audio.serve import create_app, load_models, run
    from mxnet_audio.serve.access import is_local

    settings = _settings(given)
    if settings.api_key is None and not is_local(host):
        print_message(f"everybody who reaches {host} may use this server: set {KEY} to demand a key")
    app = create_app(load_models(**models, network=network and network.value, gpu=gpu), settings)
    run(app, host, port, settings, on_start=lambda address: print_lines(f"serving at {address}"))


def _settings(given: dict[str, Any]) -> ServeSettings:
    """Return the settings; a wrong value, whose message begins with its name, is a wrong option."""
    from mxnet_audio.serve import ServeSettings

    try:
        return ServeSettings(**{field.name: given[field.name] for field in fields(ServeSettings)})
    except ParameterError as error:
        name, _, reason = error.reason.partition(" ")
        option = "--origin" if name == "allowed_origins" else f"--{name.replace('_', '-')}"
        raise typer.BadParameter(reason, param_hint=option) from None
