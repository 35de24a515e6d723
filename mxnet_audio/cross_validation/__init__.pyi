from .jobs import CrossValidationError as CrossValidationError
from .results import CrossValidation as CrossValidation
from .results import FoldRun as FoldRun
from .run import cross_validate as cross_validate
