"""Milvus server of the tests, from the package `milvus`.

A test of the server of the session has ``milvus_server`` in its name, in that of its module, or in that of a parameter:
one process runs all of them, one after another, since the server takes a tenth of a core while it runs.
"""

import contextlib
import json
import os
import socket
import subprocess
import tempfile
import time
import urllib.request
import uuid
from pathlib import Path

import numpy as np
import pytest
from filelock import FileLock

__all__ = [
    "MilvusServer",
    "collections_of_the_session",
    "milvus_collection",
    "milvus_indexes",
    "milvus_server",
    "own_milvus_server",
    "pytest_runtest_teardown",
    "session_milvus_server",
    "uses_milvus_server",
]

_START_SECONDS = 120
# A server that was killed is forgotten sooner than by default, and readers wait less.
_SETTINGS = {
    "COMMON_SESSION_TTL": "10", "PROXY_TIMETICKINTERVAL": "50", "QUERYCOORD_CHECKINTERVAL": "100",
    "QUERYCOORD_DISTPULLINTERVAL": "100", "LOG_LEVEL": "error",
}  # fmt: skip


class MilvusServer:
    """Standalone server on free ports of this machine, which asks for a token.

    Parameters
    ----------
    folder : Path
        Folder for what the server stores, which is there after it is killed.
    settings : dict of str to str, optional
        Settings of the server, as environment variables, in place of those of the tests.

    Attributes
    ----------
    folder : Path
        The file ``pid`` in it has the number of the process.
    uri, token : str
        Arguments of `MilvusIndex`.
    """

    token = "root:Milvus"

    def __init__(self, folder, settings=_SETTINGS):
        self.folder, self._settings = folder, settings
        self._process = self._watcher = None

    @property
    def uri(self):
        return f"http://127.0.0.1:{self._ports()['proxy_port']}"

    def _ports(self):
        """Return the ports, by their names in the package: the same ones after a restart."""
        path = self.folder / "ports.json"
        if not path.exists():
            from milvus import MilvusServerConfig

            names = [name for name in MilvusServerConfig().configurable_items if name.endswith("_port")]
            names += ["metrics", "etcd_peers"]
            with contextlib.ExitStack() as stack:  # all are taken until the last one is known
                sockets = [stack.enter_context(socket.socket()) for _ in names]
                for each in sockets:
                    each.bind(("127.0.0.1", 0))
                path.write_text(json.dumps(dict(zip(names, (each.getsockname()[1] for each in sockets)))))
        return json.loads(path.read_text())

    def start(self):
        """Start the server, and wait until it answers."""
        from milvus import MilvusServerConfig

        ports = self._ports()
        config = MilvusServerConfig(data_dir=str(self.folder))
        for name, port in ports.items():
            config.set(name, port)
        config.resolve_storage()
        config.write_config()
        peers, clients = (f"http://127.0.0.1:{ports[name]}" for name in ("etcd_peers", "etcd_port"))
        etcd = {
            "data-dir": config.get("etcd_data_dir"), "log-level": "fatal", "initial-cluster": f"default={peers}",
            "listen-peer-urls": peers, "initial-advertise-peer-urls": peers,
            "listen-client-urls": clients, "advertise-client-urls": clients,
        }  # fmt: skip
        (self.folder / "etcd.yaml").write_text(json.dumps(etcd))
        with _skipped_if_it_fails():
            programs = unpacked()
        environment = {
            **os.environ, **self._settings, "COMMON_SECURITY_AUTHORIZATIONENABLED": "true",
            "DEPLOY_MODE": "STANDALONE", "METRICS_PORT": str(ports["metrics"]), "LD_LIBRARY_PATH": str(programs),
            "ETCD_CONFIG_PATH": str(self.folder / "etcd.yaml"),
        }  # fmt: skip
        with (self.folder / "output.log").open("ab") as log, _skipped_if_it_fails():
            self._process = subprocess.Popen(
                [programs / "milvus", "run", "standalone"],
                cwd=self.folder, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                start_new_session=True,
            )  # fmt: skip
        (self.folder / "pid").write_text(str(self._process.pid))
        # A session of tests that is killed takes the server with it.
        session = os.getppid() if "PYTEST_XDIST_WORKER" in os.environ else os.getpid()
        watch = 'while kill -0 "$0" && kill -0 "$1"; do sleep 2; done; kill -9 "$1"'
        self._watcher = subprocess.Popen(
            ["sh", "-c", watch, str(session), str(self._process.pid)], start_new_session=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        end = time.monotonic() + _START_SECONDS
        while not self._answers(ports["metrics"]):
            if not self.runs or time.monotonic() > end:
                self.kill()
                pytest.skip(f"the Milvus server does not start: {(self.folder / 'output.log').read_text()[-500:]}")
            time.sleep(0.1)

    @staticmethod
    def _answers(port):
        with contextlib.suppress(OSError):
            return urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=5).read() == b"OK"
        return False

    @property
    def runs(self):
        """True between `start` and `kill`."""
        return self._process is not None and self._process.poll() is None

    def kill(self):
        """Kill the server at once."""
        for process in (self._watcher, self._process):
            if process is not None:
                process.kill()
                process.wait()


