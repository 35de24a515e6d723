"""Readers of weight files that other toolkits have written: NumPy only, and nothing in a file is executed.

Each module has a function ``read(path)`` that returns the tensors by their published names. bfloat16, which NumPy does
not have, becomes float32, and quantized integers become the float32 numbers that they stand for. float16 remains: only
the tensors that a network takes become float32, and those of Whisper's decoder need no more memory.
"""
