"""The hard gate before training: no question that measures an adapter may be in its training data."""

from collections.abc import Collection, Iterable, Mapping

from lorag.errors import GateRefused
from lorag.questions.words import normalise
from lorag.tuning.pairs import Pair


def refuse_leakage(
    train: Iterable[Pair], kept_out: Collection[str], versions: Mapping[str, str], chunk_ids: Collection[str]
) -> None:
    """Raise GateRefused if a prompt ends with a wording of `kept_out`, or if a pair's material is not in the corpus.

    `kept_out` holds held-out phrasings and control questions; only their words are compared. `versions` maps the
    present documents to their versions. Not covered: a held-out question in other words.
    """
    wordings = {normalise(wording) for wording in kept_out} - {""}
    lengths = sorted({wording.count(" ") + 1 for wording in wordings})
    for pair in train:
        leaked = _kept_out_ending(pair, wordings, lengths)
        if leaked is not None:
            raise _leakage(f"a {pair.source} pair asks a question that is kept for measuring: {leaked!r}", pair)
        for document, version in pair.documents.items():
            if versions.get(document) != version:
                raise _leakage(f"a {pair.source} pair uses a document that is not in the corpus: {document}", pair)
        for chunk in pair.chunk_ids:
            if chunk not in chunk_ids:
                raise _leakage(f"a {pair.source} pair uses a chunk that is not in the corpus: {chunk}", pair)


def _kept_out_ending(pair: Pair, wordings: Collection[str], lengths: Iterable[int]) -> str | None:
    if not pair.messages:
        return None
    # Every prompt ends with its question, whatever comes before it.
    words = normalise(pair.messages[-1].content).split()
    endings = (" ".join(words[-length:]) for length in lengths if length <= len(words))
    return next((ending for ending in endings if ending in wordings), None)


def _leakage(what: str, pair: Pair) -> GateRefused:
    return GateRefused(f"leakage: {what}", where=f"pair {pair.id[:12]}", do="remove it from the training data")
