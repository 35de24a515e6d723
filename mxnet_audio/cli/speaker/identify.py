"""``mxnet-audio speaker identify``: find the enrolled speaker of recordings."""

from __future__ import annotations

import typer

from mxnet_audio.cli.files import BulkJob
from mxnet_audio.cli.options import AsJson, Gpu, Paths, TopK
from mxnet_audio.cli.speaker.model import find_state, load_recognizer, print_rates, rates_dict
from mxnet_audio.cli.speaker.options import VOICES, ModelDir

__all__ = ["identify"]


def identify(
    paths: Paths,
    model_dir: ModelDir = VOICES,
    top_k: TopK = 3,
    gpu: Gpu = None,
    as_json: AsJson = False,
) -> None:
    """Find the enrolled speaker of each recording.

    The result is "unknown" if no score reaches the threshold.

    \b
    Examples:
      mxnet-audio speaker identify call.wav
      mxnet-audio speaker identify calls/ --json
    """
    state = find_state(model_dir)
    state.scorer.enrolled.centroids()  # raises ModelError if nobody is enrolled
    job = BulkJob(as_json)
    files = job.find(paths)
    recognizer = load_recognizer(model_dir, gpu)
    print_rates(state)
    rows = []
    for result, path in zip(recognizer.identify_many(files, top_k), files):
        if result.error is not None:
            job.skip(path, result.error)
            continue
        job.done += 1
        rows.append({"path": path, "speaker": result.speaker, "ranking": result.ranking})
        if not as_json:
            ranking = ", ".join(f"{name} {score:.3f}" for name, score in result.ranking)
            typer.echo(f"{path}\t{result.speaker or 'unknown'}\t{ranking}")
    document = {"model_dir": model_dir, "network": state.network, "threshold": recognizer.threshold}
    job.finish({**document, "rates": rates_dict(state.scorer), "results": rows})
