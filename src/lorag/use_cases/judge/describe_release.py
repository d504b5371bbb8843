"""The card of a release, from what is recorded of it; nothing is measured for it."""

import logging
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from lorag.costs.ledger import SERVED, EntryKind, Ledger, LedgerEntry
from lorag.errors import LoragError, NothingServed, StoreFailed
from lorag.evaluation.timeline_records import TimelineStep
from lorag.findings.evidence import Measurement
from lorag.findings.release_card import Quality, Reader, ReleaseCard
from lorag.integrations.git_repo import read_at
from lorag.integrations.stores import open_store
from lorag.knowledge.changes import CorpusChanges, compare_versions
from lorag.params import Params
from lorag.params_file import flat_params, parse_yaml
from lorag.releases.durable import replace_durably
from lorag.releases.record import Release
from lorag.releases.shelf import ReleaseShelf
from lorag.reports.release_card import card_markdown
from lorag.strategies import AdapterKind, Strategy
from lorag.use_cases.judge.read_ledger import read_ledger
from lorag.use_cases.judge.read_reports import find_timeline, read_report
from lorag.use_cases.serve.access import EVERYTHING, Access, readable_documents, readable_in_both
from lorag.use_cases.serve.query_log import Verdict, read_candidates
from lorag.use_cases.serve.stored_keys import read_keys
from lorag.workspace import Workspace

logger = logging.getLogger(__name__)

SETTINGS = (
    "generation.model",
    "generation.engine",
    "generation.precision",
    "embedding.model",
    "search.retriever",
    "search.reranker",
    "schedules.refresh",
    "schedules.retrain",
    "advice.retrain_from_share",
)
"""The settings that a card shows."""


def describe_release(
    name: str | None, workspace: Workspace, params: Params, environment: Mapping[str, str]
) -> ReleaseCard:
    """Return the card of a retained release, by id or generation; without a name that of the served one.

    Raises NotThere for an unknown release, and NothingServed before the first.
    """
    shelf = ReleaseShelf(workspace.state)
    served = shelf.in_use()
    if served is None:
        raise NothingServed("nothing is served yet", do="run `lorag refresh`")
    release = served if name is None else shelf.as_of(name)
    before = next((each for each in shelf.releases() if each.generation < release.generation), None)
    ledger, no_ledger = _read_ledger(workspace, params, environment)
    return ReleaseCard(
        release=release,
        is_served=release.id == served.id,
        before=before.id if before else None,
        changes=_changes(before, release) if before else None,
        quality=_quality(release, ledger, workspace),
        step=_step(release, workspace),
        updates=tuple(_updates(release, ledger)),
        answered=tuple(e for e in ledger.entries if e.release == release.id and e.source == SERVED),
        no_ledger=no_ledger,
        verdicts=_verdicts(release, workspace),
        settings=_settings(release, workspace),
        readers=tuple(_readers(release, served, workspace, params, environment)),
    )


def write_card(workspace: Workspace, params: Params, environment: Mapping[str, str]) -> None:
    """Write the card of the served release as Markdown to `workspace.release_card`; a failure only gives a warning."""
    try:
        replace_durably(workspace.release_card, card_markdown(describe_release(None, workspace, params, environment)))
    except LoragError as error:
        logger.warning("the card of the release was not written: %s", error)


def _changes(before: Release, release: Release) -> CorpusChanges:
    versions = ({key: entry.version for key, entry in each.documents.items()} for each in (before, release))
    return compare_versions(*versions)


def _read_ledger(workspace: Workspace, params: Params, environment: Mapping[str, str]) -> tuple[Ledger, str | None]:
    try:
        return read_ledger(workspace, params, environment), None
    except StoreFailed as error:
        return Ledger(), str(error)


def _updates(release: Release, ledger: Ledger) -> Iterator[LedgerEntry]:
    """Yield the updates that made the release, each with the attempts before it."""
    retrains = (entry for kind in AdapterKind for entry in ledger.updates(EntryKind.RETRAIN, kind.strategy))
    for entry in (*ledger.updates(EntryKind.REFRESH, None), *retrains):
        if entry.release == release.id:
            yield entry


def _quality(release: Release, ledger: Ledger, workspace: Workspace) -> Quality | None:
    """Return the figures of the last comparison if it is of this release, else those that runs of it have."""
    last = read_report(workspace.last_comparison, dict)
    if last is not None and last.get("release") == release.id:
        strategies = {
            name: [Measurement(of, e["value"], e["low"], e["high"]) for of, e in found["quality"].items()]
            for name, found in last["strategies"].items()
        }
        return Quality(strategies, last["limit"], last["confidence"])
    found = {}
    for strategy in Strategy:
        asked = ledger.of(EntryKind.ANSWERS, strategy)
        newest = next((e for e in asked if e.release == release.id and e.quality and not e.is_look), None)
        if newest is not None and newest.quality:
            found[strategy.value] = [Measurement(of, value) for of, value in newest.quality.items()]
    return Quality(found) if found else None


def _step(release: Release, workspace: Workspace) -> TimelineStep | None:
    walk = find_timeline(workspace)
    return next((step for step in walk.steps if step.release == release.id), None) if walk else None


def _verdicts(release: Release, workspace: Workspace) -> dict[str, int]:
    said = [each.verdict for each in read_candidates(workspace.question_candidates_file) if each.release == release.id]
    counts = {verdict.value: said.count(verdict) for verdict in Verdict if verdict is not Verdict.DECLINED}
    return {name: n for name, n in counts.items() if n}


def _settings(release: Release, workspace: Workspace) -> dict[str, Any]:
    """Return the settings of params.yaml at the release's commit; empty if that is not there any more."""
    if release.git_commit is None:
        return {}
    try:
        text = read_at(workspace.root, release.git_commit, workspace.params_file.name)
        values = dict(flat_params(parse_yaml(text or "", workspace.params_file.name)))
    except LoragError:
        return {}
    return {name: values[name] for name in SETTINGS if name in values}


def _readers(
    release: Release, served: Release, workspace: Workspace, params: Params, environment: Mapping[str, str]
) -> Iterator[Reader]:
    keys: Sequence[Access] = [key.access for key in read_keys(workspace.resolve(params.service.keys_file))]
    yield from (Reader(each.name, {}, len(release.documents)) for each in [EVERYTHING, *keys] if each.reads_all)
    narrow = [each for each in keys if not each.reads_all]
    if not narrow:
        return
    store = open_store(params.index, workspace.state, environment)
    try:
        for each in narrow:
            both = readable_in_both(each, (release, store), (served, store))
            documents = readable_documents(each, release, store) if both is None else both
            yield Reader(each.name, dict(each.where), len(documents))
    finally:
        store.close()
