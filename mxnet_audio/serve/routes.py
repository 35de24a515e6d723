"""Routes of the API that answer with a model."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request

from mxnet_audio.serve.problems import problem_responses
from mxnet_audio.serve.schemas import PredictionAnswer
from mxnet_audio.serve.service import SoundService
from mxnet_audio.serve.uploads import UPLOAD_BODY, Upload, receive_upload

__all__ = ["router"]

router = APIRouter(prefix="/v1")


def served(request: Request) -> SoundService:
    """Return the service of an app."""
    return request.app.state.service


Service = Annotated[SoundService, Depends(served)]
ReceivedUpload = Annotated[Upload, Depends(receive_upload)]
TopK = Annotated[int, Query(ge=1, le=1000, description="number of labels")]

ERRORS = problem_responses(404, 408, 413, 415, 422, 429, 504)


@router.post(
    "/predict",
    operation_id="predict",
    summary="Label a sound",
    tags=["sounds"],
    responses=ERRORS,
    openapi_extra={"requestBody": UPLOAD_BODY},
)
async def predict(service: Service, upload: ReceivedUpload, top_k: TopK = 5, channel: str = "mix") -> PredictionAnswer:
    """Label a sound with the trained model."""
    sound = await service.decode(upload, channel)
    prediction = await service.predict(sound)
    classifier: Any = service.models.classifier
    return PredictionAnswer.model_validate(
        {
            "label": prediction.label,
            "probability": prediction.probability,
            "top": [{"label": label, "probability": p} for label, p in prediction.top(top_k)],
            "seconds": sound.seconds,
            "model": {"network": classifier.network, "model_id": classifier.model_id},
        }
    )
