"""Fixtures of the whole suite: recordings, tones, a small corpus with a trained classifier, and shared folders."""

import functools
import gc
import itertools
import os
import re
import sys
from pathlib import Path

# Set before NumPy and MXNet are imported: small networks gain nothing from threads, which wait for busy processes.
os.environ.setdefault("OMP_NUM_THREADS", "1")
# Dask's profiler reads the stacks of running threads, which may crash CPython 3.11.
os.environ.setdefault("DASK_DISTRIBUTED__WORKER__PROFILE__ENABLED", "false")
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")  # for the tests that import ONNX Runtime themselves

import platformdirs

# The list of fonts, which each process would make again in the cache directory of its test.
os.environ.setdefault("MPLCONFIGDIR", str(platformdirs.user_cache_path("matplotlib")))

import numpy as np
import pytest
import soundfile as sf
import typer
from filelock import FileLock
from hypothesis import settings

from mxnet_audio.inference import onnx_session
from tests.milvus_server import (  # noqa: F401 - fixtures
    collections_of_the_session,
    milvus_collection,
    milvus_indexes,
    milvus_server,
    own_milvus_server,
    pytest_runtest_teardown,
    session_milvus_server,
    uses_milvus_server,
)

settings.register_profile("deterministic", derandomize=True, deadline=None)
settings.load_profile("deterministic")

SHARED = Path(__file__).resolve().parents[2] / "shared"
DATA = Path(os.environ.get("MXNET_AUDIO_DATA") or SHARED / "data")
WEIGHTS = Path(os.environ.get("MXNET_AUDIO_WEIGHTS") or SHARED / "models")

KINDS = ("low", "high", "noise")  # classes of `corpus`


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport():
    """Escape file names that are not UTF-8 in captured output, which pytest-xdist cannot send to its main process."""
    report = yield
    report.sections = [(name, _escaped(text)) for name, text in report.sections]
    if report.longrepr is not None and _escaped(text := str(report.longrepr)) != text:
        report.longrepr = _escaped(text)
    return report


def _escaped(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode()


def pytest_configure():
    """Keep compiled files, whatever the environment says: rewriting the assertions takes 10 s in each process."""
    sys.dont_write_bytecode = False
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # for the processes that tests start


def pytest_collection_modifyitems(items):
    """Run the tests of the Milvus server one after another."""
    items.sort(key=lambda item: not uses_milvus_server(item.nodeid))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """Distribute modules in the order of their folders: the many short ones of doctests come last, and no long one."""
    if config.getvalue("dist") != "loadscope":
        return None
    from xdist.scheduler import LoadScopeScheduling

    class Scheduling(LoadScopeScheduling):
        def _split_scope(self, nodeid):
            return "milvus_server" if uses_milvus_server(nodeid) else super()._split_scope(nodeid)

    config.option.loadscopereorder = False
    return Scheduling(config, log)


def pytest_collection_finish():
    """Leave what was imported out of the garbage collections."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="module", autouse=True)
def free_networks():
    """Free the networks of a module of tests, which are few objects that refer to each other and hold much memory."""
    yield
    gc.collect()
    gc.freeze()  # modules that were imported meanwhile, which the next collections need not visit


@pytest.fixture(scope="session", autouse=True)
def unsynced_files():
    """Do not wait for the disk, a tenth of the time of short training: it matters in a power failure only."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", os.fstat)  # which fails for the same descriptors
        yield


@pytest.fixture(scope="session", autouse=True)
def command_built_once():
    """Build the command line once and not for each command that is run, which took most of the time of many tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("typer.testing._get_command", functools.cache(typer.main.get_command))
        yield


@pytest.fixture(scope="session", autouse=True)
def one_thread_in_onnx_runtime():
    """Run small exported networks in one thread: others spin for milliseconds after each run, beside busy processes."""
    with pytest.MonkeyPatch.context() as patch:
        options = onnx_session._options
        patch.setattr(onnx_session, "_options", lambda threads, bounded=False: options(threads or 1, bounded))
        yield


@pytest.fixture(scope="session", autouse=True)
def user_cache(tmp_path_factory, worker_id):
    """Cache directory of the session in place of the user's, and the folder of published weights."""
    root = tmp_path_factory.getbasetemp()
    folder = (root if worker_id == "master" else root.parent) / "user-cache"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PIP_CACHE_DIR", os.environ.get("PIP_CACHE_DIR") or str(platformdirs.user_cache_path("pip")))
        patch.setenv("XDG_CACHE_HOME", str(folder))
        patch.setenv("MXNET_AUDIO_WEIGHTS", str(WEIGHTS))
        yield folder


@pytest.fixture(scope="session")
def published():
    """Function that skips a test unless published weights are on this machine: ``published(name) -> name``."""

    def check(name):
        from mxnet_audio import weights

        if not weights.available(name):
            package = weights.record(name).package
            pytest.skip(f"no weights of {name}: " + (package.command if package else "set MXNET_AUDIO_WEIGHTS"))
        return name

    return check


