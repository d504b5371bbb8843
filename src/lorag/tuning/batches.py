"""The plan of training steps: batches of pairs of similar length, in an order that depends on the seed only."""

import random
from collections.abc import Sequence

from lorag.params import TrainingParams
from lorag.retrieval.embed import plan_batches

Step = list[list[int]]
"""The batches of one optimiser step, each a list of positions in the training set."""


def plan_epoch(lengths: Sequence[int], params: TrainingParams, epoch: int, *, world_size: int = 1) -> list[Step]:
    """Plan the steps of an epoch: every position once, `gradient_accumulation * world_size` batches a step.

    A batch, padded to its longest pair, has at most `batch_tokens` tokens; a longer pair is a batch of its own. Pairs
    of equal length are grouped differently in each epoch. The last step may have fewer batches.
    """
    chance = random.Random(f"{params.seed} {epoch}")
    order = list(range(len(lengths)))
    chance.shuffle(order)
    batches = [
        [order[at] for at in batch] for batch in plan_batches([lengths[at] for at in order], params.batch_tokens)
    ]
    chance.shuffle(batches)
    size = params.gradient_accumulation * world_size
    return [batches[first : first + size] for first in range(0, len(batches), size)]
