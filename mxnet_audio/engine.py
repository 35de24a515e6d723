"""Import of MXNet. Import this module, or anything of mxnet_audio that computes with MXNet, before ``mxnet``.

MXNet 1.9.1, the last release, uses ``np.bool``, which NumPy 1.24 removed, and ``distutils``, which Python 3.12 removed,
so that ``import mxnet`` alone fails. This module provides both during the import, and removes them again. Afterwards
``import mxnet`` works anywhere in the process. NumPy below 2 and CPython 3.10 to 3.12 are supported.

A script that begins with ``import mxnet`` runs unchanged by ``python -m mxnet_audio.engine script.py [argument ...]``.

Examples
--------
>>> from mxnet_audio.engine import nd
>>> nd.ones((2, 3)).sum().asscalar()
6.0
>>> import mxnet
>>> mxnet.__version__
'1.9.1'
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import re
import runpy
import sys
import threading
import warnings
from collections.abc import Iterator, MutableMapping
from numbers import Integral
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any, NoReturn

import numpy as np
import scipy.linalg  # its OpenBLAS must choose its kernels before the choice of MXNet's OpenBLAS is restricted
import scipy.sparse

from mxnet_audio.errors import EngineError, ParameterError
from mxnet_audio.parallel import usable_cpus

__all__ = ["autograd", "context", "contexts", "cores", "gluon", "mx", "nd"]


def _has_avx2() -> bool:
    try:
        return "avx2" in Path("/proc/cpuinfo").read_text()
    except OSError:
        return False


def cores() -> int:
    """Return the number of cores that this process may use, which MXNet uses unless ``OMP_NUM_THREADS`` is set.

    Two processors of one core (hyper-threading) count once. A quota of a control group, such as that of ``docker run
    --cpus``, is respected.

    Returns
    -------
    int
        0 if the system does not provide it.

    Examples
    --------
    >>> 0 <= cores() <= os.cpu_count()
    True
    """
    try:
        files = (f"/sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list" for cpu in os.sched_getaffinity(0))
        return min(len({Path(file).read_text() for file in files}), usable_cpus())
    except (AttributeError, OSError):
        return 0


@contextlib.contextmanager
def _lent(mapping: MutableMapping[str, Any], name: str, value: Any) -> Iterator[None]:
    """Add an item that a mapping lacks, and remove it again."""
    if name in mapping:
        yield
        return
    mapping[name] = value
    try:
        yield
    finally:
        del mapping[name]


@contextlib.contextmanager
def _withheld(mapping: MutableMapping[str, str], name: str) -> Iterator[None]:
    """Remove an item from a mapping, and put it back."""
    value = mapping.pop(name, None)
    try:
        yield
    finally:
        if value is not None:
            mapping[name] = value


class _Hidden:
    """Finder that hides optional modules, which are slow to import, from the thread that imports MXNet."""

    def __init__(self, *names: str):
        self.names, self.thread = names, threading.get_ident()

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> None:
        if name in self.names and threading.get_ident() == self.thread:
            raise ModuleNotFoundError(f"{name} is hidden while MXNet is imported", name=name)

    def __enter__(self) -> None:
        sys.meta_path.insert(0, self)  # type: ignore[arg-type]

    def __exit__(self, *_: object) -> None:
        sys.meta_path.remove(self)  # type: ignore[arg-type]


class _Module(ModuleType):
    """Stand-in for a module that is imported on first use, with names that it lacks."""

    def __init__(self, name: str, **names: Any):
        super().__init__(name)
        vars(self).update(names)

    def __getattr__(self, name: str) -> Any:
        return getattr(importlib.import_module(self.__name__), name)


def _version_numbers(text: str) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", text)]


if sys.version_info >= (3, 13):
    raise EngineError(
        f"MXNet 1.9.1 needs CPython 3.10 to 3.12, this is {sys.version_info[0]}.{sys.version_info[1]}; "
        "exported models run here: see mxnet_audio.inference"
    )
if int(np.__version__.partition(".")[0]) >= 2:
    raise EngineError(
        f"MXNet 1.9.1 needs NumPy below 2, this is {np.__version__}: pip install 'numpy<2'; with pandas and "
        "Hugging Face data sets beside it: pip install 'numpy<2' 'pandas<3' 'pyarrow<26'"
    )

# oneDNN keeps what it compiles for each shape of an input, without a limit: 1 MB for each length of a sound that the
# speaker network ecapa_voxceleb encodes. MXNet reads this number with the first computation.
os.environ.setdefault("MXNET_MKLDNN_CACHE_NUM", "256")
with contextlib.ExitStack() as _stack:
    _stack.enter_context(_lent(vars(np), "bool", bool))
    # A stand-in for the comparison of NumPy's version: distutils with setuptools takes 0.17 s to import.
    _versions = SimpleNamespace(LooseVersion=_version_numbers, StrictVersion=_version_numbers)
    _stack.enter_context(_lent(sys.modules, "distutils.version", _versions))
    # Optional in MXNet: scikit-learn, which imports pandas, for the class FeedForward; SciPy's statistics, see below.
    # Not onnx: without it, MXNet registers no operators for its export.
    _stack.enter_context(_Hidden("sklearn", "scipy.stats"))
    # As the server or scheduler of a run on several machines, MXNet would serve as soon as it is imported, and exit:
    # also in commands that have nothing to do with it. `training.distributed` serves when it is time.
    _stack.enter_context(_withheld(os.environ, "DMLC_ROLE"))
    # MXNet looks up names that are deprecated or removed, and handles their absence itself.
    _stack.enter_context(warnings.catch_warnings())
    warnings.simplefilter("ignore")
    if _has_avx2():
        # MXNet's own OpenBLAS is too old to recognise new CPUs, and would use SSE kernels.
        _stack.enter_context(_lent(os.environ, "OPENBLAS_CORETYPE", "HASWELL"))
    if _count := cores():
        # MXNet counts each processor as half a core, so that it would use one of two cores. The number is fixed, not
        # chosen by load: with another number sums are rounded differently, and training would not be repeatable. Beside
        # other busy processes threads wait for each other at every layer (cifar10, two cores: 1.3 to 1.7 times as fast
        # alone, 3 times as slow beside one; waiting asleep, OMP_WAIT_POLICY=passive, costs the gain and does not help):
        # set OMP_NUM_THREADS=1 there.
        _stack.enter_context(_lent(os.environ, "OMP_NUM_THREADS", str(_count)))
    import mxnet as mx
    from mxnet import autograd, gluon, nd

# The functions of these modules use names that NumPy 1.24 removed, when they are called.
mx.test_utils.np = mx.numpy.multiarray._np = mx.ndarray.numpy._op._np = mx.symbol.numpy._symbol._np = _Module(
    "numpy", bool=bool, int=int
)
mx.test_utils.ss = mx.contrib.quantization.stats = _Module("scipy.stats")
# For every new array, MXNet looks up scipy.sparse.csr.csr_matrix, an alias that warns and that SciPy 2 will remove.
mx.ndarray.utils.spsp = SimpleNamespace(csr=scipy.sparse)


def context(gpu: int | None = None) -> mx.Context:
    """Return the device to compute on.

    Parameters
    ----------
    gpu : int, optional
        Number of the GPU; None is the CPU.

    Returns
    -------
    mxnet.Context

    Raises
    ------
    ParameterError
        This machine, or this build of MXNet, has no such GPU.

    Examples
    --------
    >>> context()
    cpu(0)
    """
    if gpu is None:
        return mx.cpu()
    try:
        count = mx.context.num_gpus()
    except mx.MXNetError:  # a CUDA build on a machine without a driver
        count = 0
    if not isinstance(gpu, Integral) or not 0 <= gpu < count:
        build = "" if mx.runtime.Features().is_enabled("CUDA") else " and this build of MXNet has no CUDA"
        raise ParameterError(f"no gpu({gpu}): {count} found{build}; leave the GPU out to compute on the CPU")
    return mx.gpu(gpu)


def contexts(model_ctx: mx.Context | None, data_ctx: mx.Context | None) -> tuple[mx.Context, mx.Context]:
    """Return the devices of a network and of its batches; the defaults are the CPU, and the network's device.

    Raises
    ------
    ParameterError
        One is not an `mxnet.Context`, or this machine, or this build of MXNet, has no such GPU.

    Examples
    --------
    >>> contexts(None, None)
    (cpu(0), cpu(0))
    """
    model_ctx = mx.cpu() if model_ctx is None else model_ctx
    data_ctx = model_ctx if data_ctx is None else data_ctx
    for name, ctx in (("model_ctx", model_ctx), ("data_ctx", data_ctx)):
        if not isinstance(ctx, mx.Context):
            raise ParameterError(f"{name} must be an mxnet.Context, such as mxnet.cpu(), got {ctx!r}")
        if ctx.device_type == "gpu":
            context(ctx.device_id)
    return model_ctx, data_ctx


def main(arguments: list[str]) -> None:
    """Run a script or a module, as ``python`` does, in which ``import mxnet`` works.

    Parameters
    ----------
    arguments : list of str
        Path of a script, or ``-m`` and the name of a module; then its arguments.

    Raises
    ------
    SystemExit
        With status 2 and a message: there is no such script or module. At the end of a run on several machines, if this
        process is its server or scheduler (``DMLC_ROLE``), as with ``import mxnet`` alone.
    """
    mx.kvstore.kvstore_server._init_kvstore_server_module()
    if arguments[:1] == ["-m"] and len(arguments) > 1:
        name, sys.argv = arguments[1], arguments[1:]
        try:
            missing = importlib.util.find_spec(name) is None
        except (ImportError, ValueError):
            missing = True
        if missing:
            _fail(f"{name}: no such module")
        runpy.run_module(name, run_name="__main__", alter_sys=True)
    elif arguments and not arguments[0].startswith("-"):
        script, sys.argv = arguments[0], arguments
        if not Path(script).is_file():
            _fail(f"{script}: {'a directory' if Path(script).is_dir() else 'no such file'}, expected a Python script")
        if not getattr(sys.flags, "safe_path", False):
            sys.path[0] = str(Path(script).resolve().parent)
        runpy.run_path(script, run_name="__main__")
    else:
        _fail("usage: python -m mxnet_audio.engine (script.py | -m module) [argument ...]")


def _fail(message: str) -> NoReturn:
    print(message, file=sys.stderr)
    raise SystemExit(2)


if __name__ == "__main__":
    main(sys.argv[1:])
