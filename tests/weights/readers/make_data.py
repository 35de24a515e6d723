"""Write the small files in ``data/`` with TensorFlow and PyTorch, which the tests do not need.

Run by hand: ``python tests/weights/readers/make_data.py``.
"""

from pathlib import Path

import numpy as np

DATA = Path(__file__).parent / "data"


def write_torch() -> None:
    """Write one state in both formats of PyTorch."""
    import torch

    image, ramp = torch.arange(12.0).reshape(3, 4), torch.arange(6) / 4
    layer = torch.nn.Linear(2, 3).state_dict()  # has attributes beside its items
    layer["weight"], layer["bias"] = torch.tensor([[1, -2], [0.5, 3], [4, 0.25]]), torch.tensor([1.0, 2.0, 3.0])
    state = {
        "step": 7,
        "name": "ü",
        "rates": [0.1, None, True, (1, 2, 3)],
        "model": layer,
        "transposed": image.t(),
        "column": image[:, 2],
        "corner": image[1:, 1:3],
        "parameter": torch.nn.Parameter(image[:2]),
        "half": ramp.half(),
        "bfloat16": ramp.bfloat16(),
        "double": ramp.double(),
        "long": torch.arange(-2, 3),
        "byte": torch.arange(3, dtype=torch.uint8),
        "bool": torch.tensor([True, False]),
        "scalar": torch.tensor(3.5),
        "empty": torch.zeros(0, 3),
    }
    torch.save(state, DATA / "small.pt")
    torch.save(state, DATA / "small-legacy.pt", _use_new_zipfile_serialization=False)


def write_tensorflow() -> None:
    """Write a checkpoint with an index of several blocks, and one of text."""
    import tensorflow as tf

    ramp = np.arange(6) / 4
    tensors = {
        "beta1_power": tf.constant(0.5),
        "layer/kernel": tf.constant(ramp.reshape(2, 3), tf.float32),
        "layer/kernel/Adam": tf.constant([[7.0]]),
        "layer_1/half": tf.constant(ramp, tf.float16),
        "layer_1/bfloat16": tf.constant(ramp, tf.bfloat16),
        "layer_1/long": tf.constant([-1, 1 << 40], tf.int64),
        "layer_1/empty": tf.zeros((0, 3)),
        "layer_1/bool": tf.constant([True, False]),
        **{f"name_of_a_block/part_{i:03d}/kernel": tf.constant([float(i)]) for i in range(150)},
    }
    for name, values in (("small", tensors), ("text", {"words": tf.constant(["a"])})):
        tf.raw_ops.SaveV2(
            prefix=str(DATA / name),
            tensor_names=list(values),
            shape_and_slices=[""] * len(values),
            tensors=list(values.values()),
        )


def write_tflite() -> None:
    """Write a quantized model, and print the numbers that its integers stand for."""
    import tensorflow as tf

    rng = np.random.default_rng(0)
    kernel = tf.constant(rng.normal(size=(3, 3, 1, 2)) * [1, 10], tf.float32)
    dense = tf.constant(rng.normal(size=(18, 3)), tf.float32)

    @tf.function(input_signature=[tf.TensorSpec((1, 6, 6, 1), tf.float32)])
    def network(image):
        image = tf.nn.relu6(tf.nn.conv2d(image, kernel, 2, "SAME") + [0.5, -1.0])
        return tf.matmul(tf.reshape(image, (1, 18)), dense)

    converter = tf.lite.TFLiteConverter.from_concrete_functions([network.get_concrete_function()])
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = lambda: ([rng.normal(size=(1, 6, 6, 1)).astype("f4")] for _ in range(10))
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    model = converter.convert()
    (DATA / "small.tflite").write_bytes(model)
    interpreter = tf.lite.Interpreter(model_content=model)
    for tensor in interpreter.get_tensor_details():
        scales = tensor["quantization_parameters"]["scales"]
        if len(scales) and ("/" not in tensor["name"] or "Conv" in tensor["name"] or "MatMul" in tensor["name"]):
            print(tensor["name"], tensor["shape"], tensor["quantization_parameters"])
    print("kernel", kernel.numpy().ravel().tolist())
    print("dense", dense.numpy().ravel()[:6].tolist())


if __name__ == "__main__":
    DATA.mkdir(exist_ok=True)
    write_torch()
    write_tensorflow()
    write_tflite()
