"""Readers of weight files that other toolkits have written: NumPy only, and nothing in a file is executed.

Each module has a function ``read(path)`` that returns the tensors by their published names. Half precision becomes
float32, and quantized integers become the float32 numbers that they stand for.
"""
