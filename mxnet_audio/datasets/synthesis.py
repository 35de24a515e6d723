"""Generators of ten classes of sound, each controlled by a few random parameters.

A generator is a function ``(rng, n, sr) -> y``: it draws pitch, rate, decay and timbre from ``rng`` and returns ``n``
samples (float64, arbitrary level) of the plain sound. Frequencies stay below 5.5 kHz if the class allows it, so the
classes remain distinct at the 12 kHz of the default features. The corpus made of these sounds, with rooms, noise and
files, is in :mod:`mxnet_audio.datasets.synthetic`.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.signal import fftconvolve, lfilter

__all__ = ["GENERATORS", "coloured_noise"]

# Centre frequencies [Hz] of the first three formants of five vowels (adult, mean of men and women).
_FORMANTS = ((780, 1250, 2600), (530, 1900, 2550), (300, 2400, 3100), (500, 950, 2500), (340, 850, 2350))
# Partials of a church bell relative to its prime: hum, prime, tierce, quint, nominal and above.
_BELL_PARTIALS = np.array([0.5, 1.0, 1.183, 1.506, 2.0, 2.514, 2.662, 3.011, 4.166])


def coloured_noise(rng: np.random.Generator, n: int, slope: float) -> np.ndarray:
    """Generate noise of unit variance and a power of ``frequency ** -slope`` (0 white, 1 pink, 2 brown).

    Parameters
    ----------
    rng : np.random.Generator
    n : int >= 64 [samples]
    slope : float
        Exponent of the decay of power over frequency.

    Returns
    -------
    np.ndarray [shape=(n,)]

    Examples
    --------
    >>> coloured_noise(np.random.default_rng(0), 100, 1.0).shape
    (100,)
    """
    spectrum = np.fft.rfft(rng.standard_normal(n))
    bins = np.arange(spectrum.size, dtype=np.float64)
    # No power below a few cycles per clip, where brown noise would be a slow drift.
    bins[:8] = np.inf
    y = np.fft.irfft(spectrum * bins ** (-slope / 2), n)
    return y / (np.std(y) + 1e-12)


def _resonate(x: np.ndarray, frequency: float, bandwidth: float, sr: int) -> np.ndarray:
    """Filter with a two-pole resonator of unit gain at its center frequency."""
    frequency = min(frequency, 0.45 * sr)
    radius = np.exp(-np.pi * bandwidth / sr)
    poles = [1.0, -2.0 * radius * np.cos(2 * np.pi * frequency / sr), radius * radius]
    return lfilter([(1 - radius) * 2 * np.sin(2 * np.pi * frequency / sr) + 1e-3], poles, x)


def _phase(frequency: np.ndarray, sr: int) -> np.ndarray:
    """Return the phase [rad] of a varying frequency [Hz], which is limited below the Nyquist frequency."""
    return np.cumsum(2 * np.pi * np.minimum(frequency, 0.45 * sr) / sr)


def _smooth_curve(rng: np.random.Generator, n: int, sr: int, rate: float) -> np.ndarray:
    """Generate a smooth random curve between 0 and 1 with about ``rate`` turns per second."""
    points = max(4, int(rate * n / sr) + 3)
    grid = np.linspace(0, points - 1, n)
    before = np.minimum(grid.astype(int), points - 2)
    step = 0.5 - 0.5 * np.cos(np.pi * (grid - before))
    values = rng.uniform(0, 1, points)
    return values[before] * (1 - step) + values[before + 1] * step


def _mix(events: list[tuple[float, np.ndarray]], n: int, sr: int) -> np.ndarray:
    """Add sounds at their times [s]; samples after the end are cut."""
    y = np.zeros(n)
    for time, sound in events:
        start = int(time * sr)
        if start < n:
            y[start : start + sound.size] += sound[: n - start]
    return y


def _event_times(rng: np.random.Generator, n: int, sr: int, rate: float, jitter: float) -> np.ndarray:
    """Generate times [s] at ``rate`` per second from a random start, each shifted by up to ``jitter`` of a period."""
    times = np.arange(rng.uniform(0, min(1 / rate, 0.5 * n / sr)), n / sr, 1 / rate)
    return np.abs(times + rng.uniform(-jitter, jitter, times.size) / rate)


def _siren(rng, n, sr):
    time = np.arange(n) / sr
    low, span = rng.uniform(350, 900), rng.uniform(1.25, 2.2)
    kind = rng.integers(3)
    if kind == 0:  # wail
        sweep = 0.5 - 0.5 * np.cos(2 * np.pi * (rng.uniform(0.2, 0.6) * time + rng.uniform()))
    elif kind == 1:  # yelp
        sweep = (rng.uniform(2, 5) * time + rng.uniform()) % 1.0
    else:  # two tones in turn
        sweep = ((rng.uniform(0.6, 1.6) * time + rng.uniform()) % 1.0 > 0.5).astype(float)
    phase = _phase(low * span**sweep, sr)
    tilt = rng.uniform(0.8, 2.0)
    y = sum(np.sin(k * phase) / k**tilt for k in range(1, 6) if k * low * span < 0.45 * sr)
    return np.tanh(rng.uniform(0.5, 3) * y) * (0.4 + 0.6 * _smooth_curve(rng, n, sr, 0.5))


def _string(rng, n, sr, frequency, damping, brightness):
    """Generate a plucked string (Karplus-Strong): noise in a delay line that is low-passed at every turn.

    Computed period by period, so that there is one NumPy call per period and not per sample.
    """
    period = max(4, round(sr / frequency))
    turn = rng.standard_normal(period)
    # Plucking off the middle of the string removes every k-th harmonic; a soft plectrum removes high frequencies.
    turn = turn - np.roll(turn, int(period * rng.uniform(0.1, 0.5)))
    turn = lfilter([brightness], [1.0, brightness - 1.0], turn)
    turns = np.empty((-(-n // period), period))
    last = 0.0
    for row in turns:
        row[:] = turn
        shifted = np.concatenate(([last], turn[:-1]))
        last = turn[-1]
        turn = damping * 0.5 * (turn + shifted)
    return turns.ravel()[:n]


def _plucked_string(rng, n, sr):
    root = rng.uniform(80, 330)
    scale = np.array([0, 2, 4, 5, 7, 9, 11, 12])
    damping, brightness = rng.uniform(0.982, 0.999), rng.uniform(0.3, 1.0)
    events = []
    for time in _event_times(rng, n, sr, rng.uniform(0.7, 4.5), 0.2):
        length = max(1, min(n - int(time * sr), int(1.5 * sr)))
        pitch = root * 2 ** (rng.choice(scale) / 12)
        events.append((time, rng.uniform(0.4, 1) * _string(rng, length, sr, pitch, damping, brightness)))
    return _mix(events, n, sr)


def _engine(rng, n, sr):
    firing = rng.uniform(18, 95) * (1 + rng.uniform(0.02, 0.5) * _smooth_curve(rng, n, sr, rng.uniform(0.3, 1.5)))
    phase = _phase(firing, sr) + 0.15 * _smooth_curve(rng, n, sr, 40)
    # Cylinders differ: every second or fourth stroke is weaker.
    stroke = 1 + rng.uniform(0, 0.5) * np.cos(phase / rng.choice([2, 4]))
    pulse = stroke * np.exp(rng.uniform(2, 12) * (np.cos(phase) - 1))
    source = pulse - pulse.mean() + rng.uniform(0.1, 0.9) * pulse * rng.standard_normal(n)
    y = sum(
        gain * _resonate(source, f, bw, sr)
        for gain, f, bw in zip((1.0, 0.7, 0.4), rng.uniform((60, 250, 900), (180, 700, 2400)), (80, 200, 600))
    )
    return y / (np.std(y) + 1e-12) + rng.uniform(0.05, 0.5) * coloured_noise(rng, n, 1.0)


def _rain(rng, n, sr):
    bed = coloured_noise(rng, n, rng.uniform(0.0, 0.9)) * (0.8 + 0.4 * _smooth_curve(rng, n, sr, 1.0))
    drops = np.zeros(n)
    count = rng.poisson(rng.uniform(40, 400) * n / sr)
    np.add.at(drops, rng.integers(0, n, count), rng.pareto(2.5, count) * rng.choice([-1, 1], count))
    time = np.arange(int(0.02 * sr)) / sr
    kernel = np.exp(-time * rng.uniform(200, 900)) * np.sin(2 * np.pi * rng.uniform(900, 4500) * time)
    drops = fftconvolve(drops, kernel)[:n]
    return bed + rng.uniform(0.3, 2.5) * drops / (np.std(drops) + 1e-12)


def _bell(rng, n, sr):
    time = np.arange(n) / sr
    if rng.uniform() < 0.65:
        modes = rng.uniform(250, 1100) * _BELL_PARTIALS * rng.uniform(0.99, 1.01, _BELL_PARTIALS.size)
        attack = 0.002
    else:  # a gong: low, dense, inharmonic, with a slow attack
        modes = rng.uniform(70, 220) * np.sort(rng.uniform(1, 9, 12))
        attack = rng.uniform(0.005, 0.08)
    decay = rng.uniform(0.6, 4.0) * (modes / modes[0]) ** -rng.uniform(0.4, 1.0)
    strike = np.zeros(n)
    for mode, length in zip(modes, decay):
        if mode < 0.45 * sr:
            beat = 1 + 0.3 * np.sin(2 * np.pi * rng.uniform(0.3, 4) * time)
            tone = np.sin(2 * np.pi * mode * time + rng.uniform(0, 6.28))
            strike += rng.uniform(0.2, 1) * beat * np.exp(-time / length) * tone
    strike *= 1 - np.exp(-time / attack)
    times = _event_times(rng, n, sr, rng.uniform(0.3, 2.0), 0.1)
    return _mix([(t, rng.uniform(0.4, 1) * strike) for t in times], n, sr)


def _bird_chirp(rng, n, sr):
    base = rng.uniform(1500, 4000)
    length, bend = rng.uniform(0.03, 0.2), rng.uniform(-0.9, 0.9)
    trill, depth = rng.uniform(15, 60), rng.choice([0.0, rng.uniform(0.02, 0.15)])
    events, start = [], rng.uniform(0, 0.4)
    while start < n / sr:
        for _ in range(rng.integers(1, 7)):
            seconds = length * rng.uniform(0.8, 1.2)
            time = np.arange(max(8, int(seconds * sr))) / sr
            position = time / seconds
            pitch = base * rng.uniform(0.92, 1.08) * 2 ** (bend * (position - 0.5))
            pitch = pitch * (1 + depth * np.sin(2 * np.pi * trill * time))
            phase = _phase(pitch, sr)
            chirp = np.sin(phase) + rng.uniform(0, 0.25) * np.sin(2 * phase) * (2 * pitch < 0.45 * sr)
            events.append((start, rng.uniform(0.5, 1) * np.sin(np.pi * position) ** 0.7 * chirp))
            start += seconds + rng.uniform(0.02, 0.12)
        start += rng.uniform(0.1, 0.9)
    return _mix(events, n, sr)


def _wind(rng, n, sr):
    gust = _smooth_curve(rng, n, sr, rng.uniform(0.4, 1.8))
    low = coloured_noise(rng, n, rng.uniform(1.4, 2.2))
    middle = _resonate(rng.standard_normal(n), rng.uniform(250, 700), rng.uniform(150, 500), sr)
    high = _resonate(rng.standard_normal(n), rng.uniform(800, 2200), rng.uniform(40, 700), sr)
    y = low * (0.3 + gust) + middle / np.std(middle) * gust * rng.uniform(0.3, 1.2)
    return y + high / np.std(high) * gust**2 * rng.uniform(0.05, 0.9)


def _footsteps(rng, n, sr):
    knocks = rng.uniform() < 0.3
    rate, jitter = (rng.uniform(3, 6), 0.12) if knocks else (rng.uniform(1.3, 3.2), 0.07)
    times = _event_times(rng, n, sr, rate, jitter)
    if knocks:  # in groups with pauses
        times = times[np.arange(times.size) % 6 < rng.integers(2, 6)]
    body = rng.uniform(180, 800) if knocks else rng.uniform(60, 220)
    scuff, grit = rng.uniform(0.02, 0.5), rng.uniform(0.01, 0.07)
    time = np.arange(int(0.25 * sr)) / sr
    events = []
    for moment in times:
        pitch = body * rng.uniform(0.9, 1.1)
        thump = np.exp(-time / rng.uniform(0.015, 0.05)) * np.sin(2 * np.pi * pitch * time)
        noise = _resonate(rng.standard_normal(time.size), rng.uniform(500, 2500), 900, sr)
        noise *= np.exp(-time / grit)
        toe = np.roll(noise, int(0.06 * sr)) * (time > 0.06)
        events.append((moment, rng.uniform(0.5, 1) * (thump + scuff * (noise + 0.6 * toe) / np.std(noise))))
    return _mix(events, n, sr)


def _vowels(rng, n, sr):
    speaker, tract = rng.uniform(85, 280), rng.uniform(0.88, 1.18)
    breath = rng.uniform(0.02, 0.3)
    events, start = [], rng.uniform(0, 0.3)
    while start < n / sr:
        seconds = rng.uniform(0.1, 0.45)
        size = int(seconds * sr)
        position = np.linspace(0, 1, size)
        pitch = speaker * (1 + rng.uniform(-0.25, 0.25) * position) * (1 + 0.02 * _smooth_curve(rng, size, sr, 8))
        source = np.exp(8 * (np.cos(_phase(pitch, sr)) - 1))
        source = source - source.mean() + breath * rng.standard_normal(size)
        formants = _FORMANTS[rng.integers(len(_FORMANTS))]
        y = sum(
            gain * _resonate(source, tract * f * rng.uniform(0.95, 1.05), bw, sr)
            for gain, f, bw in zip((1.0, 0.6, 0.3), formants, (80, 110, 160))
        )
        y *= np.minimum(1, 8 * np.minimum(position, 1 - position))
        if rng.uniform() < 0.4:  # the syllable begins with a fricative
            hiss = _resonate(rng.standard_normal(int(0.08 * sr)), rng.uniform(2500, 5000), 1500, sr)
            events.append((start, 0.4 * np.std(y) / (np.std(hiss) + 1e-12) * hiss * np.hanning(hiss.size)))
            start += 0.06
        events.append((start, rng.uniform(0.5, 1) * y))
        start += seconds + rng.choice([0.02, rng.uniform(0.1, 0.5)])
    return _mix(events, n, sr)


def _clock_tick(rng, n, sr):
    time = np.arange(int(0.12 * sr)) / sr
    sounds = []
    spread = rng.uniform(1.0, 1.6)
    modes = np.minimum(rng.uniform((400, 1300, 2800), (1300, 3000, 5200)), 0.45 * sr)
    for factor in (1.0, 1 / spread):  # tick, tock
        tick = sum(
            gain * np.exp(-time / length) * np.sin(2 * np.pi * factor * mode * time)
            for gain, length, mode in zip(rng.uniform(0.3, 1, 3), rng.uniform(0.002, 0.012, 3), modes)
        )
        echo = np.roll(tick, int(rng.uniform(0.008, 0.03) * sr)) * rng.uniform(0, 0.6)
        sounds.append(tick + echo + 0.3 * np.exp(-time / 0.002) * rng.standard_normal(time.size))
    times = _event_times(rng, n, sr, rng.choice([1.0, 2.0, 4.0, 5.0]) * rng.uniform(0.95, 1.05), 0.004)
    return _mix([(t, sounds[i % 2]) for i, t in enumerate(times)], n, sr)


#: Generator of each class, sorted by class name.
GENERATORS: dict[str, Callable[[np.random.Generator, int, int], np.ndarray]] = {
    "bell": _bell,
    "bird_chirp": _bird_chirp,
    "clock_tick": _clock_tick,
    "engine": _engine,
    "footsteps": _footsteps,
    "plucked_string": _plucked_string,
    "rain": _rain,
    "siren": _siren,
    "vowels": _vowels,
    "wind": _wind,
}
