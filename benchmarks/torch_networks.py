"""The same networks in PyTorch, for comparison: same layers, same order, same number of parameters."""

import copy

import torch
from torch import nn
from torch.nn.functional import linear, normalize, softplus

from mxnet_audio.models import cifar10, ecapa_tdnn, m5, resnet_v2
from mxnet_audio.models.blocks import VARIANCE_EPSILON
from mxnet_audio.nn.loss import scale_for


def clamped_pool(pool, size):
    """Return a pool that is no larger than its input, and the size of its output."""
    pool = tuple(min(p, s) for p, s in zip(pool, size))
    return nn.MaxPool2d(pool), tuple(s // p for s, p in zip(size, pool))


class Cifar10(nn.Module):
    """`mxnet_audio.models.Cifar10Net` in PyTorch."""

    def __init__(self, classes, input_shape):
        super().__init__()
        layers, channels, size = [], 1, input_shape[1:]
        for filters, pool in cifar10.CONVOLUTIONS:
            pooling, size = clamped_pool(pool, size)
            conv = nn.Conv2d(channels, filters, 3, padding=1, bias=False)
            layers += [conv, pooling, nn.BatchNorm2d(filters), nn.Softplus()]
            channels = filters
        flat = channels * size[0] * size[1]
        self.encoder = nn.Sequential(
            *layers, nn.Flatten(), nn.Dropout(0.25), nn.Linear(flat, cifar10.EMBEDDING_DIM), nn.Softplus()
        )
        self.head = nn.Sequential(nn.Dropout(0.5), nn.Linear(cifar10.EMBEDDING_DIM, classes))

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
        padding = tuple(kernel // 2 for kernel in resnet_v2.STEM_KERNEL)
        layers = [nn.Conv2d(1, channels, resnet_v2.STEM_KERNEL, resnet_v2.STRIDE, padding, bias=False)]
        size = tuple(-(-s // stride) for s, stride in zip(size, resnet_v2.STRIDE))
        for stage, (filters, blocks) in enumerate(resnet_v2.STAGES):
            if stage:
                pooling, size = clamped_pool(resnet_v2.STRIDE, size)
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
    """`mxnet_audio.models.M5Net` in PyTorch, as in the paper: one channel, a stride of 4; one dimension is faster."""

    def __init__(self, classes, input_shape):
        super().__init__()
        layers, channels, length = [nn.InstanceNorm1d(1, VARIANCE_EPSILON)], 1, input_shape[2] // m5.STRIDE
        for filters in m5.FILTERS:
            kernel, stride = (m5.FILTER_LENGTH, m5.STRIDE) if channels == 1 else (3, 1)
            conv = nn.Conv1d(channels, filters, kernel, stride, (kernel - stride + 1) // 2, bias=False)
            pool = min(m5.POOL_SIZE, length)
            layers += [conv, nn.BatchNorm1d(filters), nn.MaxPool1d(pool), nn.ReLU()]
            channels, length = filters, length // pool
        self.encoder = nn.Sequential(*layers, nn.AdaptiveAvgPool1d(1), nn.Flatten())
        self.head = nn.Linear(channels, classes)

    def forward(self, x):
        embedding = self.encoder(x[:, :, 0])
        return self.head(embedding), embedding


def convolution(channels, filters, kernel=1, dilation=1, **kwargs):
    """`mxnet_audio.models.ecapa_tdnn.convolution` in PyTorch, in one dimension."""
    return nn.Conv1d(channels, filters, kernel, padding=dilation * (kernel - 1) // 2, dilation=dilation, **kwargs)


def layer(channels, filters, kernel=1, dilation=1):
    """`mxnet_audio.models.ecapa_tdnn.layer` in PyTorch."""
    return nn.Sequential(convolution(channels, filters, kernel, dilation), nn.ReLU(), nn.BatchNorm1d(filters))


class Res2(nn.Module):
    """`mxnet_audio.models.ecapa_tdnn.Res2` in PyTorch."""

    def __init__(self, channels, kernel, dilation):
        super().__init__()
        width = channels // ecapa_tdnn.RES2_SCALE
        self.layers = nn.ModuleList(layer(width, width, kernel, dilation) for _ in range(ecapa_tdnn.RES2_SCALE - 1))

    def forward(self, x):
        first, *parts = x.chunk(ecapa_tdnn.RES2_SCALE, dim=1)
        done = [first]
        for part, convolve in zip(parts, self.layers):
            done.append(convolve(part if len(done) == 1 else part + done[-1]))
        return torch.cat(done, dim=1)


class SqueezeExcitation(nn.Module):
    """`mxnet_audio.models.ecapa_tdnn.SqueezeExcitation` in PyTorch."""

    def __init__(self, channels):
        super().__init__()
        narrow = ecapa_tdnn.BOTTLENECK_CHANNELS
        squeeze, excite = convolution(channels, narrow), convolution(narrow, channels)
        self.weigh = nn.Sequential(squeeze, nn.ReLU(), excite, nn.Sigmoid())

    def forward(self, x):
        return x * self.weigh(x.mean(dim=-1, keepdim=True))


class SERes2Block(nn.Module):
    """`mxnet_audio.models.ecapa_tdnn.SERes2Block` in PyTorch."""

    def __init__(self, channels, kernel, dilation):
        super().__init__()
        res2, weigh = Res2(channels, kernel, dilation), SqueezeExcitation(channels)
        self.body = nn.Sequential(layer(channels, channels), res2, layer(channels, channels), weigh)

    def forward(self, x):
        return self.body(x) + x


class AttentiveStatistics(nn.Module):
    """`mxnet_audio.models.ecapa_tdnn.AttentiveStatistics` in PyTorch."""

    def __init__(self, channels):
        super().__init__()
        self.frame = convolution(channels, ecapa_tdnn.BOTTLENECK_CHANNELS)
        self.context = convolution(2 * channels, ecapa_tdnn.BOTTLENECK_CHANNELS, bias=False)
        self.attend = convolution(ecapa_tdnn.BOTTLENECK_CHANNELS, channels, bias=False)

    def forward(self, x):
        variance, mean = torch.var_mean(x, dim=-1, correction=0, keepdim=True)
        context = self.context(torch.cat([mean, variance.clamp(min=ecapa_tdnn.MIN_VARIANCE).sqrt()], dim=1))
        attention = self.attend(torch.tanh(self.frame(x) + context)).softmax(dim=-1)
        mean = (attention * x).sum(dim=-1, keepdim=True)
        variance = (attention * (x - mean).square()).sum(dim=-1, keepdim=True)
        return torch.cat([mean, variance.clamp(min=ecapa_tdnn.MIN_VARIANCE).sqrt()], dim=1).flatten(1)


class CosineDense(nn.Module):
    """`mxnet_audio.models.CosineDense` in PyTorch."""

    def __init__(self, units, in_units):
        super().__init__()
        self.weight = nn.Parameter(nn.init.xavier_uniform_(torch.empty(units, in_units)))

    def forward(self, x):
        return scale_for(len(self.weight)) * linear(normalize(x), normalize(self.weight))


class EcapaTdnn(nn.Module):
    """`mxnet_audio.models.EcapaTdnnNet` in PyTorch, with its cosine head; in one dimension."""

    def __init__(self, classes, input_shape):
        super().__init__()
        width, wide = ecapa_tdnn.CHANNELS, ecapa_tdnn.AGGREGATED_CHANNELS
        self.first = layer(input_shape[1], width, ecapa_tdnn.FIRST_KERNEL)
        self.blocks = nn.ModuleList(SERes2Block(width, *plan) for plan in ecapa_tdnn.BLOCKS)
        self.join = nn.Sequential(convolution(len(self.blocks) * width, wide), nn.ReLU())
        self.pool = nn.Sequential(AttentiveStatistics(wide), nn.BatchNorm1d(2 * wide))
        self.embed = nn.Linear(2 * wide, ecapa_tdnn.EMBEDDING_DIM, bias=False)
        self.norm = nn.BatchNorm1d(ecapa_tdnn.EMBEDDING_DIM)
        self.head = CosineDense(classes, ecapa_tdnn.EMBEDDING_DIM)

    def forward(self, x):
        x = x[:, 0]
        total, given = self.first(x - x.mean(dim=-1, keepdim=True)), []
        for block in self.blocks:
            if given:
                total = total + given[-1]
            given.append(block(total))
        embedding = self.norm(self.embed(self.pool(self.join(torch.cat(given, dim=1)))))
        return self.head(embedding), embedding


NETWORKS = {"cifar10": Cifar10, "ecapa_tdnn": EcapaTdnn, "m5": M5, "resnet_v2": ResNetV2}


def layout(name, way):
    """Return PyTorch's memory format for the input and the weights of a network."""
    plain = way != "channels_last" or name in ("ecapa_tdnn", "m5")
    return torch.contiguous_format if plain else torch.channels_last


def set_parameters(net, values):
    """Set the parameters and running statistics of a network to MXNet's [dict of arrays, in the same order]."""
    state = net.state_dict()
    names = [name for name in state if not name.endswith("num_batches_tracked")]  # else in the same order
    for name, value in zip(names, values.values(), strict=True):
        if isinstance(net, M5) and name == "encoder.1.weight":  # of (filter, sample of a stride, 1, frame)
            value = value.swapaxes(1, 3)
        state[name] = torch.from_numpy(value.copy()).reshape(state[name].shape)
    net.load_state_dict(state)


def stepper(name, classes, input_shape, x, y, way):
    """Return functions for one training step and one inference, in one of three ways, and the number of parameters."""
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
