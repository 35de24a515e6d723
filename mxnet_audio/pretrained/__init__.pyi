from .encoder import AudioEncoder as AudioEncoder
from .encoder import load_encoder as load_encoder
from .patch_encoder import Frames as Frames
from .patch_encoder import PatchEncoder as PatchEncoder
from .patch_encoder import SoundOutput as SoundOutput
from .sequence_forward import SequenceForward as SequenceForward
