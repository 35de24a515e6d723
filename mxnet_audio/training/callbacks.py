"""What is told of every epoch: logs, and rules that end the training.

A callback is called with the history after each epoch, and once before the first when a run goes on; the training stops
when one returns what is true. Any callable will do.
"""

from __future__ import annotations

import csv
import os
import time
from collections.abc import Callable
from itertools import zip_longest
from pathlib import Path

from mxnet_audio.atomic import replacing
from mxnet_audio.errors import ModelError
from mxnet_audio.training.history import History, stalled

__all__ = ["Callback", "CsvLog", "EarlyStopping", "TensorBoardLog"]

Callback = Callable[[History], bool | None]


class EarlyStopping:
    """Stop once the test loss has seen no new low for so many epochs.

    The held-out clips have then chosen the last epoch, which flatters their accuracy; and a schedule that ends with
    the last epoch is cut off: it goes best with ``recipe='plain'``.

    Parameters
    ----------
    patience : int > 0
        Epochs.

    Examples
    --------
    >>> EarlyStopping(patience=2)({'loss_test': [1.0, 0.5, 0.6, 0.7]})
    True
    """

    def __init__(self, patience: int):
        if patience < 1:
            raise ModelError(f"patience is 1 or more, not {patience}")
        self.patience = patience

    def __call__(self, history: History) -> bool:
        if not history["loss_test"]:
            raise ModelError("early stopping needs clips that are held out, and there are none")
        return stalled(history, self.patience)


class CsvLog:
    """Keep the history as a CSV file: ``epoch, loss_train, loss_test, acc_train, acc_test``.

    Parameters
    ----------
    path : str or os.PathLike
        Written anew after each epoch, whole at every moment.

    Examples
    --------
    >>> path = getfixture('tmp_path') / 'log.csv'
    >>> CsvLog(path)({'loss_train': [0.5], 'acc_train': [1.0]})
    >>> print(path.read_text())
    epoch,loss_train,acc_train
    1,0.5,1.0
    """

    def __init__(self, path: str | os.PathLike):
        self.path = Path(path)
        if not self.path.parent.is_dir():
            raise ModelError("no such folder", self.path.parent)

    def __call__(self, history: History) -> None:
        with replacing(self.path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
            rows = csv.writer(file, lineterminator="\n")
            rows.writerow(["epoch", *history])
            rows.writerows([epoch, *values] for epoch, values in enumerate(zip_longest(*history.values()), start=1))


class TensorBoardLog:
    """Write losses and accuracies for TensorBoard, as ``loss/train`` and so on; takes the extra ``[tensorboard]``.

    Parameters
    ----------
    directory : str or os.PathLike
        ``tensorboard --logdir`` of it shows the curves.

    Raises
    ------
    ModelError
        If tensorboardX is not installed.
    """

    def __init__(self, directory: str | os.PathLike):
        try:
            from tensorboardX.event_file_writer import EventsWriter
        except ImportError:
            raise ModelError("TensorBoard logs need tensorboardX: pip install 'mxnet-audio[tensorboard]'") from None
        Path(directory).mkdir(parents=True, exist_ok=True)
        self._before = any(Path(directory).glob("events.*"))
        # Not its SummaryWriter, which writes some time later, from a thread: a run that is killed would lose epochs.
        self._writer = EventsWriter(str(Path(directory) / "events"))
        self._done = 0

    def __call__(self, history: History) -> None:
        from tensorboardX.proto.event_pb2 import Event
        from tensorboardX.summary import scalar

        epochs = len(history["loss_train"])
        if self._before and not self._done and epochs > 1:  # a run that goes on: these are there
            self._done = epochs
        for epoch in range(self._done, epochs):
            for measure, values in (item for item in history.items() if item[1]):
                summary = scalar(measure.replace("_", "/"), values[epoch])
                self._writer.write_event(Event(wall_time=time.time(), step=epoch + 1, summary=summary))
        self._done = epochs
        self._writer.flush()
