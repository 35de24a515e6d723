"""Jobs: what is computed of each file, and by which model, as plain values that travel to the workers."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from mxnet_audio.audio.channel import check_channel
from mxnet_audio.audio.source import source_name
from mxnet_audio.checks import iterable_argument, path_argument, real_number, whole_number
from mxnet_audio.errors import AudioError, ParameterError

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["EmbedJob", "EventsJob", "IndexJob", "Job", "Rows", "TagJob"]

Rows = tuple[list[dict[str, Any]], AudioError | None]  # rows of one sound, or the reason why there are none


@dataclass(frozen=True, kw_only=True)
class Job:
    """Base of the jobs: the model, and the channel of the sounds.

    Parameters
    ----------
    encoder, embedding, source, revision : str, optional
        Pretrained encoder, as for `mxnet_audio.pretrained.load_encoder`; one of `encoder` and `model_dir` is given.
    model_dir : str, optional
        Folder of a trained classifier, or an .onnx file.
    network : str, optional
        Name of the network, if the folder holds several models.
    channel : {'mix', 'left', 'right', 'each'} or int >= 0
        Channel of each file to use; 'each' makes every channel a sound of its own.
    gpu : int >= 0, optional
        Number of the GPU of each worker; the CPU by default.

    Raises
    ------
    ParameterError
        If an argument is out of range, or contradicts another.
    """

    encoder: str | None = None
    embedding: str | None = None
    source: str | None = None
    revision: str | None = None
    model_dir: str | None = None
    network: str | None = None
    channel: str | int = "mix"
    gpu: int | None = None

    tags: ClassVar[bool] = False  # scores of an encoder, not vectors, are computed
    kind: ClassVar[str]

    def __post_init__(self) -> None:
        if (self.encoder is None) == (self.model_dir is None):
            raise ParameterError(
                f"one of encoder and model_dir must be given, got {self.encoder!r} and {self.model_dir!r}"
            )
        if self.encoder is not None:
            from mxnet_audio.weights.registry import check_name

            check_name("encoder", self.encoder, "auto")
        # The values are stored as JSON with the results: numbers of NumPy become plain ones.
        self._set(channel=check_channel(self.channel, each=True))
        if self.gpu is not None:
            self._set(gpu=whole_number("gpu", self.gpu, 0))
        # Paths are absolute, since workers run in other folders.
        for name in ("model_dir", "source"):
            value = getattr(self, name)
            if value is not None and (name == "model_dir" or Path(value).exists()):
                self._set(**{name: os.fspath(path_argument(name, value).absolute())})

    def _set(self, **values: Any) -> None:
        """Set fields while the job is made; it is frozen afterwards."""
        for name, value in values.items():
            object.__setattr__(self, name, value)

    @property
    def model_name(self) -> str:
        """Name of the model for messages."""
        return self.model_dir or (self.encoder or "") + (f" of {self.source}" if self.source else "")

    @property
    def settings(self) -> dict[str, Any]:
        """Settings that the results depend on, besides the model."""
        model = {"encoder", "embedding", "source", "revision", "model_dir", "network", "gpu"}
        values = {field.name: getattr(self, field.name) for field in fields(self) if field.name not in model}
        return {"job": self.kind, **{name: list(v) if isinstance(v, tuple) else v for name, v in values.items()}}

    def check(self, model: Any) -> None:
        """Check the settings that depend on the model, before the work begins."""
        if self.tags and not model.labels:
            raise ParameterError("has no classes: choose a model that was trained to classify", self.model_name)

    def schema(self, model: Any) -> pa.Schema:
        """Return the columns of the results; the first is ``path``."""
        raise NotImplementedError

    def rows(self, model: Any, sounds: Iterable[Any]) -> Iterator[Rows]:
        """Yield the rows of each sound, in order."""
        raise NotImplementedError


class EmbedJob(Job):
    """Vectors (embeddings) of files: columns ``path`` and ``vector``; parameters as of `Job`.

    Examples
    --------
    >>> EmbedJob(encoder="yamnet").settings
    {'job': 'embed', 'channel': 'mix'}
    """

    kind = "embed"

    def schema(self, model: Any) -> pa.Schema:
        """Return the columns of the results."""
        import pyarrow as pa

        return pa.schema([("path", pa.string()), ("vector", pa.list_(pa.float32(), model.embedding_dim))])

    def rows(self, model: Any, sounds: Iterable[Any]) -> Iterator[Rows]:
        """Yield the rows of each sound, in order."""
        for path, vector, error in model.encode_many(sounds):
            yield [] if error else [{"path": path, "vector": vector}], error


@dataclass(frozen=True, kw_only=True)
class TagJob(Job):
    """Most probable tags or classes of files: columns ``path``, ``labels`` and ``scores``, the best first.

    Parameters
    ----------
    top_k : int > 0
        Number of tags of each sound; all of them if there are fewer.
    """

    top_k: int = 5

    tags = True
    kind = "tag"

    def __post_init__(self) -> None:
        super().__post_init__()
        self._set(top_k=whole_number("top_k", self.top_k))

    def schema(self, model: Any) -> pa.Schema:
        """Return the columns of the results."""
        import pyarrow as pa

        return pa.schema([
            ("path", pa.string()),
            ("labels", pa.list_(pa.string())),
            ("scores", pa.list_(pa.float32())),
        ])  # fmt: skip

    def rows(self, model: Any, sounds: Iterable[Any]) -> Iterator[Rows]:
        """Yield the rows of each sound, in order."""
        for prediction in model.predict_many(sounds):
            if prediction.error is not None:
                yield [], prediction.error
                continue
            best = prediction.top(self.top_k)
            labels, scores = [str(label) for label, _ in best], [score for _, score in best]
            yield [{"path": prediction.path, "labels": labels, "scores": scores}], None


@dataclass(frozen=True, kw_only=True)
class EventsJob(Job):
    """Events in files: columns ``path``, ``start`` and ``end`` [s], ``label`` and ``score``, a row for each event.

    Parameters
    ----------
    window, hop : float > 0 [s], optional
        As for `AudioTagger.predict_timeline`.
    threshold : float > 0, optional
        Lowest score of an event, at most 1; by default the thresholds of the model if it has them, or 0.5.
    labels : tuple of str, optional
        Labels to look for; all by default.
    min_duration, max_gap : float >= 0 [s]
        As for `mxnet_audio.events.find_events`.
    """

    window: float | None = None
    hop: float | None = None
    threshold: float | None = None
    labels: tuple[str, ...] | None = None
    min_duration: float = 0.0
    max_gap: float = 0.0

    tags = True
    kind = "events"

    def __post_init__(self) -> None:
        super().__post_init__()
        check_channel(self.channel)
        self._set(**{name: real_number(name, getattr(self, name), 0.0) for name in ("min_duration", "max_gap")})
        if self.threshold is not None:
            self._set(threshold=real_number("threshold", self.threshold, maximum=1.0, above=0.0))
        for name in ("window", "hop"):
            if getattr(self, name) is not None:
                self._set(**{name: real_number(name, getattr(self, name), above=0.0)})
        if self.labels is not None:
            self._set(labels=tuple(map(str, iterable_argument("labels", self.labels, "labels"))))

    def check(self, model: Any) -> None:
        """Check the windows and the labels, too."""
        super().check(model)
        self._thresholds(model)
        model.iter_timeline((np.zeros(1, np.float32), 8000), self.window, self.hop)  # reads nothing yet

    def schema(self, model: Any) -> pa.Schema:
        """Return the columns of the results."""
        import pyarrow as pa

        numbers = [(name, pa.float64()) for name in ("start", "end")]
        return pa.schema([("path", pa.string()), *numbers, ("label", pa.string()), ("score", pa.float32())])

    def rows(self, model: Any, sounds: Iterable[Any]) -> Iterator[Rows]:
        """Yield the rows of each sound, in order; long sounds are read as streams, one after the other."""
        from mxnet_audio.events import find_events

        thresholds = self._thresholds(model)
        for sound in sounds:
            name = source_name(sound)
            try:
                timeline = model.iter_timeline(sound, self.window, self.hop)
                events = find_events(timeline, thresholds, min_duration=self.min_duration, max_gap=self.max_gap)
                yield [{"path": name, **event._asdict(), "label": str(event.label)} for event in sorted(events)], None
            except AudioError as error:
                yield [], error

    def _thresholds(self, model: Any) -> dict[Any, float]:
        from mxnet_audio.events import label_thresholds

        defaults = getattr(model, "thresholds", None)  # of a model of several labels a clip
        return label_thresholds(model.labels, self.threshold, self.labels, defaults)


@dataclass(frozen=True, kw_only=True)
class IndexJob(EmbedJob):
    """Vectors of files as entries of a Milvus collection, which workers write to themselves.

    Parameters
    ----------
    uri, collection : str
        Server and collection.
    token, database, metric, index_type, index_params, consistency, tls
        As for `mxnet_audio.search.MilvusIndex`.
    partition : str, optional
        Partition of the collection; entries that are in the collection stay in theirs by default.
    """

    uri: str
    collection: str
    token: str | None = None
    database: str | None = None
    metric: str = "cosine"
    partition: str | None = None
    index_type: str | None = None
    index_params: dict[str, Any] | None = None
    consistency: str = "Session"
    tls: dict[str, str] | None = None

    kind = "index"

    def index(self, model_id: str | None = None) -> Any:
        """Return the `MilvusIndex`; nothing is asked of the server yet."""
        from mxnet_audio.search import MilvusIndex

        return MilvusIndex(
            self.uri,
            self.collection,
            model_id=model_id,
            metric=self.metric,
            token=self.token,
            database=self.database,
            index_type=self.index_type,
            index_params=self.index_params,
            consistency=self.consistency,
            tls=self.tls,
        )

    def __repr__(self) -> str:
        """Return one line without the token."""
        return f"IndexJob(model={self.model_name!r}, collection={self.collection!r})"
