"""``demo``: its options. ``test_tour.py`` runs it."""


def test_text_or_figures(run, run_json, monkeypatch, tmp_path):
    arguments = []

    def run_tour(output, data, echo, progress):
        arguments.append((output, data))
        echo("Training …")
        return {"accuracy": 0.5}

    monkeypatch.setattr("mxnet_audio.cli.tour.run", run_tour)
    words = ("demo", "--output", tmp_path / "öut", "--data", tmp_path)
    assert run(*words).stdout == "Training …\n"
    assert run_json(*words) == {"accuracy": 0.5}
    assert arguments == [(tmp_path / "öut", tmp_path)] * 2


def test_missing_data(run, tmp_path):
    result = run("demo", "--output", tmp_path / "out", "--data", tmp_path / "nö.csv", code=1)
    assert result.stderr.startswith(f"error: {tmp_path / 'nö.csv'}: ")
    assert not (tmp_path / "out").exists()
