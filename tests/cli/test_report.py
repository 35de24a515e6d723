"""``report``, with a real model on real files."""


def write_list(folder, *rows):
    path = folder / "list.csv"
    path.write_text("\n".join(["path,label", *rows]), encoding="utf-8")
    return path


def test_page(run_json, run, model, tones, tmp_path, bad_file):
    clips = write_list(tmp_path, f"{tones / 'low' / '0 é.wav'},low", f"{bad_file},low")
    document = run_json("report", clips, *model, "--output", tmp_path / "out", code=1)
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert document["report"] == str(tmp_path / "out" / "report.html") and document["bytes"] == len(page.encode())
    assert [item["path"] for item in document["skipped"]] == [str(bad_file)]
    assert "1 measured, 1 left out" in page and "not sound ü.wav" in page
    assert "<dt>batch_size</dt><dd>4</dd>" in page  # from the manifest of the model
    result = run("report", clips, *model, "--output", tmp_path / "out", code=1)
    assert result.output.count(str(tmp_path / "out" / "report.html")) == 1 and "MB" in result.stdout
    assert f"skipped {bad_file}: " in result.stderr and result.stderr.endswith("1 done, 1 skipped\n")


def test_unknown_label(run, model, tmp_path):
    assert "cow" in run("report", write_list(tmp_path, "a.wav,cow"), *model, "-o", tmp_path / "x", code=1).stderr
