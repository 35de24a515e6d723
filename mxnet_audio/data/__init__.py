"""Data as Gluon has it: datasets of sound, transforms, batches, and the loader that puts them together.

`AudioDataset`, `AudioFolderDataset` and `AudioChunkDataset` hold sounds and labels, `VoxAudioFolderDataset` speakers
and `VoxAudioValFolderDataset` pairs of sounds to compare; `transforms` says what is made of a sound; `Stack`, `Pad`,
`Mixup` and `Splice` make batches of samples; `AudioLoader` reads them ahead in threads and keeps what need not be made
again.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submodules=["transforms"],
    submod_attrs={
        "batchify": ["Mixup", "Pad", "Splice", "Stack"],
        "chunks": ["AudioChunkDataset"],
        "datasets": ["AudioDataset"],
        "folders": ["AudioFolderDataset"],
        "loader": ["AudioLoader"],
        "sampler": ["BalancedSampler", "BucketSampler", "ClassBatchSampler", "EpochSampler"],
        "speakers": ["VoxAudioFolderDataset", "VoxAudioValFolderDataset"],
    },
)
