"""``mxnet-audio speaker identify``: find the enrolled speaker of recordings."""

from __future__ import annotations

from mxnet_audio.cli.files import BulkJob
from mxnet_audio.cli.options import AsJson, Channel, Gpu, Paths, TopK
from mxnet_audio.cli.output import print_lines
from mxnet_audio.cli.speaker.model import find_state, load_recognizer, print_rates, rates_dict
from mxnet_audio.cli.speaker.options import VOICES, ModelDir, NewNetwork
from mxnet_audio.cli.vector_model import EncoderChoice, Revision, Source

__all__ = ["identify"]


def identify(
    paths: Paths,
    model_dir: ModelDir = VOICES,
    network: NewNetwork = None,
    source: Source = None,
    revision: Revision = None,
    top_k: TopK = 3,
    channel: Channel = "mix",
    gpu: Gpu = None,
    as_json: AsJson = False,
) -> None:
    """Find the enrolled speaker of each recording.

    The result is "unknown" if no score reaches the threshold.

    \b
    Examples:
      mxnet-audio speaker identify call.wav
      mxnet-audio speaker identify calls/ --json
      mxnet-audio speaker identify call.wav --channel each     # both sides of a call in stereo
    """
    encoder = EncoderChoice(network, source=source, revision=revision)
    state = find_state(model_dir, encoder)
    state.scorer.enrolled.centroids()  # raises ModelError if nobody is enrolled
    job = BulkJob(as_json)
    sources = job.find_sources(paths, channel)
    recognizer = load_recognizer(model_dir, gpu, encoder)
    print_rates(state)
    rows = []
    results = recognizer.identify_many((source for _, source in sources), top_k)
    for result, (path, _) in zip(results, sources):
        if result.error is not None:
            job.skip(path, result.error)
            continue
        job.done += 1
        rows.append({"path": path, "speaker": result.speaker, "ranking": result.ranking})
        if not as_json:
            ranking = ", ".join(f"{name} {score:.3f}" for name, score in result.ranking)
            print_lines(f"{path}\t{result.speaker or 'unknown'}\t{ranking}")
    document = {"model_dir": model_dir, "network": state.network, "threshold": recognizer.threshold}
    job.finish({**document, "rates": rates_dict(state.scorer), "results": rows})
