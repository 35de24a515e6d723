"""The same networks in PyTorch, for comparison: same layers, same order, same number of parameters."""

import copy

import torch
from torch import nn
from torch.nn.functional import softplus

from mxnet_audio.models import cifar10, m5, resnet_v2


def clamped(pool, size):
    """Pool of the plan cut down to what is left, and what is left after it."""
    pool = tuple(min(p, s) for p, s in zip(pool, size))
    return nn.MaxPool2d(pool), tuple(s // p for s, p in zip(size, pool))


class Cifar10(nn.Module):
    """`mxnet_audio.models.Cifar10Net` in PyTorch."""

    def __init__(self, classes, input_shape):
        super().__init__()
        layers, channels, size = [], 1, input_shape[1:]
        for filters, pool in cifar10.PLAN:
            pooling, size = clamped(pool, size)
            conv = nn.Conv2d(channels, filters, 3, padding=1, bias=False)
            layers += [conv, pooling, nn.BatchNorm2d(filters), nn.Softplus()]
            channels = filters
        flat = channels * size[0] * size[1]
        self.encoder = nn.Sequential(
            *layers, nn.Flatten(), nn.Dropout(0.25), nn.Linear(flat, cifar10.EMBEDDING), nn.Softplus()
        )
        self.head = nn.Sequential(nn.Dropout(0.5), nn.Linear(cifar10.EMBEDDING, classes))

    def forward(self, x):
        embedding = self.encoder(x)
        return self.head(embedding), embedding


class Residual(nn.Module):
    """`mxnet_audio.models.resnet_v2.ResidualBlock` in PyTorch."""

    def __init__(self, channels, filters):
        super().__init__()
        self.norm = nn.BatchNorm2d(channels)
        self.residual = nn.Sequential(
            nn.Conv2d(channels, filters, 3, padding=1, bias=False),
            nn.BatchNorm2d(filters),
            nn.Softplus(),
            nn.Conv2d(filters, filters, 3, padding=1, bias=False),
        )
        self.project = nn.Conv2d(channels, filters, 1, bias=False) if channels != filters else None

    def forward(self, x):
        y = softplus(self.norm(x))
        return self.residual(y) + (x if self.project is None else self.project(y))


class ResNetV2(nn.Module):
    """`mxnet_audio.models.ResNetV2Net` in PyTorch."""

    def __init__(self, classes, input_shape):
        super().__init__()
        channels, size = resnet_v2.STAGES[0][0], input_shape[1:]
        padding = tuple(kernel // 2 for kernel in resnet_v2.STEM)
        layers = [nn.Conv2d(1, channels, resnet_v2.STEM, resnet_v2.SHRINK, padding, bias=False)]
        size = tuple(-(-s // stride) for s, stride in zip(size, resnet_v2.SHRINK))
        for stage, (filters, blocks) in enumerate(resnet_v2.STAGES):
            if stage:
                pooling, size = clamped(resnet_v2.SHRINK, size)
                layers.append(pooling)
            for _ in range(blocks):
                layers.append(Residual(channels, filters))
                channels = filters
        layers += [nn.BatchNorm2d(channels), nn.Softplus(), nn.AdaptiveAvgPool2d(1), nn.Flatten()]
        self.encoder = nn.Sequential(*layers)
        self.head = nn.Sequential(nn.Dropout(0.25), nn.Linear(channels, classes))

    def forward(self, x):
        embedding = self.encoder(x)
        return self.head(embedding), embedding


class M5(nn.Module):
    """`mxnet_audio.models.M5Net` in PyTorch, by its paper: one channel, a stride of 4; in one dimension, the faster."""

    def __init__(self, classes, input_shape):
        super().__init__()
        layers, channels, length = [nn.InstanceNorm1d(1, m5.LEAST)], 1, input_shape[2] // m5.STRIDE
        for filters in m5.FILTERS:
            kernel, stride = (m5.FILTER, m5.STRIDE) if channels == 1 else (3, 1)
            conv = nn.Conv1d(channels, filters, kernel, stride, (kernel - stride + 1) // 2, bias=False)
            pool = min(m5.POOL, length)
            layers += [conv, nn.BatchNorm1d(filters), nn.MaxPool1d(pool), nn.ReLU()]
            channels, length = filters, length // pool
        self.encoder = nn.Sequential(*layers, nn.AdaptiveAvgPool1d(1), nn.Flatten())
        self.head = nn.Linear(channels, classes)

    def forward(self, x):
        embedding = self.encoder(x[:, :, 0])
        return self.head(embedding), embedding


NETWORKS = {"cifar10": Cifar10, "m5": M5, "resnet_v2": ResNetV2}


def layout(name, way):
    """PyTorch's memory format of a network's input and weights."""
    return torch.channels_last if way == "channels_last" and name != "m5" else torch.contiguous_format


def give(net, values):
    """Give a network the parameters of ours [dict of arrays, in our order], running statistics too."""
    state = net.state_dict()
    names = [name for name in state if not name.endswith("num_batches_tracked")]  # else in the same order
    for name, value in zip(names, values.values(), strict=True):
        if isinstance(net, M5) and name == "encoder.1.weight":  # of (filter, sample of a stride, 1, frame)
            value = value.swapaxes(1, 3)
        state[name] = torch.from_numpy(value.copy()).reshape(state[name].shape)
    net.load_state_dict(state)


def stepper(name, classes, input_shape, x, y, way):
    """Functions that take one training step and one inference in one of three ways, and the number of parameters."""
    torch.manual_seed(0)
    net = NETWORKS[name](classes, input_shape)
    count = sum(p.numel() for p in net.parameters())
    net = net.to(memory_format=layout(name, way))
    x, y = torch.from_numpy(x).to(memory_format=layout(name, way)), torch.from_numpy(y)
    trained = deployed = net
    if way == "compiled":
        trained = torch.compile(net)
        deployed = torch.compile(copy.deepcopy(net).eval(), options={"freezing": True})
    optimizer = torch.optim.Adam(net.parameters(), 1e-3)
    criterion = nn.CrossEntropyLoss()

    def train():
        net.train()
        optimizer.zero_grad(set_to_none=True)
        loss = criterion(trained(x)[0], y)
        loss.backward()
        optimizer.step()
        return float(loss.detach())

    def infer():
        net.eval()
        with torch.inference_mode():
            return deployed(x)[0].numpy()

    return train, infer, count
