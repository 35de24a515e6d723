"""Sound as float32 samples: decode files, downmix, resample, fit to a length, cut into windows.

The decoders and the resampler are imported on first use: samples at the right rate need NumPy alone.
"""

import lazy_loader

# The public names, and the types that editors and mypy see, are listed in __init__.pyi.
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
