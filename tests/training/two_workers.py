"""Program of each process in `test_distributed`: several short runs, then worker 1 ends early."""

import json
import os
import sys
from copy import deepcopy
from functools import partial
from pathlib import Path

import numpy as np

from mxnet_audio import AudioFeatureConfig
from mxnet_audio.data import AudioLoader
from mxnet_audio.data.transforms import Features, TimeShift, ToImage
from mxnet_audio.engine import mx
from mxnet_audio.errors import ModelError, ParameterError
from mxnet_audio.models import get_model
from mxnet_audio.training import (
    ALONE,
    Cosine,
    Progress,
    Recipe,
    Settings,
    check_kvstore,
    get_parameters,
    initialize,
    join,
    prepare,
    run_epochs,
    set_parameters,
)
from mxnet_audio.weights.architecture import read_architecture
from tests.training.tiny import TINY

CONFIG = AudioFeatureConfig(type="raw", sr=16000, norm="per_file", audio_file_length_limit_in_s=0.1)
SPECTROGRAM = AudioFeatureConfig(n_mels=16, n_frames=16)
PLAIN = Recipe(
    features=TimeShift(0.5), balance="weights", clip_gradient=0.5, schedule=Cosine(0.2), weight_decay=0.01, average=0.4
)
BATCH_SIZE = 4  # of all workers together


def noises(several=False):
    """Return 13 labelled sounds."""
    rng, pairs = np.random.default_rng(0), []
    for index in range(13):
        samples = np.sin(np.arange(1600) * (0.1 if index % 2 else 0.4)) + rng.normal(0, 0.5, 1600)
        label = ("high", "low")[index % 2]
        pairs.append(((samples.astype(np.float32), 16000), [label, "third"][: 1 + index % 3] if several else label))
    return pairs


def tiny_net(classes=2):
    """Make a network without batch norms."""
    architecture = read_architecture(TINY | {"num_hidden_layers": 1})
    net = get_model("wav2vec2", classes, (1, 1, 1600), embedding="mean", architecture=architecture)
    initialize(net, 0, mx.cpu())
    return net


def norm_net():
    """Make a network with batch norms."""
    net = get_model("cifar10", 2, (1, 16, 16))
    initialize(net, 0, mx.cpu())
    return net


def train(net, recipe, workers=ALONE, *, pairs=None, progress=None, rate=0.003, epochs=3, features=CONFIG, **options):
    """Train a network, and return the progress; 9 of 13 clips are trained on, so that one worker lacks the last."""
    numbers = Settings(BATCH_SIZE // workers.count, epochs, random_state=3, learning_rate=rate, checkpoint_interval=1)
    load = partial(AudioLoader, batch_size=numbers.batch_size, seed=numbers.random_state)
    steps = [Features(features), ToImage(features.time_axis)]
    options = {"checkpoint": repr, "callbacks": ()} | options
    split = {"nb_classes": None, "test_size": 0.25}
    prepared = prepare(pairs or noises(), load, steps, features, numbers, recipe, workers=workers, show=False, **split)
    assert prepared.train.size == 9
    progress = progress or Progress()
    run_epochs(net, prepared, progress, numbers, recipe, ctx=mx.cpu(), workers=workers, show=False, **options)
    return progress


def runs(workers):
    """Yield the name, the network and the progress of each run."""
    net = tiny_net()
    yield "plain", net, train(net, PLAIN, workers)
    net = tiny_net(3)
    yield "labels", net, train(net, Recipe(), workers, pairs=noises(several=True), epochs=2)
    net = norm_net()
    yield "norms", net, train(net, Recipe(refresh_norms=True), workers, rate=1e-9, epochs=1, features=SPECTROGRAM)


def results(workers):
    """Return history and parameters of each run."""
    return {
        name: (progress.history, {key: value.ravel()[:500].tolist() for key, value in get_parameters(net).items()})
        for name, net, progress in runs(workers)
    }


def resume(workers):
    """Stop a run in worker 0 after the second epoch, and resume it with the checkpoint of that worker."""
    net, saved, calls = tiny_net(), [], []

    def stop(history):
        calls.append(len(history["loss_train"]))
        return calls[-1] == 2

    def save(progress):
        saved.append((deepcopy(progress), get_parameters(net)))

    stopped = train(net, PLAIN, workers, callbacks=[stop], checkpoint=save)
    net, progress = tiny_net(), Progress()
    if workers.rank == 0:
        progress, parameters = saved[1]
        set_parameters(net, parameters)
    resumed = train(net, PLAIN, workers, progress=progress)
    return {"calls": calls, "saved": len(saved), "stopped": stopped.history, "resumed": resumed.history}


def raised(kind, function, *arguments, **options):
    """Return the message of the error that a call raises."""
    try:
        function(*arguments, **options)
    except kind as error:
        return str(error)
    raise AssertionError("no error")


def main(folder):
    """Train with two workers, and write the results of each."""
    check_kvstore("dist_sync")
    with join("dist_sync") as workers:
        document = {
            "results": results(workers),
            **resume(workers),
            "bytes": workers.copy_bytes(bytes([workers.rank + 1]) * 1_500_001) == b"\1" * 1_500_001,
            "nan": raised(ModelError, train, tiny_net(), Recipe(), workers, rate=1e30),
            "other": raised(ParameterError, workers.check_same, {"labels": [], "features": workers.rank}),
        }
        Path(folder, f"{workers.rank}.json").write_text(json.dumps(document))
        workers.total([0])
        if workers.rank == 1:
            os._exit(9)
        workers.total([0])  # waits forever


if __name__ == "__main__":
    main(sys.argv[1])
