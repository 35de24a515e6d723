"""Speaker recognition: train an encoder on voices, enroll speakers, verify and identify them."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(__name__, submod_attrs={"recognizer": ["SpeakerRecognizer"]})
