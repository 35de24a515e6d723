"""Published weights: a registry, readers that execute nothing, and their conversion to our networks' parameters."""

import lazy_loader

# Not on first use: the modules of the same names would hide them.
from mxnet_audio.weights.find import find as find
from mxnet_audio.weights.load import load as load

# The public names, and the types that editors and mypy see, are listed in __init__.pyi.
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
