"""Registry of published weights: where they are, their hashes, licences, citations, and what they compute."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from mxnet_audio.atomic import read_json
from mxnet_audio.checks import one_of
from mxnet_audio.errors import ParameterError
from mxnet_audio.weights.hub_records import HUB_RECORDS
from mxnet_audio.weights.records import Package, PublishedFile, Record
from mxnet_audio.weights.tags import MAGNATAGATUNE, MILLION_SONG

__all__ = ["call_with_type", "check_name", "names", "record"]

_YAMNET = "yamnet_audio_classifier_with_metadata.tflite"
_PATCHES = "log-mel power spectrogram, 16 kHz, 96 bands, patches of 3 s"
_MUSICNN_REMARK = (
    "the package says nothing else on its weights; the same institute distributes them with Essentia under "
    "CC BY-NC-SA 4.0"
)
_MUSICNN_CITATION = """\
@inproceedings{pons2019musicnn,
  title = {musicnn: Pre-trained convolutional neural networks for music audio tagging},
  author = {Pons, Jordi and Serra, Xavier},
  booktitle = {Late-breaking/demo session, 20th International Society for Music Information Retrieval Conference},
  year = {2019}
}"""


def _musicnn(name: str, network: str, folder: str, *hashes: str) -> Record:
    """Describe one of the four networks of the package musicnn; `hashes` are those of its index and its data."""
    vgg, million = "vgg" in folder, folder.startswith("MSD")
    sizes = (2_994, 7_274_112) if vgg else (4_948, 9_465_596)
    songs = "the Million Song Dataset" if million else "MagnaTagATune"
    return Record(
        name=name,
        network=network,
        domain="music",
        summary=f"{'Convolutional network' if vgg else 'Musically motivated network'}, 50 tags of {songs}",
        front_end=_PATCHES,
        embeddings={"pool5": 256} if vgg else {"max_pool": 753, "penultimate": 200},
        embedding="pool5" if vgg else "max_pool",
        files=tuple(map(PublishedFile, (".index", ".data-00000-of-00001"), sizes, hashes)),
        licence="ISC",
        citation=_MUSICNN_CITATION,
        package=Package("musicnn", "0.1.0", f"musicnn/{folder}"),
        n_tags=50,
        tags=MILLION_SONG if million else MAGNATAGATUNE,
        remark=_MUSICNN_REMARK,
    )


_RECORDS = {
    found.name: found
    for found in (
        Record(
            name="yamnet",
            network="yamnet",
            domain="sound",
            summary="YAMNet, 521 classes of AudioSet",
            front_end="log-mel magnitude spectrogram, 16 kHz, 64 bands, patches of 0.96 s",
            embeddings={"mean": 1024, "mean_std": 2048},
            embedding="mean",
            files=(
                PublishedFile(
                    _YAMNET,
                    4_126_810,
                    "10c95ea3eb9a7bb4cb8bddf6feb023250381008177ac162ce169694d05c317de",
                    (
                        f"https://storage.googleapis.com/mediapipe-assets/{_YAMNET}?generation=1661875980774466",
                        "https://raw.githubusercontent.com/tensorflow/tflite-support/"
                        "f606e3f59240d71fd37d23316822ff0bd1d531ef/tensorflow_lite_support/cc/test/testdata/task/audio/"
                        f"{_YAMNET}",
                    ),
                ),
            ),
            licence="Apache-2.0",
            citation="""\
