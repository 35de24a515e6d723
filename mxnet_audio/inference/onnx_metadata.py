"""What an .onnx file of ours says of itself, and the seal that shows damage. Needs neither MXNet nor onnx."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from mxnet_audio.errors import ModelError

__all__ = ["FORMAT", "PRODUCER", "Description", "ours", "seal", "sealed"]

FORMAT = 1
PRODUCER = "mxnet-audio"


@dataclass(frozen=True)
class Description:
    """A model in words and numbers: the metadata of its file, each under its name, as JSON.

    Attributes
    ----------
    network : str
        Name of the network.
    labels : list of int or str
        Classes, in the order of the probabilities.
    features : dict
        What `AudioFeatureConfig` is made of.
    model_id : str
        Identity of the vectors.
    sr : int [Hz]
        Rate that sound is brought to.
    n_samples : int
        Samples that make one input.
    front_end : bool
        Whether the graph takes samples, and not features.
    crop : {'start', 'middle'}
        The part of a longer sound that is taken.
    reach : float or None [s]
        How much of a sound need be read for that; None: all.
    views : int
        Windows, or shifts, of a sound to average over.
    mxnet_audio : str
        Version that wrote the file.

    Examples
    --------
    >>> said = Description('m5', [7, 9], {}, 'a1', 8000, 32000, True, 'middle', None, 1, '0.1.0')
    >>> said.metadata()['labels']
    '[7, 9]'
    >>> Description.of(said.metadata()) == said
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

    def metadata(self) -> dict[str, str]:
        """Format and all attributes as text."""
        return {
            name: json.dumps(value, ensure_ascii=False) for name, value in {"format": FORMAT, **asdict(self)}.items()
        }

    @classmethod
    def of(cls, metadata: Mapping[str, str]) -> Description:
        """Read what `metadata` wrote; ModelError if it is of another format, or damaged."""
        try:
            version = json.loads(metadata["format"])
            if version != FORMAT:
                raise ModelError(f"written in format {version}; this version of mxnet-audio reads {FORMAT}")
            return cls(**{name: json.loads(metadata[name]) for name in cls.__dataclass_fields__})
        except (KeyError, TypeError, ValueError) as error:
            raise ModelError(f"damaged: its description lacks or misstates {error}") from error


def ours(data: bytes) -> bool:
    """Whether a file says at its start that we have written it.

    That is field 2 of ModelProto, after the version of the format alone: fields are written in their order.
    """
    name = PRODUCER.encode()
    return data[2:].startswith(bytes([0x12, len(name)]) + name)


def seal(body: bytes) -> bytes:
    """The end of a file that begins with `body`: its SHA-256, as one more entry of the model's metadata.

    Messages of Protocol Buffers that are joined are one message. This one is field 14 of ModelProto with a key and a
    value, each a field with its number and length.
    """
    return b"\x72\x4a\x0a\x06sha256\x12\x40" + hashlib.sha256(body).hexdigest().encode()


def sealed(data: bytes) -> bool:
    """Whether a file is as it was written."""
    length = len(seal(b""))
    return data[-length:] == seal(data[:-length])
