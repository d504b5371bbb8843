"""The card of a release: one page of sections, as Markdown or for the page of the service."""

from collections.abc import Iterable, Mapping, Sequence

from lorag.costs.ledger import LedgerEntry
from lorag.counted import counted
from lorag.evaluation.bootstrap import Estimate
from lorag.evaluation.comparison import SUMMARISED
from lorag.evaluation.rule_error import RULE_ERROR
from lorag.findings.evidence import Measurement
from lorag.findings.release_card import ReleaseCard
from lorag.reports.comparison_markdown import SHARES
from lorag.reports.markdown import markdown_page
from lorag.reports.page import Section, Table

NOT_MEASURED = "not measured"

_NAMED = 20


def card_markdown(card: ReleaseCard) -> str:
    """Return the whole card as Markdown."""
    return markdown_page(f"Release {card.release.id}", [], card_sections(card))


def card_sections(card: ReleaseCard) -> list[Section]:
    """Return the sections of the card; what is not recorded says so."""
    return [
        _release(card),
        _documents(card),
        _quality(card),
        _walk(card),
        _costs(card),
        _strategies(card),
        _readers(card),
        Section("Digests", (), (), [Table(["of", "sha256"], [[n, d or "none"] for n, d in card.digests.items()])]),
    ]


def _release(card: ReleaseCard) -> Section:
    release = card.release
    state = "It is served now." if card.is_served else "It is not the one that is served now."
    size = f"{counted(len(release.documents), 'document')}, {counted(release.n_chunks, 'chunk')}"
    return Section("Release", [f"Made at {release.created_utc}: {size}, in {release.index.store}. {state}"])


def _documents(card: ReleaseCard) -> Section:
    title = "What changed"
    if card.changes is None:
        return Section(title, ["Not known: no release before it is retained."])
    if card.changes.is_empty:
        return Section(title, [f"No document, since release {card.before}."])
    renamed = [f"{old} -> {new}" for old, new in card.changes.renamed]
    lists = {"added": card.changes.added, "changed": card.changes.changed, "removed": card.changes.removed}
    rows = [[what, f"{len(names):,}", _first(names)] for what, names in (lists | {"renamed": renamed}).items() if names]
    return Section(title, [f"Since release {card.before}."], (), [Table(["documents", "", ""], rows)])


def _quality(card: ReleaseCard) -> Section:
    title, recall = "Quality", card.release.recall_at_10
    said = [f"recall@10 on the golden questions, as the gate measured it: {_number(recall)}."]
    if card.quality is None:
        return Section(title, [*said, f"Answers: {NOT_MEASURED}; `lorag compare` measures them."])
    quality = card.quality
    if quality.confidence is None:
        said.append("Intervals are kept of the last comparison only.")
    else:
        said.append(f"In brackets the {quality.confidence:.0%} interval.")
    if quality.limit is not None:
        said.append(f"At most {quality.limit} questions were asked.")
    said.append(RULE_ERROR.line())
    known = {name: {one.of: one for one in found} for name, found in quality.strategies.items()}
    names = [name for name in SUMMARISED if any(name in found for found in known.values())]
    rows = [[strategy, *(_figure(found.get(name)) for name in names)] for strategy, found in known.items()]
    return Section(title, said, (), [Table(["", *(SHARES.get(name, name) for name in names)], rows)])


def _walk(card: ReleaseCard) -> Section:
    title = "Stale, leaked, forgotten"
    if card.step is None:
        return Section(title, [f"{NOT_MEASURED.capitalize()}; `lorag timeline` measures it over versions."])
    said = (
        "Stale: of changed facts, answered as before. Leaked: of removed facts, still answered. Forgotten: of "
        "unchanged facts that were right before, wrong now. Embedding lag: from the change to the release."
    )
    names = ("stale", "removed_leaked", "forgotten")
    rows = [
        [
            row.name,
            row.moment.value,
            *(_estimate(row.figures.get(name)) for name in names),
            _seconds(row.fresh.published_s),
            _seconds(row.fresh.time_to_fresh_s),
        ]
        for row in card.step.rows
    ]
    columns = ["", "asked when", "stale", "leaked", "forgotten", "embedding lag", "time to fresh"]
    return Section(title, [said], (), [Table(columns, rows)])


