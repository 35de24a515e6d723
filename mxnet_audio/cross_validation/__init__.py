"""Cross-validation: runs over folds and seeds, their results, and the folder that keeps them."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__, submod_attrs={"results": ["CrossValidation"], "run": ["cross_validate"]}
)
