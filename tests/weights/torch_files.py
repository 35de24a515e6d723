"""Files as torch.save writes them, made without PyTorch."""

import io
import pickle
import zipfile

import numpy as np


def wrapped(pickled, layout="zip", storages=()):
    """Return the file that holds a pickle, and storages as pairs of key and bytes."""
    if layout == "legacy":
        start = [0x1950A86A20F9469CFC6C, 1001, {"little_endian": True}]
        end = pickle.dumps([key for key, _ in storages], 2)
        return b"".join([*(pickle.dumps(item, 2) for item in start), pickled, end, *(data for _, data in storages)])
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("archive/data.pkl", pickled)
        for key, data in storages:
            archive.writestr(f"archive/data/{key}", data)
    return file.getvalue()


def code(value):
    """Return the instructions that push a value."""
    return pickle.dumps(value, 2)[2:-1]


def saved(tensors, layout="zip"):
    """Return the file of a dictionary of float32 arrays."""
    items, storages = b"", []
    for key, (name, values) in enumerate(tensors.items()):
        values = np.ascontiguousarray(values, "<f4")
        strides = tuple(stride // 4 for stride in values.strides)
        storage = b"(" + code("storage") + b"ctorch\nFloatStorage\n" + code(str(key)) + code("cpu") + code(values.size)
        arguments = b"(" + storage + b"tQ" + code(0) + code(values.shape) + code(strides) + b"\x89ccollections\n"
        items += code(name) + b"ctorch._utils\n_rebuild_tensor_v2\n" + arguments + b"OrderedDict\n)RtR"
        storages.append((str(key), values.tobytes()))
    return wrapped(b"\x80\x02}(" + items + b"u.", layout, storages)
