"""``mxnet-audio speaker list``: list the enrolled speakers."""

from __future__ import annotations

from mxnet_audio.cli.options import AsJson
from mxnet_audio.cli.output import print_result
from mxnet_audio.cli.speaker.model import load_state, print_rates, rates_dict
from mxnet_audio.cli.speaker.options import VOICES, ModelDir

__all__ = ["list_speakers"]


def list_speakers(model_dir: ModelDir = VOICES, as_json: AsJson = False) -> None:
    """List the enrolled speakers, with their numbers of recordings.

    \b
    Examples:
      mxnet-audio speaker list
    """
    state = load_state(model_dir)
    counts = state.scorer.enrolled.counts
    text = [f"{name}\t{count}" for name, count in counts.items()] or ["nobody is enrolled"]
    print_rates(state)
    document = {"model_dir": model_dir, "network": state.network, "threshold": state.scorer.threshold}
    print_result({**document, "rates": rates_dict(state.scorer), "speakers": counts}, text, as_json)
