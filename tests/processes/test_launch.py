"""Processes of a training run on this machine."""

from mxnet_audio.processes.launch import train_locally


def test_workers_of_this_machine_are_started(capfd):
    assert train_locally(["--version"], 2) == 0
    assert len(capfd.readouterr().out.splitlines()) == 4
    assert train_locally(["--unknown"], 1) == 2
