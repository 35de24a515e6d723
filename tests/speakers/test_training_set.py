"""Training sets: features that follow the recordings, sessions that are held out whole, and copies at other speeds."""

import io
import logging
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf

from mxnet_audio.audio import Played
from mxnet_audio.errors import AudioError, DatasetError, FeatureError, ParameterError
from mxnet_audio.features import AudioFeatureConfig
from mxnet_audio.models import NETWORKS
from mxnet_audio.models.blocks import SpeakerNet
from mxnet_audio.speakers.state import SPEAKER_NETWORKS
from mxnet_audio.speakers.training_set import TrainingSet, speaker_features, speaker_recipe


def prepare(pairs, groups=None, speeds=(), test_size=0.2, random_state=42, held_out_speakers=0):
    return TrainingSet.prepare(pairs, groups, speeds, test_size, random_state, held_out_speakers)


def test_speaker_networks_are_those_of_the_package():
    assert set(SPEAKER_NETWORKS) == {name for name, net in NETWORKS.items() if issubclass(net, SpeakerNet)}


def test_features_follow_the_recordings(recordings, tmp_path):
    paths = [path for path, _ in recordings("ann")]
    config = speaker_features("ecapa_tdnn", paths)
    assert (config.sr, config.n_fft, config.win_length, config.hop_length, config.n_mels) == (8000, 256, 200, 80, 40)
    assert config.fmax == 4000
    assert config.n_samples / config.sr == pytest.approx(0.6, abs=0.02)
    assert speaker_features("sincnet", paths, seconds=0.5) == AudioFeatureConfig(
        type="raw", sr=8000, audio_file_length_limit_in_s=0.5, crop="middle"
    )
    high = tmp_path / "high.wav"
    sf.write(high, np.random.default_rng(0).normal(0, 0.1, 5 * 44100), 44100)
    config = speaker_features("resnet18", [str(high)])
    assert (config.sr, config.n_mels, config.n_frames) == (16000, 80, 201)


@pytest.mark.parametrize("seconds", [0, -1, 0.05, 1e9, float("nan")])
def test_window_lengths_out_of_range_are_refused(seconds):
    with pytest.raises(FeatureError, match="seconds"):
        speaker_features("resnet18", [], seconds)


def test_sessions_are_held_out_whole(recordings):
    pairs = recordings("ann", "bob")
    groups = [f"{name} {index % 10 // 4}" for index, (_, name) in enumerate(pairs)]  # 4, 4 and 2 recordings of each
    clips = prepare(pairs, groups)
    chosen = {groups[index] for index in clips.held_out}
    assert clips.held_out == [index for index, group in enumerate(groups) if group in chosen]
    assert sorted([*clips.trained, *clips.held_out]) == list(range(20))
    assert 0 < len(chosen) < len(set(groups))
    with pytest.raises(DatasetError, match="19 groups for 20"):
        prepare(pairs, groups[1:])
    with pytest.raises(ParameterError, match="groups"):
        prepare(pairs, 3)


def test_a_single_recording_is_trained_on_and_a_single_speaker_is_refused(recordings, caplog):
    caplog.set_level(logging.WARNING)
    clips = prepare(recordings("ann", "bob") + recordings("cem", takes=[0]))
    assert 20 in clips.trained
    assert caplog.text.rstrip().endswith(": cem")
    for pairs in (recordings("ann"), recordings("ann") + recordings("bob", takes=[0]), []):
        with pytest.raises(DatasetError):
            prepare(pairs)


def test_a_name_is_one_speaker_in_both_unicode_spellings(recordings):
    pairs = [(path, name) for path, name in recordings("bob")]
    pairs += [(path, ("J\u00f6rg", "Jo\u0308rg")[take % 2]) for take, (path, _) in enumerate(recordings("ann"))]
    assert speakers_of(prepare(pairs), range(20)) == {"bob", "J\u00f6rg"}


def speakers_of(clips, indices):
    return {clips.pairs[index][1] for index in indices}


def test_speakers_are_held_out_with_all_their_recordings(recordings):
    pairs = recordings("ann", "bob", "cem", "dan")
    clips = prepare(pairs, held_out_speakers=2)
    strangers = speakers_of(clips, clips.strangers)
    assert len(strangers) == 2 and len(clips.strangers) == 20
    assert speakers_of(clips, [*clips.trained, *clips.held_out]).isdisjoint(strangers)
    assert sorted([*clips.trained, *clips.held_out, *clips.strangers]) == list(range(40))
    assert speakers_of(clips, clips.choose()[1]) == strangers
    assert prepare(pairs, held_out_speakers=2) == clips
    with pytest.raises(DatasetError, match=r"4 .*found 3"):
        prepare(recordings("ann", "bob", "cem") + recordings("dan", takes=[0]), held_out_speakers=2)


