"""Tags of sound by a pretrained encoder, without training."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from mxnet_audio import weights
from mxnet_audio.audio.channel import check_channel
from mxnet_audio.checks import one_of, real_number
from mxnet_audio.errors import ParameterError
from mxnet_audio.inference.patch_windows import PatchWindow, patch_windows
from mxnet_audio.inference.predictor import AudioSource, AudioSources, input_length
from mxnet_audio.inference.results import Prediction, TimedPrediction
from mxnet_audio.library.index_model import get_encoder
from mxnet_audio.weights.registry import check_name

if TYPE_CHECKING:
    from mxnet_audio.engine import mx
    from mxnet_audio.pretrained import AudioEncoder

__all__ = ["AudioTagger", "encoders_with_tags"]

ROUNDING = 1e-9  # [s]


def encoders_with_tags() -> list[str]:
    """List the names of the encoders whose published weights have tags, if no other `source` of them is chosen.

    Examples
    --------
    >>> encoders_with_tags()[:4]
    ['yamnet', 'musicnn', 'musicnn_mtt', 'musicnn_vgg']
    >>> encoders_with_tags()[5:]
    ['ast', 'panns_cnn14', 'panns_cnn10', 'panns_cnn6', 'panns_mobilenetv1']
    """
    return [name for name in weights.names() if weights.record(name).n_tags]


class AudioTagger:
    """Tag sound of any length with the published classes of an encoder: those of AudioSet, music tags, or others.

    Each tag has a score between 0 and 1 of its own. Several tags can apply to one sound, so the scores do not add up to
    1, and the best one can be low; but the scores of models of the Hugging Face hub that were trained to choose one of
    their classes add up to 1. `Prediction.probabilities` holds the scores, and `Prediction.encoder` the name of
    the encoder. All of a sound counts, not its middle; it is read as a stream.

    Parameters
    ----------
    encoder : str or AudioEncoder
        Encoder, or its name, one of `encoders_with_tags`. 'auto' is yamnet where its weights can be had, else musicnn,
        which knows music only. With `source`, one of any kind whose weights have classes.
    source : str or os.PathLike, optional
        Folder of the weights, or name of a model on the Hugging Face hub, if the encoder is given by its name.
    revision : str, optional
        Branch, tag or commit of a model on the hub.
    model_ctx, data_ctx : mxnet.Context, optional
        Device of the network, and device on which batches are put first, if the encoder is given by its name; the CPU
        by default.

    Raises
    ------
    ModelError
        If the weights are missing here and cannot be downloaded, or are damaged.
    ParameterError
        If there is no such encoder or device, or its weights have no tags.

    Attributes
    ----------
    encoder : AudioEncoder
        The encoder.

    Examples
    --------
    >>> tagger = AudioTagger('yamnet')                # doctest: +SKIP
    >>> tagger.predict('clip.wav').top(2)             # doctest: +SKIP
    [('Water', 0.7753573060035706), ('Rain', 0.7516542673110962)]
    >>> AudioTagger('resemblyzer')                    # doctest: +ELLIPSIS
    Traceback (most recent call last):
    ...
    mxnet_audio.errors.ParameterError: encoder of a tagger must be one of 'auto', 'yamnet', ..., got 'resemblyzer'
    """

    def __init__(
        self,
        encoder: str | AudioEncoder = "yamnet",
        *,
        source: str | os.PathLike | None = None,
        revision: str | None = None,
        model_ctx: mx.Context | None = None,
        data_ctx: mx.Context | None = None,
    ):
        if isinstance(encoder, str) and source is None:  # checked before weights are loaded
            check_name("encoder", encoder, "auto")
            one_of("encoder of a tagger", encoder, ["auto", *encoders_with_tags()])
        options = {"source": source, "revision": revision, "model_ctx": model_ctx, "data_ctx": data_ctx}
        self.encoder = get_encoder(encoder, options)
        if not self.encoder.labels:
            name, (place, _) = self.encoder.record.name, self.encoder.origin
            known = "" if place else f", or the published {', '.join(map(repr, encoders_with_tags()))}"
            raise ParameterError(
                f"encoder of a tagger must have classes, but the {name} model{f' at {place}' if place else ''} has "
                f"none: choose one that was trained to classify{known}"
            )

    def __repr__(self) -> str:
        """Return one line with the encoder and the number of tags."""
        return f"AudioTagger(encoder={self.encoder.record.name!r}, tags={len(self.labels)})"

    @property
    def labels(self) -> list[str]:
        """Tags, in the order of the scores."""
        return self.encoder.labels

    @property
    def model_id(self) -> str:
        """Identity of the encoder's weights, layer and features."""
        return self.encoder.model_id

    def predict_class(self, path: AudioSource, *, channel: str | int = "mix") -> str:
        """Return the tag of one sound that has the highest score.

        Parameters
        ----------
        path : str or os.PathLike or binary file or bytes or (np.ndarray, rate)
            Sound, as `mxnet_audio.audio.load` takes it.
        channel : {'mix', 'left', 'right'} or int >= 0
            Channel to use; 'mix' is the average of all.

        Returns
        -------
        str

        Raises
        ------
        AudioDecodeError, InvalidAudioError
            If the sound cannot be used.
        """
        return str(self.predict(path, channel=channel).label)

    def predict(self, path: AudioSource, *, channel: str | int = "mix") -> Prediction:
        """Return the scores of all tags for one sound; parameters and errors as in `predict_class`.

        Returns
        -------
        Prediction
            ``top(5)`` lists (tag, score), best first.
        """
        (prediction,) = self.predict_many([path], channel=check_channel(channel))
        if prediction.error is not None:
            raise prediction.error
        return prediction

    def predict_many(
        self, paths: AudioSources, batch_size: int | None = None, *, channel: str | int = "mix"
    ) -> Iterator[Prediction]:
        """Tag many sounds, in order.

        Threads decode while the network computes. Memory does not grow with the number of sounds or their length.

        Parameters
        ----------
        paths : iterable
            Sounds, each as in `predict_class`; or a single path.
        batch_size : int > 0, optional
            Number of patches, or windows, in one pass of the network; by default patches of half a minute,
            or windows of a quarter of a minute, together.
        channel : {'mix', 'left', 'right', 'each'} or int >= 0
            Channel of each sound to use, as for `AudioEncoder.encode_many`.

        Yields
        ------
        Prediction
            One for each sound: means over its patches or windows, as in `AudioEncoder.forward_many`. If it cannot be
            used, `error` holds the reason.

        Raises
        ------
        ParameterError
            If `batch_size` is below 1, `paths` is not iterable, or `channel` is none of these.
        """
        labels, name = self.labels, self.encoder.record.name
        for path, scores, _, error in self.encoder.forward_many(paths, batch_size, channel=channel):
            label = None if scores is None else labels[int(scores.argmax())]
            yield Prediction(path, label, scores, error, labels=labels, encoder=name)

    def predict_timeline(
        self,
        path: AudioSource,
        window: float | None = None,
        hop: float | None = None,
        *,
        channel: str | int = "mix",
    ) -> list[TimedPrediction]:
        """Tag a long sound window by window. It is read as a stream; only the scores are kept.

        Parameters
        ----------
        path : str or os.PathLike or binary file or bytes or (np.ndarray, rate)
            Sound, as `mxnet_audio.audio.load` takes it.
        window : float > 0 [s], optional
            Length of a window. Its scores are means over the encoder's patches, weighted by their overlap with the
            window; so a window that is shorter than a patch contains traces of the sound around it. By default each
            patch is a window: 0.975 s every 0.48 s for yamnet, 3 s without overlap for musicnn. Networks that take
            sound of any length take each window as it is, up to `AudioEncoder.window`, such as 10 s of PANNs, which is
            the default, without overlap; the scores of longer windows are means over parts that overlap by half.
        hop : float > 0 [s], optional
            Time from the start of a window to the start of the next, at most `window`; half of it by default.
        channel : {'mix', 'left', 'right'} or int >= 0
            Channel to use; 'mix' is the average of all.

        Returns
        -------
        list of TimedPrediction
            In order; the last window ends with the sound. Digital silence has the tag Silence, or if the encoder has no
            such tag, the label None.

        Raises
        ------
        AudioDecodeError, InvalidAudioError
            If the sound cannot be used.
        ParameterError
            If `window`, `hop` or `channel` is out of range: `hop` is at least one frame of the features, `window` two,
            and both as long as the shortest input of a network that takes sound of any length.
        """
        return list(self.iter_timeline(path, window, hop, channel=channel))

    def iter_timeline(
        self,
        path: AudioSource,
        window: float | None = None,
        hop: float | None = None,
        *,
        channel: str | int = "mix",
    ) -> Iterator[TimedPrediction]:
        """Tag a long sound window by window, in constant memory; parameters and errors as in `predict_timeline`.

        Yields
        ------
        TimedPrediction
            In order. What shows only within the file is raised when it is reached.
        """
        encoder, config = self.encoder, self.encoder.feature_config
        sr, part = config.sr, encoder.window  # longest input of a network that takes sound of any length
        assert sr is not None
        frame = (config.hop_length if config.time_axis == -1 else 1) / sr
        length = input_length(config)[1] / sr if part is None else part
        if window is not None or hop is not None:
            window = real_number("window", length if window is None else window, 2 * frame)
            hop = real_number("hop", window / 2 if hop is None else hop, frame, window)
        is_pooled = window is not None and (part is None or window > part)  # over patches, or parts of longer windows
        if part is None:
            parts = encoder.iter_frames(path, channel=channel)
        else:
            parts = encoder.iter_windows(path, *((part, part / 2) if is_pooled else (window, hop)), channel=channel)
        if is_pooled and window is not None and hop is not None:
            windows = patch_windows(parts, window, hop, length)
        else:
            windows = (
                PatchWindow(begin, end, some.of(slice(row, row + 1)))
                for some in parts
                for row, (begin, end) in enumerate(some.times.tolist())
            )
        return (self._tagged(one) for one in windows)

    def _tagged(self, window: PatchWindow) -> TimedPrediction:
        """Return the means of the scores of the patches that overlap a window, weighted by the overlap."""
        begins, ends = window.patches.times.T
        overlaps = np.minimum(ends, window.end) - np.maximum(begins, window.start)
        inside, labels = overlaps > ROUNDING, self.labels
        label, scores = None, None
        if "Silence" in labels or not window.patches.silent[inside].all():
            weights = overlaps[inside] / overlaps[inside].sum()
            scores = (weights @ window.patches.scores[inside]).astype(np.float32)
            label = labels[int(scores.argmax())]
        name = self.encoder.record.name
        return TimedPrediction(window.start, window.end, label, scores, labels=labels, encoder=name)
