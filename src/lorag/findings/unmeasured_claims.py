"""The claims that need a series of trainings or a measure of their own, with what would decide them."""

from collections.abc import Mapping

UNMEASURED: Mapping[str, tuple[str, str]] = {
    "S2": (
        "it needs an adapter for each number of phrasings, and one comparison has one adapter",
        "lorag retrain --adapter tuned and lorag compare with 0, 1, 5 and 10 phrasings a question "
        "in knowledge.questions",
    ),
    "S5": (
        "it needs adapters on growing numbers of facts, at more than one rank",
        "lorag retrain --adapter tuned and lorag compare with more and more questions in knowledge.questions, "
        "at several values of training.tuned.rank",
    ),
    "S6": (
        "it needs adapters after growing numbers of epochs, with and without replay",
        "lorag retrain --adapter tuned and lorag compare at several values of training.tuned.epochs, "
        "training.tuned.patience_epochs and training_set.general_share; `controls` shows what is kept",
    ),
}
"""The reason why each claim is open, and the commands that measure it."""
