"""Tests of the answers to requests, without HTTP."""

import asyncio
import io
import threading
from functools import partial

import anyio
import numpy as np
import pytest
import soundfile as sf

pytest.importorskip("fastapi")

from mxnet_audio.errors import AudioDecodeError, InvalidAudioError, ModelError, ParameterError
from mxnet_audio.events import find_events
from mxnet_audio.inference import Output, Prediction, TimedPrediction
from mxnet_audio.serve import ServedModels, ServeSettings, SoundService, service, sounds
from mxnet_audio.serve.problems import Busy, NotServed, TimedOut, TooLong
from mxnet_audio.serve.sounds import Sound
from mxnet_audio.serve.uploads import Upload

TONE = np.sin(np.arange(8000) / 3).astype(np.float32)


class FakeClassifier:
    """Model of two labels; the gate can be closed, and sounds with a first sample of 2 make a batch fail."""

    labels, thresholds, model_id = ("cat", "dog"), None, "fake"

    def __init__(self):
        self.batches, self.windows, self.windows_before = [], 0, []  # number of windows before each batch
        self.gate, self.has_begun = threading.Event(), threading.Event()
        self.gate.set()
        self.threads = set()

    def _compute(self):
        self.threads.add(threading.current_thread().name)
        self.has_begun.set()
        assert self.gate.wait(30)

    def forward_many(self, sources):
        self._compute()
        self.batches.append(len(sources))
        self.windows_before.append(self.windows)
        for y, _ in sources:
            if y[0] == 2:
                raise ModelError("unusable: probabilities are NaN", "/models/secret.onnx")
            if not y.any():
                yield Output(None, None, None, InvalidAudioError("silent"))
            else:
                yield Output(None, np.float32([0.25, 0.75]), np.float32([len(y), 1]))

    def postprocess(self, output):
        return Prediction(output.path, "dog", output.probabilities, labels=self.labels)

    def iter_timeline(self, source, window, hop):
        for number in range(100):
            self._compute()
            self.windows += 1
            yield TimedPrediction(number, number + 1, "dog", np.float32([0.25, 0.75]), labels=self.labels)


def sound(first=1.0, n=8000, name="a.wav"):
    return Sound(name, np.r_[np.float32(first), TONE[: n - 1]], 8000)


def run(main, *, models=None, **settings):
    """Run a coroutine function with a service of a fake classifier, or of other models."""

    async def running():
        serving = SoundService(models or ServedModels(classifier=FakeClassifier()), ServeSettings(**settings))
        await serving.start()
        try:
            return await asyncio.wait_for(main(serving), 60)
        finally:
            await serving.close()
            assert (serving.waiting, serving.held) == (0, 0)

    return asyncio.run(running())


async def until(condition):
    while not condition():
        await asyncio.sleep(0.001)


def test_sounds_of_several_requests_are_one_batch():
    async def main(serving):
        sizes = []
        serving.on_batch = sizes.append
        serving._coming = 1  # another request is being decoded, which the first one of these waits for
        first, *others = await asyncio.gather(*(serving.predict(sound(n=n)) for n in (8000, 4000, 2000)))
        vector, model_id = await serving.embed(sound(n=500))
        assert first.top(1) == [("dog", 0.75)] and len(others) == 2
        assert (vector.tolist(), model_id) == ([500, 1], "fake")
        assert sizes == serving.models.classifier.batches == [3, 1]
        assert serving.models.classifier.threads == {"networks_0"}

    run(main, batch_wait=0.02)


def test_a_sound_that_cannot_be_used_does_not_fail_the_others():
    async def main(serving):
        silent = Sound("quiet <b>.wav", np.zeros(100, np.float32), 8000)
        requests = [serving.predict(one) for one in (sound(), silent, sound(2.0), sound(0.5))]
        found = await asyncio.gather(*requests, return_exceptions=True)
        assert [type(one) for one in found] == [Prediction, InvalidAudioError, ModelError, Prediction]
        assert str(found[1]) == "quiet <b>.wav: silent"

    run(main, batch_wait=0.02)


def test_too_many_requests_are_refused():
    async def main(serving):
        model = serving.models.classifier
        model.gate.clear()
        running = [asyncio.ensure_future(serving.predict(sound())) for _ in range(3)]
        await until(model.has_begun.is_set)
        for call in (serving.predict, serving.embed, serving.events, serving.decode):
            with pytest.raises(Busy, match="3 requests are waiting"):
                await call(sound() if call != serving.decode else Upload("a.wav", io.BytesIO()))
        model.gate.set()
        assert len(await asyncio.gather(*running)) == 3
        await serving.predict(sound())

    run(main, queue_size=3)


