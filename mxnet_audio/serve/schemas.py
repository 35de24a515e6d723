"""Answers of the API, with examples for its documentation."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, Field

__all__ = ["EmbeddingAnswer", "EventsAnswer", "FoundEvent", "ModelsAnswer", "PredictionAnswer", "TagsAnswer"]

Label = int | str


class LabelProbability(BaseModel):
    """Label and its probability."""

    label: Label = Field(examples=["dog"])
    probability: float = Field(examples=[0.93])


class TagScore(BaseModel):
    """Tag and its score."""

    label: Label = Field(examples=["Rain"])
    score: float = Field(examples=[0.75])


class ModelDescription(BaseModel):
    """Model that gave an answer."""

    network: str = Field(description="network or encoder", examples=["cifar10"])
    model_id: str = Field(description="identity: it changes with the parameters", examples=["51c0a2f4b96e11d8"])


class PredictionAnswer(BaseModel):
    """Label of a sound."""

    label: Label | list[Label] = Field(
        description="most probable label; of a model of several labels a sound, all that apply", examples=["dog"]
    )
    probability: float = Field(description="probability of the most probable label", examples=[0.93])
    top: list[LabelProbability] = Field(description="most probable labels, best first")
    seconds: float = Field(description="length of the sound [s]", examples=[4.0])
    model: ModelDescription


class TagsAnswer(BaseModel):
    """Tags of a sound."""

    tags: list[TagScore] = Field(description="tags with the highest scores, best first")
    seconds: float = Field(description="length of the sound [s]", examples=[4.0])
    encoder: str = Field(description="encoder that gave the scores", examples=["yamnet"])


class EmbeddingAnswer(BaseModel):
    """Embedding of a sound."""

    vector: list[float] = Field(examples=[[0.25, -0.5, 0.125]])
    dim: int = Field(description="length of the vector", examples=[3])
    model_id: str = Field(description="identity of the model: vectors of others differ", examples=["51c0a2f4b96e11d8"])
    seconds: float = Field(description="length of the sound [s]", examples=[4.0])


class FoundEvent(BaseModel):
    """Event of a sound."""

    start: float = Field(description="[s]", examples=[1.5])
    end: float = Field(description="[s]", examples=[3.0])
    label: Label = Field(examples=["dog"])
    score: float = Field(description="highest score of its windows", examples=[0.875])


class EventsAnswer(BaseModel):
    """Events of a sound."""

    events: list[FoundEvent] = Field(description="in the order of their starts")
    seconds: float = Field(description="length of the sound [s]", examples=[4.0])


class ServedModel(BaseModel):
    """Served model."""

    role: str
    network: str = Field(examples=["cifar10"])
    model_id: str = Field(examples=["51c0a2f4b96e11d8"])
    dim: int | None = None
    labels: list[Label] = []


class ModelsAnswer(BaseModel):
    """Served models."""

    models: list[ServedModel]
    limits: dict[str, Any] = {}
