"""Enroll speakers, verify recordings and identify them, with the recognizer of speaker_train.py."""

from common import arguments
from speaker_train import MODEL_FOLDER, recordings, split

from mxnet_audio.speakers.recognizer import SpeakerRecognizer

args = arguments(__doc__)
recognizer = SpeakerRecognizer.load(args.models / MODEL_FOLDER, model_ctx=args.ctx)
train, held_out = split(recordings(args))
for speaker in sorted({clip.speaker for clip in train}):
    paths = [clip.path for clip in train if clip.speaker == speaker]
    count = recognizer.enroll(speaker, paths[:: max(1, len(paths) // 5)], replace=True)
    print(f"enrolled {speaker} with {count} recordings")
recognizer.save(args.models / MODEL_FOLDER)  # for `mxnet-audio speaker identify`, too

first = held_out[0]
for same in (True, False):
    second = next(clip for clip in reversed(held_out) if (clip.speaker == first.speaker) is same)
    result = recognizer.verify(first.path, second.path)
    print(f"\n{first.path} and\n{second.path}:")
    answer = "one speaker" if result.same else "two speakers"
    print(f"  {answer} (score {result.score:.3f}, threshold {result.threshold:.3f})")
result = recognizer.identify(second.path, top_k=3)
print(f"\n{second.path}:\n  identified as {result.speaker or 'unknown'}, actual {second.speaker}")
for name, score in result.ranking:
    print(f"  {score:7.3f}  {name}")
