"""Claims that take a series of trainings or a measure of their own, with what would decide them."""

from collections.abc import Mapping

UNMEASURED: Mapping[str, tuple[str, str]] = {
    "S2": (
        "it takes an adapter for each number of phrasings, and one comparison has one adapter",
        "lorag retrain --adapter tuned and lorag compare with 0, 1, 5 and 10 phrasings a question "
        "in knowledge.questions",
    ),
    "S5": (
        "it takes adapters on growing numbers of facts, at more than one rank",
        "lorag retrain --adapter tuned and lorag compare with more and more questions in knowledge.questions, "
        "at several values of training.tuned.rank",
    ),
    "S6": (
        "it takes adapters after growing numbers of epochs, with and without replay",
        "lorag retrain --adapter tuned and lorag compare at several values of training.tuned.epochs, "
        "training.tuned.patience_epochs and training_set.general_share; `controls` is what is kept",
    ),
}
"""By claim, why it is open, and what measures it."""
