"""Tests of the decisions that depend on a history."""

from mxnet_audio.training.history import best_epoch, new_history, stalled


def history(acc, loss):
    return {"acc_test": acc, "loss_test": loss}


def test_the_best_epoch_has_the_highest_accuracy_then_the_lowest_loss_then_is_first():
    assert best_epoch(history([0.5, 0.9, 0.7], [1, 2, 0])) == 1
    assert best_epoch(history([0.9, 0.9, 0.9], [1, 0.5, 0.5])) == 1


def test_stalled_counts_epochs_without_a_new_minimum():
    losses = [1.0, 0.5, 0.6, 0.5, 0.7]
    assert [stalled(history([], losses[:n]), 2) for n in range(6)] == [False, False, False, False, True, True]
    assert not stalled(new_history(), 1)
