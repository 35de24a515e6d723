"""Answers of the API, each with an example for the documentation."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

__all__ = [
    "EmbeddingAnswer",
    "EventsAnswer",
    "FoundEvent",
    "LabelProbability",
    "Limits",
    "ModelDescription",
    "ModelsAnswer",
    "PredictionAnswer",
    "ServedIndex",
    "ServedModel",
    "ServedSpeakers",
    "TagScore",
    "TagsAnswer",
]

Label = int | str

_MODEL_ID = Field(description="identity of its embeddings: it changes with the parameters")
_SECONDS = Field(description="length of the sound [s]")
_CIFAR10 = {"network": "cifar10", "model_id": "51c0a2f4b96e11d8"}
_YAMNET = {"network": "yamnet", "model_id": "a12f9c03d5e84b76"}


def _example(**values: Any) -> ConfigDict:
    """Return the configuration of an answer with an example."""
    return ConfigDict(json_schema_extra={"examples": [values]})


class LabelProbability(BaseModel):
    """Label and its probability."""

    label: Label
    probability: float


class TagScore(BaseModel):
    """Tag and its score, which is between 0 and 1; scores do not add up to 1."""

    label: Label
    score: float


class ModelDescription(BaseModel):
    """Model that gave an answer."""

    model_config = _example(**_CIFAR10)

    network: str = Field(description="name of the network or encoder")
    model_id: str = _MODEL_ID


class PredictionAnswer(BaseModel):
    """Label of a sound."""

    model_config = _example(
        label="dog",
        probability=0.93,
        top=[{"label": "dog", "probability": 0.93}, {"label": "rain", "probability": 0.07}],
        seconds=4.0,
        model=_CIFAR10,
    )

    label: Label | list[Label] = Field(
        description="most probable label; of a model of several labels a sound, all that apply"
    )
    probability: float = Field(description="probability of the most probable label")
    top: list[LabelProbability] = Field(description="most probable labels, best first")
    seconds: float = _SECONDS
    model: ModelDescription


class TagsAnswer(BaseModel):
    """Tags of a sound."""

    model_config = _example(
        tags=[{"label": "Water", "score": 0.78}, {"label": "Rain", "score": 0.75}], seconds=4.0, encoder="yamnet"
    )

    tags: list[TagScore] = Field(description="tags with the highest scores, best first")
    seconds: float = _SECONDS
    encoder: str = Field(description="encoder that gave the scores")


class EmbeddingAnswer(BaseModel):
    """Embedding of a sound."""

    model_config = _example(vector=[0.25, -0.5, 0.125], dim=3, model_id=_YAMNET["model_id"], seconds=4.0)

    vector: list[float]
    dim: int = Field(description="length of the vector")
    model_id: str = Field(description="identity of the model: vectors of other models cannot be compared with it")
    seconds: float = _SECONDS


class FoundEvent(BaseModel):
    """Part of a sound in which a label applies."""

    start: float = Field(description="[s]")
    end: float = Field(description="[s]")
    label: Label
    score: float = Field(description="highest score of its windows")


class EventsAnswer(BaseModel):
    """Events of a sound."""

    model_config = _example(
        events=[
            {"start": 0.0, "end": 2.4, "label": "Rain", "score": 0.81},
            {"start": 1.44, "end": 2.4, "label": "Dog", "score": 0.67},
        ],
        seconds=4.0,
    )

    events: list[FoundEvent] = Field(description="in the order of their starts")
    seconds: float = _SECONDS


class ServedModel(ModelDescription):
    """Model that is served."""

    model_config = _example(**_CIFAR10, dim=512, labels=["dog", "rain"])

    dim: int = Field(description="length of its embeddings")
    labels: list[Label] = Field(description="its labels or tags; empty if it has none")


class ServedIndex(BaseModel):
    """Index that is served."""

    model_config = _example(sounds=2000, metric="cosine", model_id=_YAMNET["model_id"])

    sounds: int = Field(description="number of sounds")
    metric: str = Field(description="distance of the embeddings")
    model_id: str = _MODEL_ID


class ServedSpeakers(BaseModel):
    """Enrolled speakers that are served."""

    model_config = _example(network="resemblyzer", speakers=3)

    network: str = Field(description="name of the network or encoder")
    speakers: int = Field(description="number of enrolled speakers")


class Limits(BaseModel):
    """Limits of requests."""

    model_config = _example(max_bytes=67108864, max_seconds=600.0, timeout=60.0, names_sounds=False)

    max_bytes: int = Field(description="largest upload")
    max_seconds: float = Field(description="longest sound [s]")
    timeout: float = Field(description="longest time of an answer [s]")
    names_sounds: bool = Field(description="true if requests can name sounds of the server by their `path`")


class ModelsAnswer(BaseModel):
    """Models, index and speakers that are served; null where there is none."""

    model_config = _example(
        version="0.1.0",
        classifier={**_CIFAR10, "dim": 512, "labels": ["dog", "rain"]},
        encoder={**_YAMNET, "dim": 1024, "labels": ["Speech", "Rain"]},
        index={"sounds": 2000, "metric": "cosine", "model_id": _YAMNET["model_id"]},
        speakers={"network": "resemblyzer", "speakers": 3},
        limits={"max_bytes": 67108864, "max_seconds": 600.0, "timeout": 60.0, "names_sounds": False},
    )

    version: str = Field(description="version of mxnet-audio")
    classifier: ServedModel | None = Field(description="trained model, for predict, embed and events")
    encoder: ServedModel | None = Field(description="pretrained encoder, for tags, embed and events")
    index: ServedIndex | None = Field(description="index, for search")
    speakers: ServedSpeakers | None = Field(description="enrolled speakers, for the page")
    limits: Limits