def test_an_answer_that_takes_too_long():
    async def main(serving):
        model = serving.models.classifier
        model.gate.clear()
        for call in (serving.predict, serving.events):
            with pytest.raises(TimedOut, match=r"not computed within 0\.05 s"):
                if call == serving.events:  # its thread is waited for
                    asyncio.get_running_loop().call_later(0.1, model.gate.set)
                await call(sound())
        assert serving.waiting == 0

    run(main, timeout=0.05)


def test_a_cancelled_request_is_not_computed():
    async def main(serving):
        model = serving.models.classifier
        model.gate.clear()
        first = asyncio.ensure_future(serving.predict(sound()))
        await until(model.has_begun.is_set)
        second, third = (asyncio.ensure_future(serving.predict(sound())) for _ in range(2))
        await asyncio.sleep(0.01)
        second.cancel()
        await asyncio.sleep(0.01)
        assert serving.waiting == 2
        model.gate.set()
        await asyncio.gather(first, third)
        assert model.batches == [1, 1] and second.cancelled()

    run(main)


def test_events_are_computed_between_batches():
    async def main(serving):
        model = serving.models.classifier
        model.gate.clear()
        events = asyncio.ensure_future(serving.events(sound(), threshold=0.5, min_duration=2))
        await until(model.has_begun.is_set)
        other = asyncio.ensure_future(serving.predict(sound()))
        await asyncio.sleep(0.05)
        model.gate.set()
        assert await events == list(find_events(model.iter_timeline(None, None, None)))
        await other
        assert 0 < model.windows_before[0] < 100

    run(main, batch_wait=0)


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"threshold": 2}, "threshold"),
        ({"labels": ["dgo"]}, "did you mean dog"),
        ({"min_duration": -1}, "min_duration"),
    ],
    ids=str,
)
def test_wrong_arguments_of_events(options, match):
    async def main(serving):
        with pytest.raises(ParameterError, match=match):
            await serving.events(sound(), **options)

    run(main)


def test_decoding(tmp_path):
    sf.write(tmp_path / "a.wav", np.stack([TONE, 0 * TONE], axis=1), 8000, subtype="FLOAT")

    async def main(serving):
        with (tmp_path / "a.wav").open("rb") as file:
            mix = await serving.decode(Upload("a.wav", file))
            file.seek(0)
            left = await serving.decode(Upload("a.wav", file), "left")
        np.testing.assert_allclose(left.samples, TONE, atol=1e-6)
        np.testing.assert_allclose(mix.samples, TONE / 2, atol=1e-6)
        assert (mix.name, mix.rate, mix.seconds) == ("a.wav", 8000, 1.0)
        with pytest.raises(AudioDecodeError, match=r"^b\.wav: "):
            await serving.decode(Upload("b.wav", io.BytesIO(b"no sound")))

    run(main, max_seconds=1.0)

    async def too_long(serving):
        with (tmp_path / "a.wav").open("rb") as file, pytest.raises(TooLong, match="longer than 0"):
            await serving.decode(Upload("a.wav", file))

    run(too_long, max_seconds=0.5)


def test_features_are_computed_once_with_the_decoding(onnx_model, wav_bytes, monkeypatch):
    calls, seen = [], []
    preprocess = type(onnx_model).preprocess
    monkeypatch.setitem(
        vars(onnx_model), "preprocess", lambda source: calls.append(source) or preprocess(onnx_model, source)
    )

    async def main(serving):
        serving.on_sound = seen.append
        upload = Upload("a.wav", io.BytesIO(wav_bytes()))
        prepared = await serving.decode(upload, model=onnx_model)
        assert len(calls) == 1 and prepared.nbytes > prepared.samples.nbytes
        first = await serving.predict(prepared)
        assert len(calls) == 1
        upload.file.seek(0)
        second = await serving.predict(await serving.decode(upload))
        assert len(calls) == 2
        np.testing.assert_allclose(first.probabilities, second.probabilities, atol=1e-6)
        silence = io.BytesIO()
        sf.write(silence, np.zeros(8000), 8000, format="WAV")
        silence.seek(0)
        with pytest.raises(InvalidAudioError, match=r"^silent\.wav: "):
            await serving.decode(Upload("silent.wav", silence), model=onnx_model)
        assert len(seen) == 3  # the silent one, too

    run(main, models=ServedModels(classifier=onnx_model))


