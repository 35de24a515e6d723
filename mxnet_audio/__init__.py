"""Classify, embed and search sound with MXNet Gluon."""

import lazy_loader

__version__ = "0.1.0"

# The public names, and the types that editors and mypy see, are listed in __init__.pyi.
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
