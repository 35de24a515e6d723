"""Encoders of sound of any length for networks of either kind: of patches, and of windows that are taken at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

from mxnet_audio.engine import mx
from mxnet_audio.features import AudioFeatureConfig
from mxnet_audio.inference.pooling import SILENCE
from mxnet_audio.inference.window_encoder import WindowEncoder
from mxnet_audio.models import EncoderNet, SequenceNet
from mxnet_audio.pretrained.patch_encoder import PatchEncoder
from mxnet_audio.pretrained.sequence_forward import SequenceForward

__all__ = ["SoundEncoder", "sound_encoder"]

SoundEncoder: TypeAlias = PatchEncoder | WindowEncoder

WINDOW_POOLS = ("sum", "max", "last")  # reductions that are those of windows, too; others are averaged over windows


def sound_encoder(
    net: EncoderNet | SequenceNet,
    config: AudioFeatureConfig | None = None,
    *,
    model_ctx: mx.Context,
    data_ctx: mx.Context,
    labels: Sequence[int | str] = (),
    multi_label: bool = True,
    reduces: bool = True,
) -> SoundEncoder:
    """Make the encoder of sound of any length for a network.

    Parameters
    ----------
    net : EncoderNet or SequenceNet
        Network with its parameters, on its device.
    config : AudioFeatureConfig, optional
        Features that a `SequenceNet` takes; by default, those of its class, as of every `EncoderNet`.
    model_ctx, data_ctx : mxnet.Context
        Device of the network, and device on which batches are put first.
    labels : sequence, optional
        Published classes, in the order of the scores; by default, scores are not computed.
    multi_label : bool
        Whether several classes can apply to one sound.
    reduces : bool
        False for vectors of all steps of a `SequenceNet` in `iter_frames`, also if they have no position in time.

    Returns
    -------
    PatchEncoder or WindowEncoder
    """
    silence = list(labels).index(SILENCE) if SILENCE in labels else None
    if isinstance(net, EncoderNet):
        return PatchEncoder(net, model_ctx=model_ctx, data_ctx=data_ctx, silence=silence)
    tags = ("sigmoid" if multi_label else "softmax") if labels else None
    forward = SequenceForward(net, tags, model_ctx=model_ctx, data_ctx=data_ctx)
    return WindowEncoder(
        forward,
        config or net.features,
        window=net.window,
        min_input=net.min_input,
        pads=net.pads,
        pool=net.reduction if net.reduction in WINDOW_POOLS else "mean",
        silence=silence,
        sequences=forward.sequences if net.step is not None or not reduces else None,
        step=net.step,
    )