def test_a_fifth_of_ten_speakers_is_held_out_if_no_number_is_given():
    pairs = [(f"{take}.wav", f"{speaker}") for speaker in range(12) for take in range(2 if speaker < 10 else 1)]
    clips = prepare(pairs, held_out_speakers=None)
    assert len(speakers_of(clips, clips.strangers)) == 2
    assert speakers_of(clips, clips.strangers) <= {f"{speaker}" for speaker in range(10)}
    assert prepare(pairs[2:], held_out_speakers=None).strangers == []
    many = [(f"{take}.wav", f"{speaker}") for speaker in range(300) for take in range(2)]
    assert len(prepare(many, held_out_speakers=None).strangers) == 80


def test_each_recording_is_trained_on_at_each_speed_and_none_is_held_out(recordings):
    pairs = recordings("ann", "bob", takes=range(6))
    clips = prepare(pairs, speeds=(0.9, 1.25), test_size=0.5)
    originals, copies = clips.train_pairs[:6], clips.train_pairs[6:]
    assert originals == [pairs[index] for index in clips.trained]
    assert copies == [(Played(path, speed), f"sp{speed}-{name}") for speed in (0.9, 1.25) for path, name in originals]
    assert clips.validation_pairs == [pairs[index] for index in clips.held_out]
    assert clips.label_aliases == {f"sp{speed}-{name}": name for speed in (0.9, 1.25) for name in ("ann", "bob")}
    numbered = prepare([(path, int(name == "bob")) for path, name in pairs], speeds=[1.1])
    assert {label for _, label in numbered.train_pairs} == {"0", "1", "sp1.1-0", "sp1.1-1"}
    assert numbered.label_aliases == {"sp1.1-0": "0", "sp1.1-1": "1"}


def test_streams_are_read_from_their_beginning(recordings):
    pairs = [(io.BytesIO(Path(path).read_bytes()), name) for path, name in recordings("ann", "bob", takes=range(3))]
    for stream, _ in pairs:
        stream.seek(0, io.SEEK_END)
    clips = prepare(pairs, speeds=np.array([1.1]))
    assert clips.paths == [stream.getvalue() for stream, _ in pairs]


@pytest.mark.parametrize("speeds", [(1,), (0.9, 0.9), (0.4,), (2.1,), (float("nan"),), 0.9, ("fast",)], ids=str)
def test_bad_speeds_are_refused(speeds, recordings):
    with pytest.raises(ParameterError, match="speeds must be"):
        prepare(recordings("ann", "bob"), speeds=speeds)


def test_recordings_are_chosen_for_cohort_and_threshold(recordings, monkeypatch):
    monkeypatch.setattr("mxnet_audio.speakers.training_set.MAX_COHORT", 4)
    monkeypatch.setattr("mxnet_audio.speakers.training_set.MAX_CALIBRATION", 3)
    clips = prepare(recordings("ann", "bob"))
    cohort, held_out = clips.choose()
    assert [clips.pairs[index][1] for index in cohort] == ["ann"] * 2 + ["bob"] * 2
    assert set(cohort) <= set(clips.trained)
    assert len(held_out) == 3 and set(held_out) <= set(clips.held_out)


def test_a_recipe_takes_another_loss():
    config = AudioFeatureConfig(type="raw", sr=8000, audio_file_length_limit_in_s=0.5)
    default = speaker_recipe("voice", None, None, config)
    assert (default.loss, default.sound[-1].n) == ("arc", 4000)
    assert speaker_recipe("voice", None, {"m": 0.3}, config).loss_options == {**default.loss_options, "m": 0.3}
    assert speaker_recipe("voice", "softmax", None, config).loss_options == {}
    with pytest.raises(AudioError, match="arcs"):
        speaker_recipe("voice", "arcs", None, config)


def test_a_recording_of_several_speakers_is_refused():
    clips = [((np.ones(8000, np.float32), 8000), "ann"), ((np.ones(4000, np.float32), 8000), {"ann", "ben"})]
    with pytest.raises(DatasetError, match=r"row 1.*one label"):
        TrainingSet.prepare(clips, None, (), 0.5, 0)
