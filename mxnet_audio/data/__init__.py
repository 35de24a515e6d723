"""Gluon datasets of sound, transforms, batches, and the loader that puts them together.

`AudioDataset`, `AudioFolderDataset` and `AudioChunkDataset` hold sounds and labels, `VoxAudioFolderDataset` speakers
and `VoxAudioValFolderDataset` pairs of sounds to compare. `transforms` change sounds and compute features. `Stack`,
`Pad`, `Mixup` and `Splice` make batches of samples. `AudioLoader` reads batches ahead in threads, and caches results
that are the same in every epoch.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submodules=["transforms"],
    submod_attrs={
        "batchify": ["Pad", "Stack"],
        "chunks": ["AudioChunkDataset"],
        "datasets": ["AudioDataset"],
        "folders": ["AudioFolderDataset"],
        "loader": ["AudioLoader"],
        "mixing": ["Mixup", "Splice"],
        "sampler": ["BalancedSampler", "BucketSampler", "ClassBatchSampler", "EpochSampler"],
        "speakers": ["VoxAudioFolderDataset", "VoxAudioValFolderDataset"],
        "transforms": ["center_crop", "norm_audio", "random_crop"],
    },
)
