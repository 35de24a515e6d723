"""The one place that imports MXNet: 1.9.1, the last release, on NumPy 1.26 and CPython 3.10 to 3.12.

MXNet 1.9.1 still says ``np.bool``, which NumPy 1.24 dropped, and ``distutils``, which Python 3.12 dropped.
Both are lent to it for the length of the import and taken back; setuptools brings ``distutils`` along.

Examples
--------
>>> from mxnet_audio.engine import nd
>>> nd.ones((2, 3)).sum().asscalar()
6.0
"""

from __future__ import annotations

import contextlib
import os
import sys
import warnings
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import scipy.linalg  # its OpenBLAS must have chosen its kernels before MXNet's is told which to take
import scipy.sparse

from mxnet_audio.errors import EngineError, ModelError

__all__ = ["autograd", "context", "cores", "gluon", "mx", "nd"]


def _has_avx2() -> bool:
    try:
        return "avx2" in Path("/proc/cpuinfo").read_text()
    except OSError:
        return False


def cores() -> int:
    """Number of the cores that this process may use: MXNet's threads, unless ``OMP_NUM_THREADS`` says otherwise.

    Processors of one core (hyper-threading) count once. 0 if the system doesn't say.

    Examples
    --------
    >>> 0 <= cores() <= os.cpu_count()
    True
    """
    try:
        places = (f"/sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list" for cpu in os.sched_getaffinity(0))
        return len({Path(place).read_text() for place in places})
    except (AttributeError, OSError):
        return 0


@contextlib.contextmanager
def _attribute(module, name: str, value):
    """Give a module a name that it lacks, and take it back."""
    if name in vars(module):
        yield
        return
    setattr(module, name, value)
    try:
        yield
    finally:
        delattr(module, name)


@contextlib.contextmanager
def _environment(name: str, value: str):
    """Set an environment variable that is not set, and take it back."""
    if name in os.environ:
        yield
        return
    os.environ[name] = value
    try:
        yield
    finally:
        del os.environ[name]


if sys.version_info >= (3, 13):
    raise EngineError(
        "MXNet 1.9.1 runs on CPython 3.10 to 3.12, and this is "
        f"{sys.version_info[0]}.{sys.version_info[1]}; exported models run here: see mxnet_audio.inference"
    )
if int(np.__version__.partition(".")[0]) >= 2:
    raise EngineError(
        f"MXNet 1.9.1 needs a NumPy below 2, and this is {np.__version__}: pip install 'numpy<2'; for pandas and "
        "Hugging Face data sets beside it pip install 'mxnet-audio[tables]'"
    )

with contextlib.ExitStack() as _loan:
    _loan.enter_context(_attribute(np, "bool", bool))
    # MXNet looks up names that are deprecated or gone, and handles their absence itself.
    _loan.enter_context(warnings.catch_warnings())
    warnings.simplefilter("ignore")
    if sys.version_info >= (3, 12):
        import setuptools  # noqa: F401  puts distutils within reach
    if _has_avx2():
        # MXNet's own OpenBLAS is too old to know new CPUs and would fall back to SSE kernels.
        _loan.enter_context(_environment("OPENBLAS_CORETYPE", "HASWELL"))
    if count := cores():
        # MXNet takes each processor for half a core, so on two cores it would use one. A number for good, not one by
        # load: with another, sums round otherwise, and training would not repeat. Beside other busy processes threads
        # wait for each other at every layer (cifar10, two cores: 1.3 to 1.7 times as fast alone, 3 times as slow beside
        # one; waiting asleep, OMP_WAIT_POLICY=passive, costs the gain and mends nothing): set OMP_NUM_THREADS=1 there.
        _loan.enter_context(_environment("OMP_NUM_THREADS", str(count)))
    import mxnet as mx
    from mxnet import autograd, gluon, nd

# Whenever an array is made, MXNet asks for scipy.sparse.csr.csr_matrix, an alias that warns and will go in SciPy 2.
mx.ndarray.utils.spsp = SimpleNamespace(csr=scipy.sparse)


def context(gpu: int | None = None) -> mx.Context:
    """The device to compute on.

    Parameters
    ----------
    gpu : int, optional
        Number of the GPU; the CPU if None.

    Returns
    -------
    mxnet.Context

    Raises
    ------
    ModelError
        If this machine, or this build of MXNet, has no such GPU.

    Examples
    --------
    >>> context()
    cpu(0)
    """
    if gpu is None:
        return mx.cpu()
    try:
        found = mx.context.num_gpus()
    except mx.MXNetError:  # a CUDA build on a machine without a driver
        found = 0
    if not 0 <= gpu < found:
        built = "" if mx.runtime.Features().is_enabled("CUDA") else " and this build of MXNet has no CUDA"
        raise ModelError(f"no gpu({gpu}): {found} found{built}; leave the GPU out to compute on the CPU")
    return mx.gpu(gpu)
