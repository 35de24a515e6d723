"""``mxnet-audio speaker background``: center embeddings by recordings of other people."""

from __future__ import annotations

from mxnet_audio.cli.files import BulkJob
from mxnet_audio.cli.options import AsJson, Gpu, Paths
from mxnet_audio.cli.speaker.model import find_state, rates_dict, updated_recognizer
from mxnet_audio.cli.speaker.options import VOICES, ModelDir, NewNetwork
from mxnet_audio.cli.vector_model import EncoderChoice, Revision, Source

__all__ = ["background"]


def background(
    paths: Paths,
    model_dir: ModelDir = VOICES,
    network: NewNetwork = None,
    source: Source = None,
    revision: Revision = None,
    gpu: Gpu = None,
    as_json: AsJson = False,
) -> None:
    """Center embeddings by recordings of other people.

    This needs a pretrained encoder. What all voices have in common counts less then. Use recordings as those to
    compare, 10 or more, of several people who will not be enrolled or verified. The threshold is then the default for
    centered embeddings; calibrate after this.

    \b
    Examples:
      mxnet-audio speaker background others/
    """
    encoder = EncoderChoice(network, source=source, revision=revision)
    find_state(model_dir, encoder)
    job = BulkJob(as_json)
    files = job.find(paths)
    with updated_recognizer(model_dir, gpu, encoder) as recognizer:
        job.done = recognizer.set_background(files)
    job.add_skipped(recognizer.skipped)
    scorer = recognizer.scorer
    job.finish(
        {
            "model_dir": model_dir,
            "recordings": job.done,
            "threshold": scorer.threshold,
            "rates": rates_dict(scorer),
        },
        [
            f"embeddings are centered by {job.done} recordings",
            f"the threshold in {model_dir} is now {scorer.threshold:.3f}: {scorer.rates}",
        ],
    )
