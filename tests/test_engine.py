"""MXNet imports and trains on today's NumPy and Pythons, and nothing is left behind."""

import os
import subprocess
import sys
import textwrap

import pytest

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
