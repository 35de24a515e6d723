"""``mxnet-audio info``: show versions, sound formats and devices."""

from __future__ import annotations

import platform
import shutil

import mxnet_audio
from mxnet_audio.cli.options import AsJson
from mxnet_audio.cli.output import print_result

__all__ = ["info"]

PACKAGES = ("numpy", "scipy", "mxnet", "librosa", "soundfile", "soxr", "av", "audioread", "voyager", "annoy")
# Container and subtype in libsndfile's names; None where the container is enough.
LIBSNDFILE_FORMATS = {
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
    versions = {"mxnet_audio": mxnet_audio.__version__, "python": platform.python_version(), **_versions()}
    formats, devices = _formats(), _devices()
    lines = [f"{name:<12} {value or 'not installed'}" for name, value in versions.items()]
    lines += ["", *(f"{name:<12} {decoder or 'cannot be read'}" for name, decoder in formats.items())]
    lines += ["", *(f"{name:<12} {value}" for name, value in devices.items())]
    print_result({"versions": versions, "formats": formats, "devices": devices}, lines, as_json)


def _versions() -> dict[str, str | None]:
    """Return the version of each package; None if it is not installed."""
    from importlib.metadata import PackageNotFoundError, version

    found: dict[str, str | None] = {}
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
    """Return the decoder of each format, the first one that is tried; None if there is none."""
    import soundfile

    containers = soundfile.available_formats()
    fallback = _fallback_decoder()
    formats: dict[str, str | None] = {}
    for name, (container, subtype) in LIBSNDFILE_FORMATS.items():
        supported = container in containers and (subtype is None or subtype in soundfile.available_subtypes(container))
        formats[name] = "libsndfile" if supported else fallback
    return {**formats, "M4A/AAC": fallback}


def _fallback_decoder() -> str | None:
    """Return the decoder of the formats that libsndfile does not read."""
    try:
        import av

        if "aac" in av.codecs_available:
            return "PyAV"
    except ImportError:
        pass
    if shutil.which("ffmpeg"):
        return "ffmpeg"
    import audioread
    from audioread.rawread import RawAudioFile

    system = [backend.__name__ for backend in audioread.available_backends() if backend is not RawAudioFile]
    return f"audioread ({', '.join(system)})" if system else None


def _devices() -> dict[str, int | str]:
    """Count CPUs and GPUs. MXNet is imported: it counts the GPUs that it can use, and this shows whether it works."""
    from mxnet_audio.parallel import usable_cpus

    try:
        from mxnet_audio.engine import mx

        gpus = mx.context.num_gpus()
    except Exception as error:  # whatever it is: the command exists to show it
        gpus = f"unknown: {error}"
    return {"cpus": usable_cpus(), "gpus": gpus}
