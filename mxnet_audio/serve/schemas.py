"""Answers of the API, with examples for its documentation."""

from __future__ import annotations

from pydantic import BaseModel, Field

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

_ID = Field(description="identity of its embeddings: it changes with the parameters", examples=["51c0a2f4b96e11d8"])
_SECONDS = Field(description="length of the sound [s]", examples=[4.0])


class LabelProbability(BaseModel):
    """Label and its probability."""

    label: Label = Field(examples=["dog"])
    probability: float = Field(examples=[0.93])


class TagScore(BaseModel):
    """Tag and its score, which is between 0 and 1; scores do not add up to 1."""

    label: Label = Field(examples=["Rain"])
    score: float = Field(examples=[0.75])


class ModelDescription(BaseModel):
    """Model that gave an answer."""

    network: str = Field(description="name of the network or encoder", examples=["cifar10"])
    model_id: str = _ID


class PredictionAnswer(BaseModel):
    """Label of a sound."""

    label: Label | list[Label] = Field(
        description="most probable label; of a model of several labels a sound, all that apply", examples=["dog"]
    )
    probability: float = Field(description="probability of the most probable label", examples=[0.93])
    top: list[LabelProbability] = Field(description="most probable labels, best first")
    seconds: float = _SECONDS
    model: ModelDescription


class TagsAnswer(BaseModel):
    """Tags of a sound."""

    tags: list[TagScore] = Field(description="tags with the highest scores, best first")
    seconds: float = _SECONDS
    encoder: str = Field(description="encoder that gave the scores", examples=["yamnet"])


class EmbeddingAnswer(BaseModel):
    """Embedding of a sound."""

    vector: list[float] = Field(examples=[[0.25, -0.5, 0.125]])
    dim: int = Field(description="length of the vector", examples=[3])
    model_id: str = Field(description="identity of the model, whose vectors only are compared with this one")
    seconds: float = _SECONDS


class FoundEvent(BaseModel):
    """Part of a sound in which a label applies."""

    start: float = Field(description="[s]", examples=[1.5])
    end: float = Field(description="[s]", examples=[3.0])
    label: Label = Field(examples=["dog"])
    score: float = Field(description="highest score of its windows", examples=[0.875])


class EventsAnswer(BaseModel):
    """Events of a sound."""

    events: list[FoundEvent] = Field(description="in the order of their starts")
    seconds: float = _SECONDS


class ServedModel(ModelDescription):
    """Model that is served."""

    dim: int = Field(description="length of its embeddings", examples=[128])
    labels: list[Label] = Field(description="its labels or tags; empty if it has none", examples=[["dog", "rain"]])


class ServedIndex(BaseModel):
    """Index that is served."""

    sounds: int = Field(description="number of sounds", examples=[2000])
    metric: str = Field(description="distance of the embeddings", examples=["cosine"])
    model_id: str = _ID


class ServedSpeakers(BaseModel):
    """Enrolled speakers that are served."""

    network: str = Field(examples=["resemblyzer"])
    speakers: int = Field(description="number of enrolled speakers", examples=[3])


class Limits(BaseModel):
    """Limits of requests."""

    max_bytes: int = Field(description="largest upload", examples=[67108864])
    max_seconds: float = Field(description="longest sound [s]", examples=[600.0])
    timeout: float = Field(description="longest time of an answer [s]", examples=[60.0])
    names_sounds: bool = Field(description="true if requests can name sounds of the server by their `path`")


class ModelsAnswer(BaseModel):
    """Models, index and speakers that are served; null where there is none."""

    version: str = Field(description="version of mxnet-audio", examples=["0.1.0"])
    classifier: ServedModel | None = Field(description="trained model, for predict, embed and events")
    encoder: ServedModel | None = Field(description="pretrained encoder, for tags, embed and events")
    index: ServedIndex | None = Field(description="index, for search")
    speakers: ServedSpeakers | None = Field(description="enrolled speakers, for the page")
    limits: Limits