def _costs(card: ReleaseCard) -> Section:
    title = "Costs"
    if card.no_ledger:
        return Section(title, [f"The ledger could not be read: {card.no_ledger}"])
    if not card.updates and not card.answered:
        return Section(title, [f"{NOT_MEASURED.capitalize()}."])
    rows = [_cost_row(entry) for entry in [*card.updates, *card.answered]]
    columns = ["", "", "s", "CPU s", "tokens", "Wh", "money"]
    said = [] if card.updates else [f"The update: {NOT_MEASURED}."]
    return Section(title, said, (), [Table(columns, rows)])


def _cost_row(entry: LedgerEntry) -> list[str]:
    use = entry.cost.use
    words = [
        entry.kind.value,
        entry.strategy,
        f"of {counted(entry.n_queries, 'question')}" if entry.n_queries else None,
    ]
    how = entry.source or " ".join(filter(None, [entry.extent, entry.outcome]))
    numbers = [f"{use.wall_s:.1f}", f"{use.cpu_s:.1f}", f"{use.tokens:,}", f"{1000 * use.kwh:.2f}"]
    return [" ".join(filter(None, words)), how, *numbers, f"{entry.cost.money:.5f} {entry.cost.currency}"]


def _strategies(card: ReleaseCard) -> Section:
    rows = [
        [kind.value, entry.id, entry.coverage.line() if entry.coverage else NOT_MEASURED]
        for kind, entry in card.release.adapters.items()
    ]
    tables = [Table(["adapter", "id", "coverage of its training"], rows)] if rows else []
    if card.settings:
        settings = [[name, "none" if value is None else str(value)] for name, value in card.settings.items()]
        tables.append(Table(["setting", "value"], settings, f"params.yaml at commit {card.release.git_commit}"))
    said = [f"It can answer by {', '.join(card.strategies)}."]
    said += [] if card.settings else ["Settings and policy of retraining: not recorded."]
    if card.verdicts:
        said.append(f"Readers marked answers: {', '.join(f'{n} {name}' for name, n in card.verdicts.items())}.")
    return Section("Strategies and policy", said, (), tables)


def _readers(card: ReleaseCard) -> Section:
    rows = [
        [reader.name, _filter(reader.where), f"{reader.n_documents:,} of {len(card.release.documents):,}"]
        for reader in card.readers
    ]
    said = ["What is not a key's to read is not there for it; documents that were closed since are closed here too."]
    return Section("Who may read", said, (), [Table(["key", "reads", "documents"], rows)])


def _filter(where: Mapping[str, str]) -> str:
    return ", ".join(f"{key}={value}" for key, value in where.items()) or "everything"


def _first(names: Sequence[str]) -> str:
    more = [f"{len(names) - _NAMED:,} more"] if len(names) > _NAMED else []
    return ", ".join([*names[:_NAMED], *more])


def _figure(found: Measurement | None) -> str:
    if found is None:
        return NOT_MEASURED
    return _spanned(found.value, None if found.low is None or found.high is None else (found.low, found.high))


def _estimate(found: Estimate | None) -> str:
    return NOT_MEASURED if found is None else _spanned(found.value, (found.low, found.high))


def _spanned(value: float, span: Iterable[float] | None) -> str:
    return f"{value:.2f}" + (f" [{', '.join(f'{end:.2f}' for end in span)}]" if span else "")


def _number(value: float | None) -> str:
    return NOT_MEASURED if value is None else f"{value:.3f}"


def _seconds(value: float | None) -> str:
    return NOT_MEASURED if value is None else f"{value:.0f} s"
