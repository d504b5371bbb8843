"""The erasure of one document: `lorag forget` takes it out of answers at once, then out of every store."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from typing import Any

from lorag.errors import Busy
from lorag.failpoints import reach
from lorag.integrations.dvc.objects import names_of_copies, object_folders
from lorag.params import Params, StoreKind
from lorag.releases.audit import Action, note_action
from lorag.releases.durable import write_json_durably, writer_lock
from lorag.releases.forgotten import forget, read_forgotten
from lorag.releases.shelf import ReleaseShelf
from lorag.strategies import AdapterKind
from lorag.use_cases.operate.backups import backups_with_forgotten, drop_expired
from lorag.use_cases.operate.forget_stores import Found, Purge
from lorag.use_cases.operate.sought import Sought, count_citing, is_in_source, refuse_pattern, seek
from lorag.use_cases.operate.withdraw import Withdrawal, plan_withdrawal, withdraw
from lorag.use_cases.refresh.snapshot_source import COPIED_FILE, refuse_overlaps
from lorag.use_cases.refresh.steps import commit_versions
from lorag.workspace import Workspace

LIMITS = (
    "copies elsewhere, and what people remember or wrote down",
    "what a disk keeps of deleted files",
    "what the base model had read before it came here",
)
"""What no command of lorag can reach."""


@dataclass(frozen=True, slots=True)
class Receipt:
    """What was found of a document and removed; what would be, if it is not `done`.

    `release` is the one in service then. `retrain` are the kinds of adapters that left service, `taken_over` those of
    them for which an older adapter answers that never saw the document. `limits` says what is left, or may be.
    """

    document: str
    at_utc: str
    done: bool
    release: str | None
    dropped_releases: tuple[str, ...]
    retrain: tuple[AdapterKind, ...]
    taken_over: tuple[AdapterKind, ...]
    stores: tuple[Found, ...]
    limits: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Return the object that `lorag forget --json` prints."""
        return asdict(self)


def plan_forget(document: str, workspace: Workspace, params: Params, environment: Mapping[str, str]) -> Receipt:
    """Return where a document is, as a receipt of what `forget_document` would do; nothing is changed.

    Raises ParamsError for what is no name of one document, and NotThere for a document that is nowhere here.
    """
    _refuse(document, workspace, params)
    known = read_forgotten(workspace.state)
    sought = seek(document, workspace, params, environment, known)
    out = known.adding(sought.remains.names, sought.contents)
    planned = plan_withdrawal(workspace, params, environment, out)
    purge = Purge(workspace, params, environment, sought.remains, out, [*planned.adapters.values()], dry=True)
    stores = [_index(planned, planned.n_chunks), *purge.run()]
    return _receipt(sought, planned, stores, workspace, params, done=False)


def forget_document(document: str, workspace: Workspace, params: Params, environment: Mapping[str, str]) -> Receipt:
    """Erase a document: from this moment no answer uses it, and in the end no store of the workspace holds it.

    First it gets into the ledger, which every reader looks at. Then, under the writer lock, a release without it takes
    the place of all others, and every store is purged. A run that was killed is continued by the next one; a run on a
    document that is gone changes nothing. Raises what `plan_forget` raises, and Busy while another writer runs: no
    answer uses the document then, and the command is to be repeated.
    """
    _refuse(document, workspace, params)
    reach("forget.before")
    _deny(document, workspace)
    sheet = workspace.forgetting_file
    known = read_forgotten(workspace.state)
    sought = seek(document, workspace, params, environment, known).continuing(sheet)
    if not sought.is_anywhere and not sheet.exists():
        nothing = Withdrawal(ReleaseShelf(workspace.state).used_id(), 0, (), {}, ())
        return _receipt(sought, nothing, [], workspace, params, done=True)
    out = known.adding(sought.remains.names, sought.contents)
    planned = plan_withdrawal(workspace, params, environment, out)
    forget(workspace.state, sought.remains.names, sought.contents, planned.adapters)
    note_action(workspace.state, Action.FORGET)
    reach("forget.denied")
    with _only_writer(workspace):
        sought, planned = _withdraw(sought, workspace, params, environment)
        out = read_forgotten(workspace.state)
        purge = Purge(workspace, params, environment, sought.remains, out, sought.adapters, dry=False)
        stores = [_index(planned, sought.n_chunks), *purge.run()]
        commit_versions(workspace, params, "Forget a document")
        reach("forget.purged")
        drop_expired(workspace)
        receipt = _receipt(sought, planned, stores, workspace, params, done=True)
        path = workspace.receipts / f"{receipt.at_utc.replace(':', '')}.json"
        write_json_durably(path, receipt.to_json())
        sheet.unlink()
    return receipt