def test_a_request_that_is_cancelled_during_decoding_computes_no_features(onnx_model, monkeypatch):
    may_end, calls = threading.Event(), []

    def decode(*args):
        assert may_end.wait(30)
        return sound()

    monkeypatch.setattr(sounds, "decode", decode)
    monkeypatch.setitem(vars(onnx_model), "preprocess", calls.append)

    async def main(serving):
        asyncio.get_running_loop().call_later(0.1, may_end.set)
        with anyio.move_on_after(0.05) as scope:
            await serving.decode(Upload("a.wav", io.BytesIO()), model=onnx_model)
        assert scope.cancel_called and not calls

    run(main, models=ServedModels(classifier=onnx_model))


def test_exported_networks_are_called_by_their_own_threads(onnx_model, monkeypatch):
    threads = set()
    forward = type(onnx_model)._forward

    def noting(x):
        threads.add(threading.current_thread().name.rpartition("_")[0])
        return forward(onnx_model, x)

    monkeypatch.setitem(vars(onnx_model), "_forward", noting)

    async def main(serving):
        await asyncio.gather(serving.predict(sound()), serving.events(sound()))

    run(main, models=ServedModels(classifier=onnx_model))
    assert threads == {"exported-networks"}


def test_decoding_waits_while_many_samples_are_held(monkeypatch):
    monkeypatch.setattr(service, "MOST_SAMPLES", 10_000)
    monkeypatch.setattr(sounds, "decode", lambda file, name, max_seconds, channel: sound())

    async def main(serving):
        model = serving.models.classifier
        model.gate.clear()
        first = asyncio.ensure_future(serving.predict(sound()))
        await until(lambda: serving.held == 32_000)
        later = asyncio.ensure_future(serving.decode(Upload("a.wav", io.BytesIO())))
        await asyncio.sleep(0.05)
        assert not later.done() and serving.waiting == 2
        model.gate.set()
        await first
        assert (await later).seconds == 1.0

    run(main)


def test_a_decoder_that_runs_is_waited_for(monkeypatch):
    """The file of a request that was cancelled is closed when nothing reads it any more."""
    may_end, order = threading.Event(), []

    def decode(*args):
        assert may_end.wait(30)
        order.append("decoded")
        return sound()

    monkeypatch.setattr(sounds, "decode", decode)

    async def main(serving):
        asyncio.get_running_loop().call_later(0.1, may_end.set)
        with anyio.move_on_after(0.05) as scope:
            await serving.decode(Upload("a.wav", io.BytesIO()))
        assert scope.cancel_called and order == ["decoded"]

    run(main)


def test_what_is_not_served_names_the_option():
    calls = {
        "predict": "--model-dir",
        "tags": "--encoder",
        "search": "--index",
        "identify": "--speakers",
        "events": "--encoder or --model-dir",
    }

    async def main(serving):
        for name, option in calls.items():
            with pytest.raises(NotServed, match=f"start the server with {option}"):
                await getattr(serving, name)(sound())

        assert (await serving.embed(sound()))[1] == "fake"

    class WithoutLabels(FakeClassifier):
        labels = ()

    for role in ("encoder", "classifier"):
        run(main, models=ServedModels(**{role: WithoutLabels()}))


def test_a_server_that_stops_finishes_what_runs():
    async def main(serving):
        model = serving.models.classifier
        model.gate.clear()
        running = asyncio.ensure_future(serving.predict(sound()))
        await until(model.has_begun.is_set)
        closing = asyncio.ensure_future(serving.close())
        await asyncio.sleep(0.01)
        assert not serving.is_ready and not closing.done()
        with pytest.raises(Busy, match="starting or stopping"):
            await serving.predict(sound())
        model.gate.set()
        await closing
        assert (await running).label == "dog"

    run(main)


def test_a_model_that_two_share_has_one_batcher():
    async def main(serving):
        serving._coming = 1  # another request is being decoded, which the first one of these waits for
        await asyncio.gather(serving.predict(sound()), serving.tags(sound()))
        assert serving.models.classifier.batches == [2]

    class Both(FakeClassifier):
        network = "both"

    both = Both()
    both.record = partial(dict)
    both.record.name = "both"
    run(main, models=ServedModels(classifier=both, encoder=both), batch_wait=0.02)
