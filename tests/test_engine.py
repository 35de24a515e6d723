"""MXNet imports and trains on today's NumPy and Pythons, and nothing is left behind."""

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from mxnet_audio import engine
from mxnet_audio.engine import context
from mxnet_audio.errors import ModelError


def run(code: str, **env) -> str:
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        capture_output=True,
        text=True,
        env={**os.environ, **env},
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_import_leaves_numpy_and_environment_as_found():
    run("""
        import os, warnings, scipy.linalg, scipy.sparse  # which set filters of their own
        import numpy as np
        names, environment, filters = set(vars(np)), dict(os.environ), list(warnings.filters)
        from mxnet_audio.engine import mx
        assert mx.__version__ == "1.9.1"
        gone = {"bool", "int", "float", "object"}
        assert not gone & set(vars(np)), gone & set(vars(np))
        left = {n for n in set(vars(np)) - names if not n.startswith("_")}
        # sub-packages that an import elsewhere loads lazily are NumPy's own doing
        assert all(type(getattr(np, n)).__name__ == "module" for n in left), left
        assert dict(os.environ) == environment
        assert warnings.filters == filters
    """)


def test_users_own_setting_of_the_environment_is_kept():
    out = run(
        "import os; from mxnet_audio.engine import mx; print(os.environ['OPENBLAS_CORETYPE'])",
        OPENBLAS_CORETYPE="SKYLAKEX",
    )
    assert out.strip() == "SKYLAKEX"


THREADS = """
    import os
    from mxnet_audio.engine import nd
    x = nd.ones((8, 8, 64, 64))
    nd.Convolution(x, nd.ones((16, 8, 3, 3)), no_bias=True, kernel=(3, 3), num_filter=16).wait_to_read()
    print(len(os.listdir('/proc/self/task')), os.environ.get('OMP_NUM_THREADS'))
"""


@pytest.mark.skipif(not Path("/sys/devices/system/cpu/cpu0/topology").is_dir(), reason="the system doesn't say")
def test_mxnet_works_with_a_thread_to_a_core_or_with_as_many_as_the_user_says(monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    cores = int(run("from mxnet_audio.engine import cores; print(cores())"))
    assert 1 <= cores <= len(os.sched_getaffinity(0))
    one, three = (run(THREADS, OMP_NUM_THREADS=str(count)).split() for count in (1, 3))
    assert int(three[0]) - int(one[0]) >= 2 and three[1] == "3"
    explicit, lent = run(THREADS, OMP_NUM_THREADS=str(cores)).split()[0], run(THREADS).split()
    assert lent == [explicit, "None"]  # and no program started from here inherits it


def test_threads_of_one_core_count_once(monkeypatch):
    siblings = {0: "0,2", 1: "1,3", 2: "0,2", 3: "1,3"}
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1, 2, 3}, raising=False)
    monkeypatch.setattr(engine.Path, "read_text", lambda place: siblings[int(place.parts[5][3:])])
    assert engine.cores() == 2
    monkeypatch.delattr(os, "sched_getaffinity")
    assert engine.cores() == 0


def test_import_and_arrays_with_warnings_as_errors_show_none():
    run("""
        import warnings; warnings.simplefilter('error')
        from mxnet_audio.engine import nd
        import numpy as np
        assert nd.array(np.ones(3)).sum().asscalar() == 3
        assert nd.array(np.ones(3)).dtype == np.float32
    """)


def test_no_such_gpu_is_named():
    with pytest.raises(ModelError, match=r"no gpu\(99\)"):
        context(99)
    with pytest.raises(ModelError, match=r"no gpu\(-1\)"):
        context(-1)


def test_a_newer_numpy_is_named_before_mxnet_stumbles_over_it():
    script = "import numpy, scipy.linalg, scipy.sparse; numpy.__version__ = '2.4.6'; import mxnet_audio.engine"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 1 and "needs a NumPy below 2, and this is 2.4.6" in done.stderr.splitlines()[-1]


def test_a_newer_python_is_named_with_what_runs_there():
    script = """
import sys, numpy, scipy.linalg, scipy.sparse
sys.version_info = (3, 13, 1, "final", 0)
from mxnet_audio.errors import AudioError
for error in (ImportError, AudioError):  # for programs that do without MXNet, and for the command
    try:
        import mxnet_audio.engine
    except error as caught:
        print(caught)
"""
    one, other = run(script).splitlines()
    assert one == other and one.startswith("MXNet 1.9.1 runs on CPython 3.10 to 3.12, and this is 3.13; ")
    assert one.endswith("exported models run here: see mxnet_audio.inference.onnx_classifier")
