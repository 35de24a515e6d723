"""Published weights: a registry, readers that execute nothing, and their conversion to our networks' parameters.

- Descriptions: `records` (types), `registry` and `hub_records` (the records), `tags` (classes), `embeddings` (names).
- Search and download: `finding`; of models of the hub `find_model`, and `hub` for the hub's own cache.
- Reading: `readers` (files with tensors), `model_folder` (folders of models of the hub), with `architecture`
  (settings of the network) and `front_ends` (its features).
- Conversion: `convert`, and `layouts` with a module for each family of networks.
- `loading` does all of it, and returns `loaded`.
"""

import lazy_loader

# The public names, and the types that editors and mypy see, are listed in __init__.pyi.
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