@misc{plakal2020yamnet,
  title = {{YAMNet}},
  author = {Plakal, Manoj and Ellis, Dan},
  howpublished = {https://github.com/tensorflow/models/tree/master/research/audioset/yamnet},
  year = {2020}
}""",
            n_tags=521,
            tag_list="yamnet_label_list.txt",
        ),
        _musicnn(
            "musicnn",
            "musicnn",
            "MSD_musicnn",
            "87f3e0f3550c8d3bafc840374003e5c8af5eeb5ecf6add61af09a7822d3282c8",
            "8579734ee6388f799ed0def4bbd0d1fdcbeaf213ef2a9dc860917bd76a303de6",
        ),
        _musicnn(
            "musicnn_mtt",
            "musicnn",
            "MTT_musicnn",
            "da2d7bb670b2b31e9bc441bb1bd75eca31b5b061f963cc1f9630c1aff3238f57",
            "041f3935e981a65cea739842d30c188d3a7d2adf4410955c8668eb3de4a5acab",
        ),
        _musicnn(
            "musicnn_vgg",
            "musicnn_vgg",
            "MSD_vgg",
            "50e499238457558bba9f34f8b84d4afb8279afd43520cdf0a4fdf805a49c9ca3",
            "9683d756b8311146534f333502ebf4a2a78a3e320c54ab0411dff6186d8375fc",
        ),
        _musicnn(
            "musicnn_vgg_mtt",
            "musicnn_vgg_mtt",
            "MTT_vgg",
            "4b0d3d2d02bbe0919c063c1fb74bfa9018ac3517e362d681b07444d4207a5f5f",
            "458f5c8bcecc086a3bba3dce83809df6da6e0a3560a59ddd84711bf3d5fd8303",
        ),
        Record(
            name="resemblyzer",
            network="ge2e_lstm",
            domain="voice",
            summary="Resemblyzer, voices of LibriSpeech and VoxCeleb 1 and 2, generalized end-to-end loss",
            front_end="mel power spectrogram, 16 kHz, 40 bands, parts of 1.6 s",
            embeddings={"voice": 256},
            embedding="voice",
            files=(
                PublishedFile(
                    "pretrained.pt",
                    17_090_379,
                    "39373b86598fa3da9fcddee6142382efe09777e8d37dc9c0561f41f0070f134e",
                ),
            ),
            licence="Apache-2.0",
            citation="""\
@inproceedings{wan2018generalized,
  title = {Generalized end-to-end loss for speaker verification},
  author = {Wan, Li and Wang, Quan and Papir, Alan and Lopez Moreno, Ignacio},
  booktitle = {IEEE International Conference on Acoustics, Speech and Signal Processing (ICASSP)},
  pages = {4879--4883},
  year = {2018}
}""",
            package=Package("Resemblyzer", "0.1.4", "resemblyzer"),
        ),
        *HUB_RECORDS,
    )
}


def names() -> list[str]:
    """List the names of the published weights.

    Examples
    --------
    >>> names()[:6]
    ['yamnet', 'musicnn', 'musicnn_mtt', 'musicnn_vgg', 'musicnn_vgg_mtt', 'resemblyzer']
    >>> names()[6:]
    ['wav2vec2', 'hubert', 'wavlm', 'whisper', 'ast', 'panns_cnn14', ..., 'panns_mobilenetv1', 'ecapa']
    """
    return list(_RECORDS)


def record(name: str) -> Record:
    """Return the record of published weights.

    Parameters
    ----------
    name : str
        One of `names`.

    Returns
    -------
    Record

    Raises
    ------
    ParameterError
        If there is no such record.

    Examples
    --------
    >>> record("musicnn").embeddings
    {'max_pool': 753, 'penultimate': 200}
    """
    return _RECORDS[check_name("name", name)]


def check_name(argument: str, name: Any, *others: str) -> str:
    """Return a name of published weights.

    Parameters
    ----------
    argument : str
        Name of the argument, for the message.
    name : str
    *others : str
        Other names that are allowed.

    Returns
    -------
    str

    Raises
    ------
    ParameterError
        If there are no such weights. For a folder, or a model of the Hugging Face hub, the message says how to load it.

    Examples
    --------
    >>> check_name("encoder", "auto", "auto")
    'auto'
    >>> check_name("name", "microsoft/wavlm-large")
    Traceback (most recent call last):
    ...
    mxnet_audio.errors.ParameterError: name must be the type of a model, got 'microsoft/wavlm-large': ...
    """
    if isinstance(name, str) and name not in _RECORDS and ("/" in name or os.path.isdir(name)):  # noqa: PTH112
        raise ParameterError(f"{argument} must be the type of a model, got {name!r}: {call_with_type(name)}")
    return one_of(argument, name, [*others, *names()])


def call_with_type(source: Any) -> str:
    """Return the call, and the options, that load a folder or a model of the hub, with the type that it has.

    Examples
    --------
    >>> call_with_type("openai/whisper-tiny")
    "load_encoder('whisper', source='openai/whisper-tiny'), or --encoder whisper --source openai/whisper-tiny"
    """
    kind = _type_of(str(source))
    types = ", ".join(found.name for found in HUB_RECORDS if found.repository)
    name, note = (repr(kind), "") if kind else ("TYPE", f"; TYPE is one of {types}")
    return f"load_encoder({name}, source={str(source)!r}), or --encoder {kind or 'TYPE'} --source {source}{note}"


def _type_of(source: str) -> str | None:
    """Return the name of the record whose type a known model of the hub, or a folder, has; None for others."""
    try:
        kind = read_json(Path(source) / "config.json", 16 << 20).get("model_type")
    except (OSError, ValueError, AttributeError):  # no such file, no JSON, no object
        kind = None
    for found in HUB_RECORDS:
        if found.repository and (
            source in (found.repository, *found.other_repositories) or (found.model_type and found.model_type == kind)
        ):
            return found.name
    return None
