"""Single channels of a sound: one by name or number, or each of them as a sound of its own."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from mxnet_audio.audio.mix import mixed
from mxnet_audio.audio.opened import open_source, rereadable
from mxnet_audio.audio.source import source_identity, source_name
from mxnet_audio.audio.stream import Stream
from mxnet_audio.checks import iterable_argument, whole_number
from mxnet_audio.errors import AudioError, InvalidAudioError, ParameterError

__all__ = ["Channel", "channel_sources", "check_channel", "file_of", "one_channel"]

_NUMBERS = {"left": 0, "right": 1}
_SUFFIX = re.compile(r" \[(?:left|right|[1-9]\d{0,3})\]$")


@dataclass(frozen=True)
class Channel:
    """Source of sound that is one channel of another, or the mix of all.

    It can be loaded like any other source, and is decoded block by block.

    Parameters
    ----------
    source : as for `mxnet_audio.audio.load`
        Sound with one or more channels.
    channel : {'mix', 'left', 'right'} or int >= 0
        Channel to use; 'left' is 0 and 'right' is 1. 'mix' is the average of all.
    name : str or None
        Name for messages and results; by default the source's.

    Raises
    ------
    ParameterError
        ``channel`` is none of these. A channel that the sound does not have is an InvalidAudioError of `load`.

    See Also
    --------
    channel_sources : channels of many sounds.

    Examples
    --------
    >>> from mxnet_audio import audio
    >>> call = (np.array([[0.5, 0.5], [0.0, -0.5]]), 8000)
    >>> audio.load(Channel(call, "right"))[0], audio.load(Channel(call, "mix"))[0]
    (array([ 0. , -0.5], dtype=float32), array([0.25, 0.  ], dtype=float32))
    """

    source: Any
    channel: str | int
    name: str | None = None

    def __post_init__(self):
        object.__setattr__(self, "channel", check_channel(self.channel))
        if self.name is None:
            object.__setattr__(self, "name", source_name(self.source))

    @property
    def change(self) -> str:
        """Text that tells this channel from the others of the source."""
        return f"channel {_NUMBERS.get(str(self.channel), self.channel)}"

    def identity(self) -> str:
        """Return a text that changes when the sound changes, as `source_identity`."""
        return f"{source_identity(self.source)}\0{self.change}"

    @contextmanager
    def opened(self) -> Iterator[Stream]:
        """Open the sound as a stream of this channel; errors as `mxnet_audio.audio.load`."""
        with open_source(self.source) as stream:
            yield one_channel(stream, self.channel, self.name)


def channel_sources(sources: Iterable[Any], channel: str | int = "mix") -> Iterator[Any]:
    """Return the sounds of a channel of each source, as sources.

    Parameters
    ----------
    sources : iterable of sources, each as for `mxnet_audio.audio.load`
        Sounds, with any number of channels.
    channel : {'mix', 'left', 'right', 'each'} or int >= 0
        'mix' gives the sources themselves, whose channels are averaged when they are loaded; a name or number gives
        that channel of each source, under the source's name. 'each' gives every channel as a sound of its own, named
        ``call.wav [left]`` and ``call.wav [right]``, or of three and more channels ``call.wav [1]``, ``call.wav [2]``
        and so on; a sound of one channel, and one that cannot be opened, is given as it is.

    Returns
    -------
    iterator of sources
        They are made when they are asked for, and 'each' reads the headers then.

    Raises
    ------
    ParameterError
        ``channel`` is none of these, or ``sources`` cannot be iterated over.

    See Also
    --------
    file_of : the file of such a name.

    Examples
    --------
    >>> stereo = {"array": np.zeros((2, 8)), "sampling_rate": 8000, "path": "call.wav"}
    >>> [source.name for source in channel_sources([stereo], "each")]
    ['call.wav [left]', 'call.wav [right]']
    >>> list(channel_sources(["a.wav", "b.wav"]))
    ['a.wav', 'b.wav']
    """
    iterable_argument("sources", sources, "sounds")
    channel = check_channel(channel, each=True)
    if channel == "mix":
        return iter(sources)
    if channel == "each":
        return (part for row, source in enumerate(sources) for part in _each(source, row))
    return (Channel(source, channel) for source in sources)


def file_of(name: str) -> str:
    """Return the file of a sound's name, without the channel that `channel_sources` adds.

    Parameters
    ----------
    name : str
        Name of a sound.

    Returns
    -------
    str
        The name itself if it has no such ending, or is the name of a file.

    Examples
    --------
    >>> file_of("call.wav [left]"), file_of("call.wav")
    ('call.wav', 'call.wav')
    """
    ending = _SUFFIX.search(name)
    return name if ending is None or os.path.lexists(name) else name[: ending.start()]


def check_channel(channel: Any, *, each: bool = False) -> str | int:
    """Return a channel; raise ParameterError unless it is 'mix', 'left', 'right', a number, or if allowed 'each'."""
    words = ["mix", *_NUMBERS, *(["each"] if each else [])]
    if isinstance(channel, str) and channel in words:
        return channel
    try:
        return whole_number("channel", channel, 0)
    except ParameterError:
        choices = f"{', '.join(map(repr, words))} or a whole number >= 0"
        raise ParameterError(f"channel must be {choices}, got {channel!r}") from None


def one_channel(stream: Stream, channel: str | int, name: str | None = None) -> Stream:
    """Return a stream of one channel or of the mix, with a name for warnings; InvalidAudioError if there is none."""
    if channel == "mix":
        return mixed(stream, name)
    number = _NUMBERS[channel] if isinstance(channel, str) else channel
    if number >= stream.channels:
        having = "one channel" if stream.channels == 1 else f"channels 0 to {stream.channels - 1}"
        raise InvalidAudioError(f"there is no channel {channel!r}: the sound has {having}", stream.path)
    if stream.channels == 1:
        return stream

    def blocks(start: int, count: int | None) -> Iterator[np.ndarray]:
        for block in stream.blocks(start, count):
            yield block[:, number : number + 1]

    return replace(stream, channels=1, blocks=blocks)


def _each(source: Any, row: int) -> Iterator[Any]:
    """Yield each channel of a sound as a source."""
    count = 1
    with suppress(AudioError):  # loading it raises the error
        source = rereadable(source, at_once=True)
        with open_source(source) as stream:
            count = stream.channels
    if count == 1:
        yield source
        return
    name = source_name(source) or f"item {row}"
    for number, word in enumerate(_NUMBERS if count == 2 else range(1, count + 1)):
        yield Channel(source, number, f"{name} [{word}]")
