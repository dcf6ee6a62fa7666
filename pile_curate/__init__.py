"""Turn raw public dumps into a documented, deduplicated, mixed and tokenised pretraining corpus.

Importing this package is cheap on purpose: pyspark, torch, numba and fasttext are imported only
by the code that needs them, so that ``pile-curate doctor`` can explain a broken installation.
"""

__version__ = "0.1.0"
