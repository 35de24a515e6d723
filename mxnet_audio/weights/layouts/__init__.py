"""Conversion of published tensors to the parameters of our networks, one module for each family of networks."""
