"""Gluon datasets of sound, transforms, batches, and the loader that puts them together.

`AudioDataset`, `AudioFolderDataset` and `AudioChunkDataset` hold sounds and labels, `VoxAudioFolderDataset` speakers
and `VoxAudioValFolderDataset` pairs of sounds to compare. `transforms` change sounds and compute features. `Stack`,
`Pad`, `Mixup` and `Splice` make batches of samples. `AudioLoader` reads batches ahead in threads, and caches results
that are the same in every epoch.
"""

import lazy_loader

# The public names, and the types that editors and mypy see, are listed in __init__.pyi.
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