@contextlib.contextmanager
def _skipped_if_it_fails():
    try:
        yield
    except OSError as error:  # the disk is full, or the programs are for other machines
        pytest.skip(f"the Milvus server does not start: {error}")


def unpacked():
    """Return the folder of the server's programs, which are unpacked once for all sessions."""
    import milvus

    folder = Path(tempfile.gettempdir()) / f"milvus-{milvus.__version__}-{os.getuid()}"
    folder.mkdir(exist_ok=True)
    with FileLock(folder / ".lock"):
        milvus._initialize_data_files(str(folder))
    return folder / "bin"


def _skip_if_not_installed():
    try:
        from milvus import MilvusServerConfig  # noqa: F401
    except ImportError:
        pytest.skip("no Milvus server: pip install --no-deps milvus==2.3.5")


def uses_milvus_server(nodeid):
    """Return True for the tests of the server of the session."""
    return "milvus_server" in nodeid


_session_server = pytest.StashKey[MilvusServer]()


@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown(item, nextitem):
    """Stop the server of the session after the last test of it."""
    if _session_server in item.config.stash and not (nextitem and uses_milvus_server(nextitem.nodeid)):
        item.config.stash[_session_server].kill()


@pytest.fixture(scope="session")
def session_milvus_server(tmp_path_factory, pytestconfig):
    """Milvus server of the session, which may be stopped; the test is skipped where `milvus` is not installed."""
    _skip_if_not_installed()
    server = pytestconfig.stash[_session_server] = MilvusServer(tmp_path_factory.mktemp("milvus"))
    server.start()
    yield server
    server.kill()


@pytest.fixture
def milvus_server(session_milvus_server, request):
    """Milvus server of the session."""
    assert uses_milvus_server(request.node.nodeid), "tests of the server have `milvus_server` in their name"
    if not session_milvus_server.runs:
        session_milvus_server.start()
    return session_milvus_server


@pytest.fixture
def own_milvus_server(tmp_path):
    """Milvus server of one test, which may kill it: others use that of the session at the same time."""
    _skip_if_not_installed()
    server = MilvusServer(tmp_path)
    server.start()
    yield server
    server.kill()


@pytest.fixture(scope="session")
def collections_of_the_session():
    """Indexes by width and metric."""
    return {}


@pytest.fixture
def milvus_indexes(milvus_server, collections_of_the_session):
    """Function ``milvus_indexes(dim, metric="cosine") -> MilvusIndex`` of one collection for all tests, emptied."""
    from mxnet_audio.search import MilvusIndex

    def emptied(dim, metric="cosine"):
        index = collections_of_the_session.get((dim, metric))
        if index is None:
            index = MilvusIndex(milvus_server.uri, f"shared_{dim}_{metric}", metric=metric, token=milvus_server.token)
            collections_of_the_session[dim, metric] = index
            index.add("first", np.ones(dim))
        index.remove(list(index.real_paths))
        return index

    return emptied


@pytest.fixture
def milvus_collection(milvus_server):
    """Name of a collection that does not exist, and is dropped after the test."""
    name = f"test_{uuid.uuid4().hex}"
    yield name
    from mxnet_audio.search import MilvusIndex

    MilvusIndex(milvus_server.uri, name, token=milvus_server.token).drop()
