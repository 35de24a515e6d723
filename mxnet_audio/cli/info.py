"""``mxnet-audio info`` and ``demo``: what this machine can do, and the whole path on show."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Annotated

import typer

import mxnet_audio
from mxnet_audio.cli.options import AsJson
from mxnet_audio.cli.shell import emit, interactive, note

__all__ = ["demo", "info"]

PACKAGES = ("numpy", "scipy", "mxnet", "librosa", "soundfile", "soxr", "av", "audioread", "voyager", "annoy")
# As libsndfile names them: container, and the coding inside where the container says too little.
LIBSNDFILE = {
    "WAV": ("WAV", None),
    "AU": ("AU", None),
    "FLAC": ("FLAC", None),
    "Ogg Vorbis": ("OGG", "VORBIS"),
    "Opus": ("OGG", "OPUS"),
    "MP3": ("MP3", "MPEG_LAYER_III"),
}


def info(as_json: AsJson = False) -> None:
    """Show versions, sound formats and devices.

    \b
    Examples:
      mxnet-audio info
      mxnet-audio info --json
    """
    document = {
        "versions": {
            "mxnet_audio": mxnet_audio.__version__,
            "python": platform.python_version(),
            **_versions(),
        },
        "formats": _formats(),
        "devices": _devices(),
    }
    lines = [f"{name:<12} {value or 'not installed'}" for name, value in document["versions"].items()]
    lines += [
        "",
        *(f"{name:<12} {decoder or 'cannot be read'}" for name, decoder in document["formats"].items()),
    ]
    lines += ["", *(f"{name:<12} {value}" for name, value in document["devices"].items())]
    emit(document, "\n".join(lines), as_json)


def demo(
    output: Annotated[
        Path,
        typer.Option("--output", "-o", metavar="DIR", help="Folder for the model, the index and the pictures."),
    ] = Path("demo/output"),
    data: Annotated[
        Path | None,
        typer.Option(metavar="DATA", help="Your own sounds, as for `mxnet-audio train`. [default: made here]"),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show the whole path; needs no network.

    Sound is made, a classifier trained, held-out clips are labelled and embedded, an index is searched and
    pictures are drawn.

    \b
    Examples:
      mxnet-audio demo
      mxnet-audio demo --data songs/ --output songs-demo
    """
    from mxnet_audio.cli.tour import run

    figures = run(output, data=data, say=note if as_json else typer.echo, progress=interactive())
    if as_json:
        emit(figures, "", as_json)


def _versions() -> dict[str, str | None]:
    found = {}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = None
        if name == "soundfile":
            import soundfile

            found["libsndfile"] = soundfile.__libsndfile_version__
    return found


def _formats() -> dict[str, str | None]:
    """Name the decoder of each format, None where there is none, in the order in which they are tried."""
    import soundfile

    known = soundfile.available_formats()
    fallback = _fallback()
    formats = {}
    for name, (container, coding) in LIBSNDFILE.items():
        reads = container in known and (coding is None or coding in soundfile.available_subtypes(container))
        formats[name] = "libsndfile" if reads else fallback
    return {**formats, "M4A/AAC": fallback}


def _fallback() -> str | None:
    """Name what reads the formats that libsndfile does not."""
    try:
        import av

        if "aac" in av.codecs_available:
            return "PyAV"
    except ImportError:
        pass
    import audioread
    from audioread.rawread import RawAudioFile

    system = [backend.__name__ for backend in audioread.available_backends() if backend is not RawAudioFile]
    return f"audioread ({', '.join(system)})" if system else None


def _devices() -> dict[str, int | str]:
    from mxnet_audio.parallel import USABLE_CPUS

    try:
        from mxnet_audio.engine import mx

        gpus = mx.context.num_gpus()
    except Exception as error:  # whatever keeps MXNet from loading is just what this command is asked for
        gpus = f"unknown: {error}"
    return {"cpus": USABLE_CPUS, "gpus": gpus}
