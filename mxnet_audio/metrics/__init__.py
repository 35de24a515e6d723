"""Evaluation measures of classifiers, of searches, of predicted numbers and of speaker verification.

Labels and scores go in, numbers come out; MXNet is not needed.
"""

from mxnet_audio.metrics.classification import ClassificationReport, classification_report, precision_at_k
from mxnet_audio.metrics.intervals import bootstrap
from mxnet_audio.metrics.multilabel import (
    MultiLabelReport,
    average_precision,
    choose_thresholds,
    label_matrix,
    multilabel_report,
)
from mxnet_audio.metrics.regression import RegressionReport, regression_report
from mxnet_audio.metrics.report import VerificationReport, verification_report
from mxnet_audio.metrics.verification import eer, min_dcf, pair_accuracy, roc, tar_at_far

__all__ = [
    "ClassificationReport",
    "MultiLabelReport",
    "RegressionReport",
    "VerificationReport",
    "average_precision",
    "bootstrap",
    "choose_thresholds",
    "classification_report",
    "eer",
    "label_matrix",
    "min_dcf",
    "multilabel_report",
    "pair_accuracy",
    "precision_at_k",
    "regression_report",
    "roc",
    "tar_at_far",
    "verification_report",
]
