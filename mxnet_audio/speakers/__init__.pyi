from .enrollment import EnrolledSpeakers as EnrolledSpeakers
from .recognizer import SpeakerRecognizer as SpeakerRecognizer
from .scoring import Cohort as Cohort
from .scoring import SpeakerScorer as SpeakerScorer
from .state import SpeakerState as SpeakerState
