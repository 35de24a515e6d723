"""Train a speaker recognizer on spoken digits (FSDD), or on your own folder of speakers (--data DIR)."""

import os
from collections import defaultdict
from pathlib import Path

import numpy as np
from common import HERE, arguments

from mxnet_audio import datasets, metrics, viz
from mxnet_audio.datasets.speakers import of_corpus, speaker_folder
from mxnet_audio.errors import DatasetError
from mxnet_audio.speakers.recognizer import SpeakerRecognizer

FSDD = HERE / "very_large_data" / "fsdd"
MODEL_FOLDER = "speakers"  # inside --models
HELD_OUT_DIGITS = "789"


def recordings(args):
    """List the recordings of your own folder, or spoken digits from MXNET_AUDIO_DATA or downloaded."""
    if args.data is not None:
        return speaker_folder(args.data)
    local = Path(os.environ.get("MXNET_AUDIO_DATA", ""), "fsdd")
    if "MXNET_AUDIO_DATA" in os.environ and local.is_dir():
        return of_corpus("fsdd", local)
    try:
        return of_corpus("fsdd", datasets.get("fsdd").download(FSDD))
    except DatasetError as error:
        needed = "give --data DIR, a folder with a folder of recordings for each speaker, or set MXNET_AUDIO_DATA"
        raise SystemExit(f"{error}\n{needed} to a folder that holds fsdd/<digit>_<speaker>_<take>.wav") from None


def split(clips):
    """Split off held-out recordings: other digits, or of your own folder a third of each speaker's sessions."""
    if all(clip.content for clip in clips):
        held_out = {clip for clip in clips if clip.content in HELD_OUT_DIGITS}
    else:
        sessions = defaultdict(dict)
        for clip in clips:
            sessions[clip.speaker][clip.session] = None
        last = {name for names in sessions.values() for name in list(names)[len(names) - len(names) // 3 :]}
        held_out = {clip for clip in clips if clip.session in last}
    return [clip for clip in clips if clip not in held_out], [clip for clip in clips if clip in held_out]


def score_pairs(recognizer, clips):
    """Return label (1: one speaker) and score of all pairs of recordings."""
    encodings = zip(recognizer.encode_many(clip.path for clip in clips), clips)
    usable = [(encoding.vector, clip.speaker) for encoding, clip in encodings if encoding.error is None]
    if not usable:
        raise SystemExit("no recordings are held out: three or more of each speaker are needed")
    vectors, speakers = map(np.array, zip(*usable))
    first, second = np.triu_indices(len(usable), 1)
    return (speakers[first] == speakers[second]).astype(int), (vectors @ vectors.T)[first, second]


def main():
    """Train a recognizer, and measure verification on the held-out recordings."""
    args = arguments(__doc__, epochs=5)
    train, held_out = split(recordings(args))
    model_dir = args.models / MODEL_FOLDER
    recognizer = SpeakerRecognizer("resnet18", model_ctx=args.ctx, data_ctx=args.ctx)
    recognizer.fit(
        [(clip.path, clip.speaker) for clip in train],
        model_dir,
        groups=[clip.session for clip in train],
        epochs=args.epochs,
        batch_size=args.batch_size,
        seconds=args.seconds,
        resume=args.resume,
    )
    labels, scores = score_pairs(recognizer, held_out)
    print("pairs of held-out recordings, of speakers in the training set:")
    print(metrics.verification_report(labels, scores))
    for plot, name in ((viz.plot_roc, "roc.png"), (viz.plot_det, "det.png"), (viz.plot_accuracy, "accuracy.png")):
        plot((labels, scores), model_dir / name)
        print(f"wrote {model_dir / name}")


if __name__ == "__main__":
    main()
