"""Training with several workers: shares, sums, agreement, and the end of all when one ends."""

import json
import subprocess
import sys
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from mxnet_audio.data import AudioDataset, AudioLoader
from mxnet_audio.errors import ParameterError
from mxnet_audio.processes import watchdog
from mxnet_audio.processes.launch import free_port, start
from mxnet_audio.training import ALONE, Workers, check_kvstore, join
from mxnet_audio.training.distributed import Environment
from tests.training import two_workers

ROOT = Path(__file__).resolve().parents[2]
VARIABLES = {
    "DMLC_ROLE": "worker",
    "DMLC_PS_ROOT_URI": "127.0.0.1",
    "DMLC_PS_ROOT_PORT": "9000",
    "DMLC_NUM_WORKER": "2",
    "DMLC_NUM_SERVER": "1",
}
ROLES = ("scheduler", "server", "worker", "worker")


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    """Documents of two workers, and exit codes and messages of all processes."""
    folder = tmp_path_factory.mktemp("workers")
    command = [sys.executable, "-m", "tests.training.two_workers", str(folder)]
    options = {"cwd": ROOT, "stderr": subprocess.PIPE, "text": True}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PORT", "1")  # as hosting services set it; ps-lite would bind to it
        processes = start(command, ROLES, "127.0.0.1", free_port("127.0.0.1"), 2, 1, **options)
    ends = [(process.communicate(timeout=300)[1], process.returncode) for process in processes]
    documents = [json.loads(path.read_text()) for path in sorted(folder.iterdir())]
    assert len(documents) == 2, "\n".join(error for error, _ in ends)
    return documents, ends


@pytest.fixture(scope="module")
def alone():
    """Results of one process with twice the batch."""
    return two_workers.results(ALONE)


@pytest.mark.slow
@pytest.mark.parametrize("run", ["plain", "labels"])
def test_two_workers_have_the_curve_of_one_with_twice_the_batch(both, alone, run):
    history, parameters = alone[run]
    for document in both[0]:
        found, found_parameters = document["results"][run]
        for measure, values in history.items():
            np.testing.assert_allclose(found[measure], values, rtol=1e-4, err_msg=measure)
        for name, values in parameters.items():
            np.testing.assert_allclose(found_parameters[name], values, atol=2e-4, err_msg=name)
    assert both[0][0]["results"] == both[0][1]["results"]


@pytest.mark.slow
def test_norms_have_the_statistics_of_all_clips(both, alone):
    (_, parameters), (_, found) = alone["norms"], both[0][0]["results"]["norms"]
    first = [name for name in parameters if "running_" in name][:2]
    for name in first:  # the input of later norms depends on the norms before them, which see one share
        np.testing.assert_allclose(found[name], parameters[name], rtol=1e-4, err_msg=name)


@pytest.mark.slow
def test_worker_0_decides_for_all(both):
    first, second = both[0]
    assert first["calls"] == [1, 2] and first["saved"] == 3 and second["calls"] == [] and second["saved"] == 0
    assert len(first["stopped"]["loss_train"]) == 2
    assert first["resumed"] == second["resumed"] == first["results"]["plain"][0]
    assert first["bytes"] and second["bytes"]
    for document in (first, second):
        assert "NaN" in document["nan"] and "worker 1 has other features" in document["other"]


@pytest.mark.slow
def test_all_end_with_a_message_when_a_worker_ends(both):
    # A server that MXNet started at its import would end with 0.
    _, ends = both
    codes = sorted(code for _, code in ends)
    assert codes == [9, watchdog.EXIT_CODE, watchdog.EXIT_CODE, watchdog.EXIT_CODE]
    for error, code in ends:
        assert code == 9 or ("worker 1 on host" in error and "--resume" in error), error


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DMLC_ROLE", None),
        ("DMLC_ROLE", "master"),
        ("DMLC_PS_ROOT_URI", None),
        ("DMLC_PS_ROOT_URI", ""),
        ("DMLC_PS_ROOT_URI", "no such host.invalid"),
        ("DMLC_PS_ROOT_PORT", "65535"),
        ("DMLC_PS_ROOT_PORT", "many"),
        ("DMLC_NUM_WORKER", "0"),
        ("DMLC_NUM_SERVER", "-1"),
        ("DMLC_NUM_SERVER", "²"),
        pytest.param("DMLC_NUM_WORKER", "9" * 5000, id="many digits"),
    ],
)
def test_a_wrong_environment_is_named(name, value, monkeypatch):
    variables = {key: text for key, text in (VARIABLES | {name: value}).items() if text is not None}
    with pytest.raises(ParameterError, match=name):
        Environment.read(variables)
    for key in VARIABLES:
        monkeypatch.delenv(key, raising=False)
    for key, text in variables.items():
        monkeypatch.setenv(key, text)
    with pytest.raises(ParameterError, match=name):
        check_kvstore("dist_sync")


def test_unknown_kvstores_are_refused():
    with pytest.raises(ParameterError, match="dist_sync"):
        check_kvstore("dist_async")
    check_kvstore(None)
    with join(None) as workers:
        assert workers is ALONE and workers.share == (0, 1)


def test_shares_of_a_batch_make_the_batch():
    dataset = AudioDataset([(np.full(10, n, np.float32), 8000) for n in range(7)], list(range(7)))
    loader = AudioLoader(dataset.transform_first(lambda sound: sound[0]), batch_size=3, shuffle=True)
    whole = [batch[1].asnumpy().tolist() for batch in loader]
    take = partial(loader.take, range(7), 3, shuffle=True)
    shares = [list(take(share=(rank, 2))) for rank in range(2)]
    parts = [[[] if batch is None else batch[1].asnumpy().tolist() for batch in share] for share in shares]
    assert [one + other for one, other in zip(*parts, strict=True)] == whole
    assert [len(part) for part in parts[0]] == [1, 1, 0]
    assert take(share=(1, 2)).names(0, 2) == take().names(0, 2)


def test_one_worker_alone_computes_nothing():
    workers = Workers()
    assert workers.add_gradients([], 3) == 3 and workers.copy_bytes(b"abc") == b"abc"
    assert workers.gather(np.ones((2, 3))).shape == (2, 3)
    workers.copy_arrays([])
    workers.check_same({"labels": ["a"]})
