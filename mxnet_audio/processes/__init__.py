"""Processes of a training run on several machines: their start, and the watchdog that ends them together."""
