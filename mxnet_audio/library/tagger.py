"""Tags of sound by a pretrained encoder, without training."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from mxnet_audio import weights
from mxnet_audio.audio.channel import check_channel
from mxnet_audio.checks import one_of, real_number
from mxnet_audio.inference.predictor import AudioSource, AudioSources, input_length
from mxnet_audio.inference.results import Prediction, TimedPrediction
from mxnet_audio.library.index_model import get_encoder

if TYPE_CHECKING:
    from mxnet_audio.engine import mx
    from mxnet_audio.pretrained import AudioEncoder
    from mxnet_audio.pretrained.patch_windows import PatchWindow

__all__ = ["AudioTagger", "encoders_with_tags"]

ROUNDING = 1e-9  # [s]


def encoders_with_tags() -> list[str]:
    """List the names of the encoders that have tags.

    Examples
    --------
    >>> encoders_with_tags()
    ['yamnet', 'musicnn', 'musicnn_mtt', 'musicnn_vgg', 'musicnn_vgg_mtt']
    """
    return [name for name in weights.names() if weights.record(name).n_tags]


class AudioTagger:
    """Tag sound of any length with the published classes of an encoder: those of AudioSet, or music tags.

    Each tag has a score between 0 and 1 of its own. Several tags can apply to one sound, so the scores do not add up to
    1, and the best one can be low. `Prediction.probabilities` holds the scores, and `Prediction.encoder` the name of
    the encoder. All of a sound counts, not its middle; it is read as a stream.

    Parameters
    ----------
    encoder : str or AudioEncoder
        Encoder, or its name, one of `encoders_with_tags`. 'auto' is yamnet where its weights can be had, else musicnn,
        which knows music only.
    model_ctx, data_ctx : mxnet.Context, optional
        Device of the network, and device on which batches are put first, if the encoder is given by its name; the CPU
        by default.

    Raises
    ------
    ModelError
        If the weights are missing here and cannot be downloaded, or are damaged.
    ParameterError
        If there is no such encoder or device, or the encoder has no tags.

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
        model_ctx: mx.Context | None = None,
        data_ctx: mx.Context | None = None,
    ):
        if isinstance(encoder, str):
            _require_tags(encoder)  # before its weights are loaded
        self.encoder = get_encoder(encoder, {"model_ctx": model_ctx, "data_ctx": data_ctx})
        _require_tags(self.encoder.record.name)

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
            Number of patches in one pass of the network; by default those of half a minute.
        channel : {'mix', 'left', 'right', 'each'} or int >= 0
            Channel of each sound to use, as for `AudioEncoder.encode_many`.

        Yields
        ------
        Prediction
            One for each sound: means over its patches, as in `AudioEncoder.forward_many`. If it cannot be used, `error`
            holds the reason.

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
            patch is a window: 0.975 s every 0.48 s for yamnet, 3 s without overlap for musicnn.
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
            If `window`, `hop` or `channel` is out of range: `hop` is at least one frame of the features, `window` two.
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
        from mxnet_audio.pretrained.patch_windows import PatchWindow, patch_windows  # imports MXNet

        sr, samples = input_length(self.encoder.feature_config)
        frame, patch = self.encoder.feature_config.hop_length / sr, samples / sr
        if window is not None or hop is not None:
            window = real_number("window", patch if window is None else window, 2 * frame)
            hop = real_number("hop", window / 2 if hop is None else hop, frame, window)
        parts = self.encoder.iter_frames(path, channel=channel)
        if window is None or hop is None:
            windows = (
                PatchWindow(begin, end, part.of(slice(row, row + 1)))
                for part in parts
                for row, (begin, end) in enumerate(part.times.tolist())
            )
        else:
            windows = patch_windows(parts, window, hop, patch)
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


def _require_tags(name: str) -> None:
    """Raise ParameterError if an encoder has no tags, or there is no such encoder."""
    one_of("encoder of a tagger", name, ["auto", *encoders_with_tags()])
