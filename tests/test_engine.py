"""Import of MXNet on current NumPy and Python versions: it works, restores everything, and runs unchanged scripts."""

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from mxnet_audio import engine
from mxnet_audio.engine import context
from mxnet_audio.errors import ParameterError


def run(code: str, **env) -> str:
    """Run code in a new process, and return its output."""
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        capture_output=True,
        text=True,
        env={**os.environ, **env},
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_import_restores_everything_and_leaves_large_libraries_to_their_users():
    run("""
        import os, sys, warnings, scipy.linalg, scipy.sparse  # these add warning filters
        import numpy as np
        names, environment, filters, finders = set(vars(np)), dict(os.environ), list(warnings.filters), sys.meta_path[:]
        from mxnet_audio.engine import mx
        assert mx.__version__ == "1.9.1"
        removed = {"bool", "int", "float", "object"}
        assert not removed & set(vars(np)), removed & set(vars(np))
        added = {n for n in set(vars(np)) - names if not n.startswith("_")}
        # subpackages that NumPy imports lazily
        assert all(type(getattr(np, n)).__name__ == "module" for n in added), added
        kept = {"MXNET_MKLDNN_CACHE_NUM": environment.get("MXNET_MKLDNN_CACHE_NUM", "256")}  # read later, by MXNet
        assert dict(os.environ) == environment | kept and warnings.filters == filters and sys.meta_path == finders
        optional = {"sklearn", "pandas", "scipy.stats", "setuptools", "pkg_resources", "distutils"}
        assert not optional & set(sys.modules), optional & set(sys.modules)

        x, same = mx.nd.ones(3), np.ones(3, np.float32)
        mx.test_utils.assert_almost_equal(x, same)
        mx.test_utils.assert_allclose(x, same)
        assert mx.test_utils.same(x.asnumpy(), same) and mx.test_utils.default_context() == mx.cpu()
        buckets = mx.test_utils.gen_buckets_probs_with_ppf(lambda p: p, 5)
        mx.test_utils.chi_square_check(lambda n: np.linspace(0.001, 0.999, n), *buckets, nsamples=1000)
        y, mask = mx.np.zeros(3), mx.np.full((3,), True)
        y[mask] = 5
        assert mask.dtype == np.bool_ and y.asnumpy().tolist() == [5, 5, 5]
        assert not removed & set(vars(np))

        import pandas, scipy.stats, sklearn.base
        assert mx.test_utils.ss.norm is scipy.stats.norm and sklearn.base.BaseEstimator
    """)


WARNINGS_ARE_ERRORS = """
    import os, warnings; warnings.simplefilter('error')
    from mxnet_audio.engine import nd
    import numpy as np
    assert nd.array(np.ones(3)).sum().asscalar() == 3
    assert nd.array(np.ones(3)).dtype == np.float32
    x = nd.ones((8, 8, 64, 64))
    nd.Convolution(x, nd.ones((16, 8, 3, 3)), no_bias=True, kernel=(3, 3), num_filter=16).wait_to_read()
    print(len(os.listdir('/proc/self/task')), os.environ.get('OMP_NUM_THREADS'), os.environ.get('OPENBLAS_CORETYPE'))
"""
MORE_THREADS = engine.cores() + 2


@pytest.fixture(scope="module")
def users_settings():
    """Number of threads under settings of the user, and both settings, as the process has them."""
    return run(WARNINGS_ARE_ERRORS, OPENBLAS_CORETYPE="SKYLAKEX", OMP_NUM_THREADS=str(MORE_THREADS)).split()


def test_import_and_arrays_cause_no_warnings_and_the_users_setting_of_the_environment_is_kept(users_settings):
    assert users_settings[1:] == [str(MORE_THREADS), "SKYLAKEX"]


