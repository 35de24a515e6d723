"""History of a training run, one value an epoch of each measure, and decisions that depend on it alone."""

from __future__ import annotations

__all__ = ["MEASURES", "History", "best_epoch", "new_history", "stalled"]

MEASURES = ("loss_train", "loss_test", "acc_train", "acc_test")
History = dict[str, list[float]]


def new_history() -> History:
    """Return a history without epochs."""
    return {measure: [] for measure in MEASURES}


def best_epoch(history: History) -> int:
    """Return the epoch [from 0] with the highest test accuracy; of equal ones, with the lowest loss, then the first.

    Without held-out clips this is the last epoch.

    Examples
    --------
    >>> best_epoch({'acc_test': [0.5, 0.8, 0.8], 'loss_test': [1.0, 0.9, 0.7]})
    2
    """
    if not history["acc_test"]:
        return len(history["acc_train"]) - 1
    ranked = zip(history["acc_test"], (-loss for loss in history["loss_test"]))
    return max(enumerate(ranked), key=lambda item: item[1])[0]


def stalled(history: History, patience: int) -> bool:
    """Return whether the test loss has reached no new minimum for `patience` epochs.

    Examples
    --------
    >>> stalled({'loss_test': [1.0, 0.5, 0.6, 0.7]}, patience=2)
    True
    """
    losses = history["loss_test"]
    return bool(losses) and len(losses) - 1 - losses.index(min(losses)) >= patience
