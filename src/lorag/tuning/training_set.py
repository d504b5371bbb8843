"""The training set of one adapter, assembled from the pairs of all sources."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from lorag.counted import counted
from lorag.digests import digest_of
from lorag.errors import InputRejected
from lorag.params import TrainingSetParams
from lorag.questions.facts import NO_ANSWER, Fact, RefusedReason, RefusedRow, fact_digests
from lorag.tuning.pairs import Pair, PairSource
from lorag.tuning.prompting import Ask
from lorag.tuning.replay import general_pairs


@dataclass(frozen=True, slots=True)
class PairTokens:
    """The tokens of a pair: all of them, and those of its answer."""

    total: int
    answer: int


CountPair = Callable[[Pair], PairTokens]
"""A function that counts with the tokenizer of the model to be trained."""


@dataclass(frozen=True, slots=True)
class Seen:
    """The knowledge of the adapter that training continues: digests of facts and versions of documents, by id."""

    facts: Mapping[str, str]
    documents: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class TrainingSet:
    """The pairs to train on, the pairs that decide when to stop, and the rows that were left out of both."""

    train: tuple[Pair, ...]
    validation: tuple[Pair, ...]
    refused: tuple[RefusedRow, ...]

    @property
    def counts(self) -> dict[str, int]:
        """The number of training pairs by source, sorted by name."""
        return dict(sorted(Counter(pair.source.value for pair in self.train).items()))


def assemble_training_set(
    made: Sequence[Pair],
    validation: Sequence[Pair],
    refused: Sequence[RefusedRow],
    facts: Iterable[Fact],
    *,
    seen: Seen | None,
    ask: Ask,
    count: CountPair,
    params: TrainingSetParams,
) -> TrainingSet:
    """Drop pairs that are too long or repeated, keep a share of those seen, add general pairs, and order all by hash.

    Raises InputRejected if fewer than `min_pairs` are left; general pairs are not counted.
    """
    fitting, too_long = _fitting(made, count, params)
    pairs = list({(pair.messages, pair.answer): pair for pair in reversed(fitting)}.values())
    if seen is not None:
        pairs = _thin_out(pairs, fact_digests(fact.question for fact in facts), seen, params)
    if len(pairs) < params.min_pairs:
        raise InputRejected(
            f"{counted(len(pairs), 'training pair')}, at least {params.min_pairs} are needed",
            where="training_set",
            do="add questions (`lorag questions draft` offers some) or sources, or lower training_set.min_pairs; "
            "the served adapter stays",
        )
    n_general = round(len(pairs) * params.general_share / (1 - params.general_share))
    general, _ = _fitting(general_pairs(n_general, ask, seed=params.seed), count, params)
    kept_validation, long_validation = _fitting(validation, count, params)
    return TrainingSet(
        _order([*pairs, *general], params.seed),
        _order(kept_validation, params.seed),
        (*refused, *too_long, *long_validation),
    )


def _fitting(pairs: Sequence[Pair], count: CountPair, params: TrainingSetParams) -> tuple[list[Pair], list[RefusedRow]]:
    fitting, refused = [], []
    for pair in pairs:
        tokens = count(pair)
        # Plain text is all answer, so only the limit on the whole pair applies.
        most = params.max_answer_tokens if pair.messages else params.max_pair_tokens
        if tokens.answer > most:
            detail = f"answer of {tokens.answer} tokens, {most} allowed"
        elif tokens.total > params.max_pair_tokens:
            detail = f"{tokens.total} tokens, {params.max_pair_tokens} allowed"
        else:
            fitting.append(pair)
            continue
        refused.append(RefusedRow(pair.fact_id or pair.id[:12], RefusedReason.TOO_LONG, f"{pair.source}: {detail}"))
    return fitting, refused


def _thin_out(pairs: Sequence[Pair], facts: Mapping[str, str], seen: Seen, params: TrainingSetParams) -> list[Pair]:
    old: list[Pair] = []
    new: list[Pair] = []
    for pair in pairs:
        (old if _was_seen(pair, facts, seen) else new).append(pair)
    by_fact: dict[tuple[bool, str], list[Pair]] = defaultdict(list)
    for pair in _order(old, params.seed):
        by_fact[_is_unanswerable(pair), pair.fact_id or pair.id].append(pair)
    # One wording of each fact before a second of any, so that as many facts as possible are seen again.
    ranked = [(rank, pair) for own in by_fact.values() for rank, pair in enumerate(own)]
    ranked.sort(key=lambda each: (each[0], digest_of([params.seed, "older", each[1].id])))
    kept = ranked[: round(params.older_share * len(ranked))]
    return new + [replace(pair, source=PairSource.OLDER) for _, pair in kept]


def _was_seen(pair: Pair, facts: Mapping[str, str], seen: Seen) -> bool:
    if pair.fact_id is not None:
        # An unanswerable question may have the id of a fact.
        wanted = NO_ANSWER if _is_unanswerable(pair) else facts.get(pair.fact_id, "")
        return seen.facts.get(pair.fact_id) == wanted
    return bool(pair.documents) and all(seen.documents.get(name) == at for name, at in pair.documents.items())


def _is_unanswerable(pair: Pair) -> bool:
    return pair.source is PairSource.UNANSWERABLE


def _order(pairs: Iterable[Pair], seed: int) -> tuple[Pair, ...]:
    return tuple(sorted(pairs, key=lambda pair: digest_of([seed, pair.id])))