def _corpus(name: str) -> Path:
    folder = DATA / name
    if not folder.is_dir():
        pytest.skip(f"no real recordings at {folder}: set MXNET_AUDIO_DATA")
    return folder


@pytest.fixture(scope="session")
def esc10() -> Path:
    """Folder of ESC-10, folds 1 to 4: ``<class>/<fold>-<id>-<take>.ogg``."""
    return _corpus("esc10")


@pytest.fixture(scope="session")
def fsdd() -> Path:
    """Folder of spoken digits: ``<digit>_<speaker>_<take>.wav``."""
    return _corpus("fsdd")


@pytest.fixture(scope="session")
def music() -> Path:
    """Folder of longer recordings."""
    return _corpus("music")


@pytest.fixture(scope="session")
def make_once(tmp_path_factory, worker_id):
    """Function that fills a folder once for all test processes: ``make_once(name, fill) -> Path``.

    ``fill(folder)`` is called by the first process; the others wait for it. Tests must not change the folder.
    """

    def make_once(name, fill):
        root = tmp_path_factory.getbasetemp()
        folder = (root if worker_id == "master" else root.parent) / f"shared-{name}"
        with FileLock(f"{folder}.lock"):
            if not folder.exists():
                unfinished = tmp_path_factory.mktemp(name)
                fill(unfinished)
                unfinished.rename(folder)
        return folder

    return make_once


@pytest.fixture(scope="session")
def folder_numbers():
    """Numbers of the folders of tests."""
    return itertools.count()


@pytest.fixture
def tmp_path(request, tmp_path_factory, folder_numbers) -> Path:
    """Empty folder of a test. That of pytest lists the folders of all former tests, 5 ms after some thousand."""
    name = re.sub(r"\W", "_", request.node.name)[:30]
    path = tmp_path_factory.getbasetemp() / f"{name}-{next(folder_numbers)}"
    path.mkdir(mode=0o700)
    return path


@pytest.fixture
def write_tone():
    """Function that writes a test tone: ``write_tone(path, frequency=440.0, seconds=1.0, sr=22050, channels=1)``."""

    def write(path, frequency=440.0, seconds=1.0, sr=22050, channels=1, amplitude=0.5, **kwargs):
        t = np.arange(int(seconds * sr)) / sr
        y = amplitude * np.sin(2 * np.pi * frequency * t)
        path = Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        sf.write(path, np.stack([y] * channels, axis=-1), sr, **kwargs)
        return path

    return write


def write_corpus(folder):
    """Write 24 one-second clips of three kinds, ``<kind>/clip <i> é.wav``, that a small network can distinguish."""
    rng = np.random.default_rng(0)
    sr = 12000
    t = np.arange(sr) / sr
    for i in range(24):
        kind = KINDS[i % 3]
        if kind == "noise":
            y = rng.normal(0, 0.1, sr)
        else:
            frequency = rng.uniform(200, 600) if kind == "low" else rng.uniform(2000, 5000)
            y = 0.5 * np.sin(2 * np.pi * frequency * t) + rng.normal(0, 0.01, sr)
        path = folder / kind / f"clip {i} é.wav"
        path.parent.mkdir(exist_ok=True)
        sf.write(path, y, sr)


@pytest.fixture(scope="session")
def corpus(make_once):
    """Pairs of path and label of 24 clips of three classes."""
    folder = make_once("library-corpus", write_corpus)
    return [(str(folder / KINDS[i % 3] / f"clip {i} é.wav"), KINDS[i % 3]) for i in range(24)]


@pytest.fixture(scope="session")
def model_options(tmp_path_factory):
    """Arguments of the `fit` of the model in `model_dir`."""
    return {
        "batch_size": 5,
        "epochs": 6,
        "test_size": 0.25,
        "input_shape": (1, 32, 40),
        "nb_classes": 3,
        "checkpoint_interval": 2,
        "cache": tmp_path_factory.mktemp("cache"),
        "progress": False,
    }


@pytest.fixture(scope="session")
def options(model_options):
    """Arguments of a quick `fit`."""
    return model_options


@pytest.fixture(scope="session")
def model_dir(corpus, model_options, make_once) -> Path:
    """Directory of a model trained on `corpus`; tests must not change it."""
    from mxnet_audio.library.cifar10 import Cifar10AudioClassifier

    return make_once("library-model", lambda folder: Cifar10AudioClassifier().fit(corpus, folder, **model_options))


@pytest.fixture
def narrow_resnet18(monkeypatch):
    """Give resnet18 an eighth of its filters: most of a short training wrote and read its 11 million parameters."""
    from mxnet_audio.engine import gluon

    zoo = gluon.model_zoo.vision
    monkeypatch.setattr(zoo, "resnet18_v2", lambda: zoo.ResNetV2(zoo.BasicBlockV2, [2, 2, 2, 2], [8, 8, 16, 32, 64]))


@pytest.fixture
def classifier(model_dir):
    """The trained classifier, loaded for each test."""
    from mxnet_audio.library.cifar10 import Cifar10AudioClassifier

    loaded = Cifar10AudioClassifier()
    loaded.load_model(model_dir)
    return loaded
