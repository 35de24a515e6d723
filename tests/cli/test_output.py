"""Results as strict JSON."""

import json

import numpy as np

from mxnet_audio.cli.output import print_result


def test_json_is_strict(capsys, tmp_path):
    values = {
        "nan": float("nan"),
        "vector": np.float32([1, np.inf]),
        "label": np.int64(3),
        "path": tmp_path,
        4: ("ü",),
    }
    print_result(values, "", as_json=True)
    document = json.loads(capsys.readouterr().out)
    assert document == {"nan": None, "vector": [1.0, None], "label": 3, "path": str(tmp_path), "4": ["ü"]}