def remembered(workspace: Workspace) -> list[str]:
    """Return the documents in the ledger that the workspace still has, as one does that was restored; sorted."""
    known = read_forgotten(workspace.state)
    names: set[str] = set()
    for release in ReleaseShelf(workspace.state).releases():
        names |= known.covered(release.documents)
        taught = [entry.documents for entry in release.adapters.values()]
        names |= {name for documents in taught for name, version in documents.items() if known.covers(name, version)}
    for folder in object_folders(workspace.root, "cache"):
        copies = names_of_copies(folder.path, COPIED_FILE) if folder.path is not None else {}
        names |= {name for name in copies if known.names(name)}
    return sorted(names)


def _refuse(document: str, workspace: Workspace, params: Params) -> None:
    """Raise ParamsError for what is no name of one document, and if the copy of the source may be the user's own."""
    refuse_pattern(document)
    refuse_overlaps(workspace, params.knowledge)


def _deny(document: str, workspace: Workspace) -> None:
    """Take a document that is in service out of answers before anything is looked for."""
    release = ReleaseShelf(workspace.state).in_use()
    if release is not None and document in release.documents:
        forget(workspace.state, [document], [release.documents[document].version])


@contextmanager
def _only_writer(workspace: Workspace) -> Iterator[None]:
    try:
        with writer_lock(workspace.lock_file):
            yield
    except Busy as error:
        raise Busy(
            "another writer runs; no answer uses the document any more, but it is not erased yet",
            where=error.where,
            do="run this again once that ended",
        ) from error


def _withdraw(
    sought: Sought, workspace: Workspace, params: Params, environment: Mapping[str, str]
) -> tuple[Sought, Withdrawal]:
    """Replace all releases, unless an earlier run did; what is looked for is kept until the end."""
    sheet, out = workspace.forgetting_file, read_forgotten(workspace.state)
    sought = sought.continuing(sheet)
    planned = plan_withdrawal(workspace, params, environment, out)
    sought = replace(
        sought,
        adapters=sought.adapters | frozenset(planned.adapters.values()),
        n_chunks=max(sought.n_chunks, planned.n_chunks),
    )
    sought.write(sheet)
    if sought.release is None or sought.release != planned.release:
        planned = withdraw(workspace, params, environment, out)
        sought = replace(sought, release=planned.release)
        sought.write(sheet)
    return sought, planned


def _index(planned: Withdrawal, n_chunks: int) -> Found:
    return Found("index", planned.release or "nothing is served", "chunks", n_chunks)


def _receipt(
    sought: Sought,
    planned: Withdrawal,
    stores: Sequence[Found],
    workspace: Workspace,
    params: Params,
    *,
    done: bool,
) -> Receipt:
    in_use = ReleaseShelf(workspace.state).in_use()
    missing = read_forgotten(workspace.state).left_service() - (in_use.adapters.keys() if in_use else set())
    left = [kind for kind in params.tuning.adapters if kind in planned.adapters or kind in missing]
    return Receipt(
        document=sought.document,
        at_utc=datetime.now(UTC).isoformat(timespec="seconds"),
        done=done,
        release=planned.release,
        dropped_releases=planned.dropped,
        retrain=tuple(left),
        taken_over=planned.taken_over,
        stores=tuple(stores),
        limits=tuple(_limits(sought, workspace, params)),
    )


def _limits(sought: Sought, workspace: Workspace, params: Params) -> Iterator[str]:
    names = sorted(sought.remains.names)
    if is_in_source(names, workspace, params):
        yield f"the source still has {' and '.join(names)}: lorag reads it no more, and deletes nothing there"
    if n := count_citing(names, workspace, params):
        questions = params.knowledge.questions_origin or params.knowledge.questions
        yield f"questions in {questions} that cite it: {n}; they stay in your file, and are not trained on"
    for backup in backups_with_forgotten(workspace):
        yield f"the backup {backup.archive} may hold it; lorag deletes it after {backup.ends_utc}"
    yield "backups that were moved, until you delete them"
    if params.index.store is StoreKind.WEAVIATE:
        yield "backups and snapshots of the Weaviate server; lorag makes none"
    yield from LIMITS
