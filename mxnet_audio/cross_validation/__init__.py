"""Cross-validation: train and measure with each fold held out, and keep the results."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