@pytest.mark.slow
@pytest.mark.skipif(not Path("/sys/devices/system/cpu/cpu0/topology").is_dir(), reason="this number is unknown")
def test_mxnet_uses_one_thread_per_core_or_as_many_as_the_user_sets(users_settings, monkeypatch):
    for name in ("OMP_NUM_THREADS", "OPENBLAS_CORETYPE"):
        monkeypatch.delenv(name, raising=False)
    cores = engine.cores()
    assert 1 <= cores <= len(os.sched_getaffinity(0))
    one_per_core = run(WARNINGS_ARE_ERRORS, OMP_NUM_THREADS=str(cores)).split()[0]
    assert int(users_settings[0]) - int(one_per_core) >= 2
    assert run(WARNINGS_ARE_ERRORS).split() == [one_per_core, "None", "None"]  # child processes do not inherit either


def test_processors_of_one_core_count_once(monkeypatch):
    siblings = {0: "0,2", 1: "1,3", 2: "0,2", 3: "1,3"}
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1, 2, 3}, raising=False)
    monkeypatch.setattr(engine.Path, "read_text", lambda path: siblings[int(path.parts[5][3:])])
    monkeypatch.setattr(engine, "usable_cpus", lambda: 4)
    assert engine.cores() == 2
    monkeypatch.setattr(engine, "usable_cpus", lambda: 1)  # the quota of a container
    assert engine.cores() == 1
    monkeypatch.delattr(os, "sched_getaffinity")
    assert engine.cores() == 0


@pytest.mark.parametrize("gpu", [99, -1, "0"])
def test_a_missing_gpu_is_named(gpu):
    with pytest.raises(ParameterError, match=rf"gpu\({gpu}\)"):
        context(gpu)


def test_numpy_2_is_refused_by_name():
    script = "import numpy, scipy.linalg, scipy.sparse; numpy.__version__ = '2.4.6'; import mxnet_audio.engine"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    message = done.stderr.splitlines()[-1]
    assert "EngineError" in message and "NumPy" in message and "2.4.6" in message


def test_a_newer_python_is_refused_with_an_import_error_and_an_audio_error():
    script = """
import sys, numpy, scipy.linalg, scipy.sparse
sys.version_info = (3, 13, 1, "final", 0)
from mxnet_audio.errors import AudioError
for error in (ImportError, AudioError):  # for programs without MXNet, and for the command
    try:
        import mxnet_audio.engine
    except error as caught:
        print(caught)
"""
    first, second = run(script).splitlines()
    assert first == second
    assert "3.10 to 3.12" in first and "3.13" in first and "mxnet_audio.inference" in first


def test_an_unchanged_script_runs_like_with_python(tmp_path):
    (tmp_path / "neighbour.py").write_text("answer = 42\n")
    script = tmp_path / "script.py"
    script.write_text(
        "import mxnet as mx\nimport sys\nimport neighbour\n"
        "print(__name__, __file__ == sys.argv[0], sys.argv[1:], neighbour.answer, mx.nd.ones(2).sum().asscalar())\n"
        "sys.exit(7)\n"
    )
    command = [sys.executable, "-m", "mxnet_audio.engine", str(script), "a", "--b"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.stdout == "__main__ True ['a', '--b'] 42 2.0\n", done.stderr
    assert done.returncode == 7


def test_a_module_runs_like_with_python(tmp_path, monkeypatch, capsys):
    (tmp_path / "a_module.py").write_text("import mxnet, sys\nprint(__name__, sys.argv[1:], mxnet.__version__)\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "argv", sys.argv)
    engine.main(["-m", "a_module", "-x"])
    assert capsys.readouterr().out == "__main__ ['-x'] 1.9.1\n"


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ([], "script.py"),
        (["-m"], "script.py"),
        (["--help"], "script.py"),
        (["missing.py"], "missing.py: no such file"),
        (["."], ".: a directory"),
        (["-m", "missing"], "missing: no such module"),
        (["-m", "missing.part"], "missing.part: no such module"),
        (["-m", ".."], "..: no such module"),
    ],
    ids=str,
)
def test_missing_scripts_and_modules_are_named(arguments, named, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", sys.argv)
    with pytest.raises(SystemExit) as caught:
        engine.main(arguments)
    assert caught.value.code == 2 and named in capsys.readouterr().err
