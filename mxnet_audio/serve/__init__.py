"""HTTP API and web page for trained models, pretrained encoders, indexes and enrolled speakers."""

import lazy_loader

# The public names, and the types that editors and mypy see, are listed in __init__.pyi.
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
