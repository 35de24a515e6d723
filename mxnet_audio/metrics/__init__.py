"""Evaluation measures of classifiers, of searches and of speaker verification.

Labels and scores go in, numbers come out; MXNet is not needed.
"""

from mxnet_audio.metrics.classification import ClassificationReport, classification_report, precision_at_k
from mxnet_audio.metrics.intervals import bootstrap
from mxnet_audio.metrics.report import VerificationReport, verification_report
from mxnet_audio.metrics.verification import eer, min_dcf, pair_accuracy, roc, tar_at_far

__all__ = [
    "ClassificationReport",
    "VerificationReport",
    "bootstrap",
    "classification_report",
    "eer",
    "min_dcf",
    "pair_accuracy",
    "precision_at_k",
    "roc",
    "tar_at_far",
    "verification_report",
]
