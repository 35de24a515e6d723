"""``mxnet-audio speaker forget``: remove an enrolled speaker."""

from __future__ import annotations

from mxnet_audio.cli.options import AsJson
from mxnet_audio.cli.output import print_result
from mxnet_audio.cli.speaker.model import load_state
from mxnet_audio.cli.speaker.options import VOICES, ModelDir, Name

__all__ = ["forget"]


def forget(name: Name, model_dir: ModelDir = VOICES, as_json: AsJson = False) -> None:
    """Remove an enrolled speaker.

    The embeddings of the speaker's recordings are deleted.

    \b
    Examples:
      mxnet-audio speaker forget ann
    """
    from mxnet_audio.speakers.state import lock

    load_state(model_dir)  # raises ModelError if there is no recognizer, before a lock file is written
    with lock(model_dir):
        state = load_state(model_dir)
        state.scorer.enrolled.remove(name)
        state.save(model_dir)
    counts = state.scorer.enrolled.counts
    print_result({"model_dir": model_dir, "speakers": counts}, f"removed {name}", as_json)
