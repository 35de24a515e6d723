"""Client of `mxnet-audio serve`: the calls and results of the package, computed by a server. It needs no extra."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, BinaryIO
from urllib.parse import quote

import numpy as np

from mxnet_audio.atomic import replacing
from mxnet_audio.audio.source import source_name
from mxnet_audio.checks import path_argument, shown
from mxnet_audio.errors import AudioDecodeError, InvalidAudioError, ParameterError
from mxnet_audio.events import Event
from mxnet_audio.inference.results import Prediction
from mxnet_audio.search import Neighbour
from mxnet_audio.serve.connection import Connection
from mxnet_audio.serve.sending import open_body

__all__ = ["Client", "FoundSound"]


class FoundSound(Neighbour):
    """Sound that the server's index holds: a `Neighbour`, the tuple ``(path, distance)``, with more attributes.

    Attributes
    ----------
    path : str
        Name that the server shows for the sound.
    distance : float
        As of the index; nearest first.
    id : str
        Identity for `Client.audio` and `Client.save_audio`; not an item of the tuple.
    start, end : float [s] or None
        Part of the sound that is nearest, if it was asked for; not items of the tuple.

    Examples
    --------
    >>> found = FoundSound("songs/a.wav", 0.25, id="b9c1")
    >>> path, distance = found
    >>> found
    FoundSound(path='songs/a.wav', distance=0.25, id='b9c1', start=None, end=None)
    """

    id: str
    start: float | None
    end: float | None

    def __new__(
        cls, path: str, distance: float, *, id: str = "", start: float | None = None, end: float | None = None
    ) -> FoundSound:
        """Make the tuple; the others become attributes."""
        found = super().__new__(cls, path, distance)
        found.id, found.start, found.end = id, start, end
        return found

    def __repr__(self) -> str:
        """Return one line with the items of the tuple and the attributes."""
        return f"{super().__repr__()[:-1]}, id={self.id!r}, start={self.start!r}, end={self.end!r})"


class Client:
    """Connection to a server that was started with ``mxnet-audio serve``.

    Its methods take a sound as the package's functions do: a path, a binary file object, the bytes of a file,
    ``(array, rate)``, or an entry of Hugging Face's datasets. Files are sent as they are, as a stream; arrays are sent
    as WAV. With ``on_server=True`` the sound is the path of a file in the folder that the server was given as
    ``--audio-root``, and nothing is sent.

    Threads can share one client. It closes its connections at the end of a ``with`` block, or by `close`.

    Parameters
    ----------
    base_url : str
        Address of the server, such as ``'http://127.0.0.1:8000'``. Behind a reverse proxy it can have a path.
    api_key : str, optional
        Key, if the server asks for one. It is sent in the header Authorization: over a network, use ``https``.
    timeout : float > 0 [s]
        Longest time to wait for the server: for its next bytes, and for another try while it is busy.

    Raises
    ------
    ParameterError
        If an argument is none of these.

    Notes
    -----
    These errors are common to all methods:

    AudioDecodeError
        The file is missing or cannot be opened, here or on the server.
    InvalidAudioError
        The server cannot use the sound, or it is larger or longer than the server accepts. The message is the server's.
    ParameterError
        An argument is out of range.
    ServerError
        The server cannot be reached, does not answer in time, refuses the key, is busy for longer than `timeout`, has
        no model or index for this call, or fails.

    Examples
    --------
    >>> client = Client("http://127.0.0.1:8000", api_key="secret")
    >>> client
    Client('http://127.0.0.1:8000')
    >>> client.predict("clip.wav").top(1)                       # doctest: +SKIP
    [('jazz', 0.9946497082710266)]
    >>> client.search("clip.wav", top_k=1)                      # doctest: +SKIP
    [FoundSound(path='songs/jazz/02.wav', distance=0.0424..., id='b9c1...', start=None, end=None)]
    """

    def __init__(self, base_url: str, api_key: str | None = None, timeout: float = 60.0):
        self._connection = Connection(base_url, api_key, timeout)

    def __repr__(self) -> str:
        """Return one line with the address."""
        return f"Client({self._connection.base_url!r})"

    def __enter__(self) -> Client:
        """Return the client itself."""
        return self

    def __exit__(self, *error: object) -> None:
        """Close the connections."""
        self.close()

    def close(self) -> None:
        """Close the connections; the next call opens new ones."""
        self._connection.close()

    def predict(self, sound: Any, top_k: int = 5, *, channel: str | int = "mix", on_server: bool = False) -> Prediction:
        """Return the label of one sound, and the probabilities of the most probable classes.

        Parameters
        ----------
        sound : str or os.PathLike or binary file object or bytes or (np.ndarray, rate) or mapping
            See the class.
        top_k : int > 0
            Number of classes.
        channel : {'mix', 'left', 'right'} or int >= 0
            Channel to use; 'mix' is the average of all.
        on_server : bool
            The sound is the path of a file of the server.

        Returns
        -------
        Prediction
            `labels` and `probabilities` are those of the `top_k` most probable classes, best first.
        """
        answer = self._compute("/v1/predict", sound, on_server, top_k=top_k, channel=channel)
        with self._connection.reading():
            label = answer["label"]
            return _prediction(sound, tuple(label) if isinstance(label, list) else label, answer["top"], "probability")

    def tags(self, sound: Any, top_k: int = 10, *, channel: str | int = "mix", on_server: bool = False) -> Prediction:
        """Return the best tags of one sound, with their scores, by the server's encoder; parameters as in `predict`.

        Returns
        -------
        Prediction
            As of `mxnet_audio.AudioTagger`, with the `top_k` best tags: ``top(3)`` lists (tag, score).
        """
        answer = self._compute("/v1/tags", sound, on_server, top_k=top_k, channel=channel)
        with self._connection.reading():
            tags = answer["tags"]
            return _prediction(sound, tags[0]["label"] if tags else None, tags, "score", answer["encoder"])

    def embed(self, sound: Any, *, channel: str | int = "mix", on_server: bool = False) -> np.ndarray:
        """Compute the embedding of one sound; parameters as in `predict`.

        Returns
        -------
        np.ndarray [shape=(dim,)], float32
            The vector that `encode_audio` of the same model computes.
        """
        answer = self._compute("/v1/embed", sound, on_server, channel=channel)
        with self._connection.reading():
            vector = np.array(answer["vector"], np.float32)
            if vector.ndim != 1:
                raise ValueError("no vector")
            return vector

    def events(
        self,
        sound: Any,
        threshold: float | None = None,
        *,
        label: str | list[str] | None = None,
        min_duration: float | None = None,
        max_gap: float | None = None,
        window: float | None = None,
        hop: float | None = None,
        channel: str | int = "mix",
        on_server: bool = False,
    ) -> list[Event]:
        """Find the events of a long recording.

        Parameters
        ----------
        sound, channel, on_server
            As in `predict`.
        threshold, min_duration, max_gap : float, optional
            As of `mxnet_audio.events.find_events`; the server's defaults are those of ``mxnet-audio events``.
        label : str or list of str, optional
            Labels to look for; all by default.
        window, hop : float [s], optional
            Length of a window, and time from the start of one to the start of the next.

        Returns
        -------
        list of Event
            In the order of their starts.
        """
        limits = {"threshold": threshold, "min_duration": min_duration, "max_gap": max_gap, "label": label}
        answer = self._compute("/v1/events", sound, on_server, **limits, window=window, hop=hop, channel=channel)
        with self._connection.reading():
            return [Event(*(each[name] for name in Event._fields)) for each in answer["events"]]

    def search(
        self,
        sound: Any,
        top_k: int = 10,
        *,
        windows: bool = False,
        where: str | None = None,
        channel: str | int = "mix",
        on_server: bool = False,
    ) -> list[FoundSound]:
        """Find the most similar sounds of the server's index.

        Parameters
        ----------
        sound, top_k, channel, on_server
            As in `predict`.
        windows : bool
            Also find the part of each of the first ten sounds that is most like the query: `start` and `end`, which
            are None for the others.
        where : str, optional
            Condition on the metadata of an index on a Milvus server.

        Returns
        -------
        list of FoundSound
            Nearest first.
        """
        options = {"top_k": top_k, "windows": "true" if windows else None, "where": where}
        answer = self._compute("/v1/search", sound, on_server, **options, channel=channel)
        with self._connection.reading():
            return [
                FoundSound(each["name"], each["distance"], id=each["id"], start=each.get("start"), end=each.get("end"))
                for each in answer["neighbours"]
            ]

    def audio(self, id: str) -> bytes:
        """Return the file of a sound that `search` has found.

        Parameters
        ----------
        id : str
            `FoundSound.id`.

        Returns
        -------
        bytes
            The encoded file, which `mxnet_audio.audio.load` takes.
        """
        file = io.BytesIO()
        self._download(id, file)
        return file.getvalue()

    def save_audio(self, id: str, path: str | os.PathLike) -> None:
        """Write the file of a sound that `search` has found, as a stream: completely or not at all.

        Parameters
        ----------
        id : str
            `FoundSound.id`.
        path : str or os.PathLike
            File to write.

        Raises
        ------
        OSError
            If the file cannot be written.
        """
        with replacing(path_argument("path", path)) as temporary, temporary.open("wb") as file:
            self._download(id, file)

    def models(self) -> dict[str, Any]:
        """Return the description of the server's models: labels, sampling rates, lengths and identities."""
        return self._connection.answer("GET", "/v1/models")

    def ready(self) -> bool:
        """Return True if the server answers, and its models are loaded."""
        return self._connection.succeeds("/readyz")

    def reload(self) -> dict[str, Any]:
        """Make the server read its index again; return its answer."""
        return self._connection.answer("POST", "/v1/reload")

    def _compute(self, route: str, sound: Any, on_server: bool, **query: Any) -> dict[str, Any]:
        """Send a sound, and return the answer."""
        if on_server:
            name = path_argument("sound", sound).as_posix()
            with _naming(name, shown_as=name):
                return self._connection.answer("POST", route, params=query, json={"path": name})
        with _naming(source_name(sound), shown_as="sound"), ExitStack() as stack:
            body = open_body(sound, stack)
            return self._connection.answer("POST", route, params=query, data=body, headers={"Content-Type": body.type})

    def _download(self, id: str, file: BinaryIO) -> None:
        if not isinstance(id, str) or not id:
            raise ParameterError(f"id must be that of a found sound, got {shown(id)}")
        with _naming(id):
            for block in self._connection.blocks(f"/v1/audio/{quote(id, safe='')}"):
                file.write(block)


@contextmanager
def _naming(name: str | None, shown_as: str = "") -> Iterator[None]:
    """Give errors of a sound its name in this process, in place of the server's name of it."""
    try:
        yield
    except (AudioDecodeError, InvalidAudioError) as error:
        if error.path is not None:
            raise
        raise type(error)(error.reason.removeprefix(f"{shown_as}: "), name) from None


def _prediction(
    sound: Any, label: Any, best: list[dict[str, Any]], score: str, encoder: str | None = None
) -> Prediction:
    """Return the result for the labels of an answer."""
    labels = [each["label"] for each in best]
    scores = np.array([each[score] for each in best], np.float32)
    return Prediction(source_name(sound), label, scores, labels=labels, encoder=encoder)
