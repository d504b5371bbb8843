"""Files in folders that no refresh has read before: with `knowledge.approve_new_sources` they wait for a person."""

from collections.abc import Collection
from dataclasses import replace
from pathlib import PurePosixPath

from lorag.errors import ParamsError
from lorag.integrations.parsing.source_folder import SourceListing
from lorag.knowledge.documents import Reason, Rejected
from lorag.knowledge.source_report import folder_of


def hold_back(
    listing: SourceListing, copied: Collection[str] | None, approve: Collection[str] = ()
) -> tuple[SourceListing, list[Rejected]]:
    """Return the listing without the files of new folders, and these files as pending.

    A folder is new if no file of it is among those that were `copied` before; nothing is new if that is None, as at the
    first refresh. Folders in `approve` are let in, with all below them. Raises ParamsError if nothing waits in one.
    """
    seen = {folder_of(name) for name in copied or ()}
    folders = {folder_of(file.id) for file in listing.files} - seen if copied is not None else set()
    approved = {folder for folder in folders if any(_lies_in(folder, one) for one in approve)}
    for one in approve:
        if not any(_lies_in(folder, one) for folder in folders):
            waiting = ", ".join(sorted(folders)[:3]) or "none"
            raise ParamsError(f"nothing waits in {one!r}", where="--approve", do=f"folders that wait: {waiting}")
    held = folders - approved
    kept = tuple(file for file in listing.files if folder_of(file.id) not in held)
    pending = [Rejected(file.id, Reason.PENDING) for file in listing.files if folder_of(file.id) in held]
    return replace(listing, files=kept), pending


def _lies_in(folder: str, other: str) -> bool:
    below = PurePosixPath(other)
    # All lies below the source itself: its name stands for the files in it alone.
    return folder == "." if below == PurePosixPath() else PurePosixPath(folder).is_relative_to(below)
