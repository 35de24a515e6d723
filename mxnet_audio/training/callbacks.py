"""Callbacks of training: logs, and early stopping.

A callback is any callable. It is called with the history after each epoch, and once before the first epoch of a resumed
run. Training stops if a callback returns True.
"""

from __future__ import annotations

import csv
import logging
import os
import time
from collections.abc import Callable, Iterable
from itertools import zip_longest

from mxnet_audio.atomic import replacing
from mxnet_audio.checks import iterable_argument, path_argument, whole_number
from mxnet_audio.errors import ModelError, ParameterError
from mxnet_audio.training.history import History, stalled

__all__ = ["Callback", "CsvLog", "EarlyStopping", "TensorBoardLog", "checked_callbacks"]

logger = logging.getLogger(__name__)

Callback = Callable[[History], bool | None]


class EarlyStopping:
    """Stop training once the test loss has reached no new minimum for some epochs.

    The held-out clips then choose the last epoch, so that their accuracy is too optimistic, and a schedule that ends
    with the last epoch is cut off. Best used with ``recipe='plain'``.

    Parameters
    ----------
    patience : int > 0
        Number of epochs without a new minimum.

    Raises
    ------
    ParameterError
        If `patience` is below 1 or not a whole number; when called, if there are no held-out clips.

    Examples
    --------
    >>> EarlyStopping(patience=2)({'loss_test': [1.0, 0.5, 0.6, 0.7]})
    True
    """

    def __init__(self, patience: int):
        self.patience = whole_number("patience", patience)

    def __call__(self, history: History) -> bool:
        if not history["loss_test"]:
            raise ParameterError("early_stopping needs held-out clips, and there are none")
        return stalled(history, self.patience)


class CsvLog:
    """Write the history as a CSV file: ``epoch, loss_train, loss_test, acc_train, acc_test``.

    Parameters
    ----------
    path : str or os.PathLike
        File that is replaced after each epoch; it is complete at any moment. If it cannot be written, a warning says
        so, and training continues.

    Raises
    ------
    ParameterError
        If `path` is not a path, or the folder of the file does not exist.

    Examples
    --------
    >>> path = getfixture('tmp_path') / 'log.csv'
    >>> CsvLog(path)({'loss_train': [0.5], 'acc_train': [1.0]})
    >>> print(path.read_text())
    epoch,loss_train,acc_train
    1,0.5,1.0
    """

    def __init__(self, path: str | os.PathLike):
        self.path = path_argument("path", path)
        if not self.path.parent.is_dir():
            raise ParameterError("no such folder", self.path.parent)
        if self.path.is_dir():
            raise ParameterError("path must be a file, got a folder", self.path)

    def __call__(self, history: History) -> None:
        try:
            with replacing(self.path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
                rows = csv.writer(file, lineterminator="\n")
                rows.writerow(["epoch", *history])
                rows.writerows([epoch, *values] for epoch, values in enumerate(zip_longest(*history.values()), start=1))
        except OSError as error:
            logger.warning("%s: the history cannot be written: %s", self.path, error.strerror or error)


class TensorBoardLog:
    """Write losses and accuracies for TensorBoard, as ``loss/train`` and so on; needs the extra ``[tensorboard]``.

    Parameters
    ----------
    directory : str or os.PathLike
        Directory of the log, for ``tensorboard --logdir``.

    Raises
    ------
    ModelError
        If tensorboardX is not installed.
    ParameterError
        If `directory` is not a path.
    """

    def __init__(self, directory: str | os.PathLike):
        directory = path_argument("directory", directory)
        try:
            from tensorboardX.event_file_writer import EventsWriter
        except ImportError:
            raise ModelError("TensorBoard logs need tensorboardX: pip install tensorboardX") from None
        directory.mkdir(parents=True, exist_ok=True)
        self._has_events = any(directory.glob("events.*"))
        # SummaryWriter would write later, in a thread, and a killed run would lose epochs.
        self._writer = EventsWriter(str(directory / "events"))
        self._written = 0

    def __call__(self, history: History) -> None:
        from tensorboardX.proto.event_pb2 import Event
        from tensorboardX.summary import scalar

        epochs = len(history["loss_train"])
        if self._has_events and not self._written and epochs > 1:  # a resumed run, whose epochs are in the log
            self._written = epochs
        for epoch in range(self._written, epochs):
            for measure, values in (item for item in history.items() if item[1]):
                summary = scalar(measure.replace("_", "/"), values[epoch])
                self._writer.write_event(Event(wall_time=time.time(), step=epoch + 1, summary=summary))
        self._written = epochs
        self._writer.flush()


def checked_callbacks(callbacks: Iterable[Callback], early_stopping: int | None = None) -> list[Callback]:
    """Return callbacks as a list, with an `EarlyStopping` of that patience, if there is one.

    Raises
    ------
    ParameterError
        If one cannot be called, they are not iterable, or the patience is out of range.
    """
    checked = list(iterable_argument("callbacks", callbacks, "callables"))
    if wrong := [callback for callback in checked if not callable(callback)]:
        raise ParameterError(f"callbacks must be callable, got {wrong[0]!r}")
    return checked if early_stopping is None else [*checked, EarlyStopping(early_stopping)]
