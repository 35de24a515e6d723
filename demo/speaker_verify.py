"""Enrol speakers, verify recordings and identify them, with the network that speaker_train.py trained."""

from common import arguments
from speaker_train import FOLDER, divided, utterances

from mxnet_audio.speakers.recognizer import SpeakerRecognizer


def main():
    args = arguments(__doc__)
    recognizer = SpeakerRecognizer.load(args.models / FOLDER, model_ctx=args.ctx)
    train, held = divided(utterances(args))
    for speaker in sorted({clip.speaker for clip in train}):
        own = [clip.path for clip in train if clip.speaker == speaker]
        known = recognizer.enroll(speaker, own[:: max(1, len(own) // 5)], replace=True)
        print(f"enrolled {speaker} by {known} recordings")
    recognizer.save(args.models / FOLDER)  # for `mxnet-audio speaker identify`, too

    first = held[0]
    for same in (True, False):
        second = next(clip for clip in reversed(held) if (clip.speaker == first.speaker) is same)
        found = recognizer.verify(first.path, second.path)
        print(f"\n{first.path} and\n{second.path}:")
        said = "one speaker" if found.same else "two speakers"
        print(f"  {said}, by a score of {found.score:.3f} and a threshold of {found.threshold:.3f}")
    found = recognizer.identify(second.path, top_k=3)
    print(f"\n{second.path}:\n  {found.speaker or 'nobody who is enrolled'}, actual {second.speaker}")
    for name, score in found.ranking:
        print(f"  {score:7.3f}  {name}")


if __name__ == "__main__":
    main()
