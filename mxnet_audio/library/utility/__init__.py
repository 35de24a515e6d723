"""Functions at the import paths of the first mxnet-audio: loaders of corpora, mel-spectrograms."""
