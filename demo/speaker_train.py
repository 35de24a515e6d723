"""Train a network to know voices: those of spoken digits (FSDD), or of your own folder of speakers (--data DIR)."""

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
FOLDER = "speakers"  # among the models
UNHEARD = "789"  # digits that are not trained on


def utterances(args):
    """Recordings of your own folder, or spoken digits: those in MXNET_AUDIO_DATA, else they are downloaded."""
    if args.data is not None:
        return speaker_folder(args.data)
    there = Path(os.environ.get("MXNET_AUDIO_DATA", ""), "fsdd")
    if "MXNET_AUDIO_DATA" in os.environ and there.is_dir():
        return of_corpus("fsdd", there)
    try:
        return of_corpus("fsdd", datasets.get("fsdd").download(FSDD))
    except DatasetError as error:
        needed = "give --data DIR, a folder with a folder of recordings for each speaker, or set MXNET_AUDIO_DATA"
        raise SystemExit(f"{error}\n{needed} to a folder that holds fsdd/<digit>_<speaker>_<take>.wav") from None


def divided(clips):
    """What to train on, and what to judge by: other digits; of your own folder, a third of each speaker's sessions."""
    if all(clip.content for clip in clips):
        held = {clip for clip in clips if clip.content in UNHEARD}
    else:
        sessions = defaultdict(dict)
        for clip in clips:
            sessions[clip.speaker][clip.session] = None
        last = {session for own in sessions.values() for session in list(own)[len(own) - len(own) // 3 :]}
        held = {clip for clip in clips if clip.session in last}
    return [clip for clip in clips if clip not in held], [clip for clip in clips if clip in held]


def trials(recognizer, clips):
    """Labels and scores of all pairs of recordings."""
    encoded = zip(recognizer.embed_many(clip.path for clip in clips), clips)
    found = [(encoding.vector, clip.speaker) for encoding, clip in encoded if encoding.error is None]
    if not found:
        raise SystemExit("no recordings are left to judge by: have three or more of each speaker")
    vectors, speakers = map(np.array, zip(*found))
    first, second = np.triu_indices(len(found), 1)
    return (speakers[first] == speakers[second]).astype(int), (vectors @ vectors.T)[first, second]


def main(network="resnet18"):
    args = arguments(__doc__, epochs=5)
    train, held = divided(utterances(args))
    recognizer = SpeakerRecognizer(network, model_ctx=args.ctx, data_ctx=args.ctx)
    recognizer.fit(
        [(clip.path, clip.speaker) for clip in train],
        args.models / FOLDER,
        groups=[clip.session for clip in train],
        epochs=args.epochs,
        batch_size=args.batch_size,
        seconds=args.seconds,
        resume=args.resume,
    )
    labels, scores = trials(recognizer, held)
    print("pairs of recordings that it did not train on, of speakers that it did:")
    print(metrics.verification_report(labels, scores))
    for draw, name in ((viz.plot_roc, "roc.png"), (viz.plot_det, "det.png"), (viz.plot_accuracy, "accuracy.png")):
        draw((labels, scores), args.models / FOLDER / name)
        print(f"drew {args.models / FOLDER / name}")


if __name__ == "__main__":
    main()
