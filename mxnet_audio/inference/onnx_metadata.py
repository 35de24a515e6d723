"""Description that an exported .onnx file carries, and the checksum that shows damage. Needs neither MXNet nor onnx."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from mxnet_audio.errors import ModelError

__all__ = ["FORMAT", "PRODUCER", "Description", "checksum_entry", "is_exported", "is_intact"]

FORMAT = 1
PRODUCER = "mxnet-audio"


@dataclass(frozen=True)
class Description:
    """Description of an exported model: the metadata of its file, each attribute under its name, as JSON.

    Attributes
    ----------
    network : str
        Name of the network.
    labels : list of int or str
        Classes, in the order of the probabilities.
    features : dict
        Arguments of `AudioFeatureConfig`.
    model_id : str
        Identity of the embeddings.
    sr : int [Hz]
        Sampling rate of the input.
    n_samples : int
        Number of samples of one input.
    front_end : bool
        True if the graph takes samples, False if it takes features.
    crop : {'start', 'middle'}
        Part of a longer sound that is used.
    reach : float or None [s]
        Length that must be read for that; None: the whole sound.
    views : int
        Number of windows, or shifts, of a sound that outputs are averaged over.
    mxnet_audio : str
        Version that wrote the file.
    known : str or None
        Sounds that the model knows, as `known_sounds.to_text` writes them; None if it cannot tell unknown ones.

    Examples
    --------
    >>> description = Description('m5', [7, 9], {}, 'a1', 8000, 32000, True, 'middle', None, 1, '0.1.0')
    >>> description.metadata()['labels']
    '[7, 9]'
    >>> Description.of(description.metadata()) == description
    True
    """

    network: str
    labels: list[int | str]
    features: dict[str, Any]
    model_id: str
    sr: int
    n_samples: int
    front_end: bool
    crop: str
    reach: float | None
    views: int
    mxnet_audio: str
    known: str | None = None

    def metadata(self) -> dict[str, str]:
        """Return the format and all attributes as text."""
        return {
            name: json.dumps(value, ensure_ascii=False) for name, value in {"format": FORMAT, **asdict(self)}.items()
        }

    @classmethod
    def of(cls, metadata: Mapping[str, str]) -> Description:
        """Read the result of `metadata`.

        Raises
        ------
        ModelError
            If it is of another format, or damaged.
        """
        try:
            version = json.loads(metadata["format"])
            if version != FORMAT:
                raise ModelError(f"written in format {version}; this version of mxnet-audio reads format {FORMAT}")
            metadata = {"known": "null", **metadata}  # files of earlier versions lack it
            return cls(**{name: json.loads(metadata[name]) for name in cls.__dataclass_fields__})
        except (KeyError, TypeError, ValueError) as error:
            raise ModelError(f"damaged: missing or invalid in its description: {error}") from error


def is_exported(data: bytes) -> bool:
    """Return whether the beginning of a file names this package as its producer.

    The producer is field 2 of ModelProto and follows the format version: fields are written in their order.
    """
    name = PRODUCER.encode()
    return data[2:].startswith(bytes([0x12, len(name)]) + name)


def checksum_entry(body: bytes) -> bytes:
    """Encode the SHA-256 of a file's body as one more entry of the model's metadata, to be appended to the file.

    Concatenated Protocol Buffers messages are one message. This one is field 14 of ModelProto with a key and a
    value, each a field with its number and length.
    """
    return b"\x72\x4a\x0a\x06sha256\x12\x40" + hashlib.sha256(body).hexdigest().encode()


def is_intact(data: bytes) -> bool:
    """Return whether a file ends with the checksum of what precedes it."""
    length = len(checksum_entry(b""))
    return data[-length:] == checksum_entry(data[:-length])
