"""The upgrade of a workspace that an earlier version made."""

import copy
import io
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lorag.counted import counted
from lorag.errors import ParamsError
from lorag.integrations.dvc.dvc_repo import config_after_a_move
from lorag.integrations.mlflow.moved import move_artifacts
from lorag.params_file import parse_params, parse_yaml, read_params_text, value_at
from lorag.releases.durable import replace_durably, writer_lock
from lorag.releases.record import NewerFormat
from lorag.releases.shelf import ReleaseShelf
from lorag.renamed import CHANGED_DEFAULTS, MOVED_KEYS, RENAMED_VALUES
from lorag.use_cases.change_params import keeping_comments
from lorag.use_cases.init_workspace import template
from lorag.workspace import Workspace

_OUR_COMMAND = "python -m lorag.stages "


@dataclass(frozen=True, slots=True)
class Change:
    """A change to a file: its description, and the function that makes it."""

    file: str
    said: tuple[str, ...]
    apply: Callable[[], object]


def upgrade_workspace(workspace: Workspace) -> list[Change]:
    """Make the changes that the workspace needs, and return them; none if it is up to date.

    Settings keep their values, but for earlier defaults of settings that mean something else now. Stages that are not
    lorag's stay, and what is served is not touched: the next refresh runs what became stale. All changes are computed
    before anything is written, and each file is replaced as a whole.
    After a killed run, the next one completes the upgrade. Raises IntegrityFailed for a workspace of a newer version,
    ParamsError for settings that cannot be read, and Busy while a writer runs.
    """
    with writer_lock(workspace.lock_file):
        for error in ReleaseShelf(workspace.state).damaged():
            if isinstance(error, NewerFormat):
                raise error
        changes = [
            *_upgrade_params(workspace),
            *_upgrade_stages(workspace),
            *_upgrade_remote(workspace),
            *_upgrade_runs(workspace),
        ]
        for change in changes:
            change.apply()
    return changes


def _upgrade_params(workspace: Workspace) -> list[Change]:
    before = read_params_text(workspace.params_file)
    if not isinstance(parse_yaml(before, workspace.params_file.name), dict):
        raise ParamsError("expected sections with values", where=workspace.params_file.name, do="restore the file")
    yaml = keeping_comments()
    tree, packaged = yaml.load(before), yaml.load(template("params.yaml").read_text(encoding="utf-8"))
    moved = _take_moved(tree)
    said = [
        *_rename_values(tree, packaged),
        *_follow_defaults(tree, packaged),
        *_drop_dead_keys(tree, packaged),
        *_add_new_keys(tree, packaged),
        *_put_moved(moved, tree),
    ]
    after = _dump(tree) if said else before
    parse_params(after, where=workspace.params_file.name)
    return [_replace(workspace.params_file, after, said)] if said else []


def _rename_values(tree: Any, packaged: Any) -> list[str]:
    said = []
    for (*sections, key), names in RENAMED_VALUES.items():
        section, as_packaged = tree, packaged
        for part in sections:
            section = section.get(part, {}) if isinstance(section, dict) else {}
            as_packaged = as_packaged[part]
        old = section.get(key) if isinstance(section, dict) else None
        if isinstance(old, str) and old in names:
            section[key] = names[old]
            _take_comment(key, section, as_packaged)
            said.append(f"{'.'.join([*sections, key])}: `{old}` is called `{names[old]}` now")
    return said


def _follow_defaults(tree: Any, packaged: Any) -> list[str]:
    """Replace earlier defaults of keys that mean something else now, as the comment beside them shows."""
    said = []
    for (*sections, key), earlier in CHANGED_DEFAULTS.items():
        section, as_packaged = tree, packaged
        for part in sections:
            section = section.get(part, {}) if isinstance(section, dict) else {}
            as_packaged = as_packaged[part]
        value = section.get(key) if isinstance(section, dict) else None
        if value not in earlier or _comment_of(section, key) == _comment_of(as_packaged, key):
            continue
        section[key] = as_packaged[key]
        _take_comment(key, section, as_packaged)
        said.append(
            f"{'.'.join([*sections, key])}: {_plain(value)} was the default and means something else now, so it is "
            f"{_plain(as_packaged[key])}; set it again to keep it"
        )
    return said


def _comment_of(section: Any, key: str) -> str:
    comments = section.ca.items.get(key) or ()
    return " ".join(token.value.strip() for token in comments if token is not None and hasattr(token, "value"))


def _take_moved(tree: Any) -> dict[tuple[str, ...], Any]:
    """Remove the keys that are called otherwise now, and return their values."""
    found = {path: value for path in MOVED_KEYS if (value := value_at(tree, path)) is not None}
    for *sections, key in found:
        del value_at(tree, sections)[key]
    return found


def _put_moved(moved: Mapping[tuple[str, ...], Any], tree: Any) -> list[str]:
    """Write the values to the keys that have them now, which are there."""
    said = []
    for path, value in moved.items():
        for *sections, key in MOVED_KEYS[path]:
            value_at(tree, sections)[key] = value
        places = " and ".join(".".join(place) for place in MOVED_KEYS[path])
        said.append(f"{'.'.join(path)}: its value {_plain(value)} is that of {places} now")
    return said


def _drop_dead_keys(tree: Any, packaged: Any, path: str = "") -> list[str]:
    said = []
    for key in list(tree):
        if key not in packaged:
            said.append(f"{path}{key}: removed, nothing reads it any more; it was {_plain(tree[key])}")
            del tree[key]
        elif isinstance(tree[key], dict) and isinstance(packaged[key], dict):
            said += _drop_dead_keys(tree[key], packaged[key], f"{path}{key}.")
    return said


def _add_new_keys(tree: Any, packaged: Any, path: str = "") -> list[str]:
    said = []
    for at, key in enumerate(packaged):
        if key not in tree:
            # Inserted with its comment at the position that it has in the packaged file.
            tree.insert(min(at, len(tree)), key, copy.deepcopy(packaged[key]))
            _take_comment(key, tree, packaged)
            said.append(f"{path}{key}: new, {_plain(packaged[key])}")
        elif isinstance(tree[key], dict) and isinstance(packaged[key], dict):
            said += _add_new_keys(tree[key], packaged[key], f"{path}{key}.")
    return said


def _take_comment(key: str, section: Any, packaged: Any) -> None:
    if key in packaged.ca.items:
        section.ca.items[key] = copy.deepcopy(packaged.ca.items[key])


def _upgrade_stages(workspace: Workspace) -> list[Change]:
    path = workspace.root / "dvc.yaml"
    text, packaged_text = path.read_text(encoding="utf-8"), template("dvc.yaml").read_text(encoding="utf-8")
    before, packaged = parse_yaml(text, path.name), parse_yaml(packaged_text, path.name)
    if not isinstance(before, dict) or not isinstance(before.get("stages"), dict):
        raise ParamsError("expected stages", where=path.name, do="restore the file from git")
    stages = before["stages"]
    own = [name for name, stage in stages.items() if name not in packaged["stages"] and not _is_ours(stage)]
    said = [f"stage {name}: new" for name in packaged["stages"] if name not in stages]
    said += [f"stage {name}: as packaged now" for name, s in packaged["stages"].items() if stages.get(name, s) != s]
    said += [f"stage {name}: removed" for name in stages if name not in packaged["stages"] and name not in own]
    yaml = keeping_comments()
    theirs, tree = yaml.load(text), yaml.load(packaged_text)
    sections = [name for name in (*packaged, *before) if name != "stages"]
    for name in dict.fromkeys(sections):
        given = _named(before.get(name))
        said += [
            f"{name}, {entry}: {'as packaged now' if entry in given else 'new'}"
            for entry, value in _named(packaged.get(name)).items()
            if given.get(entry) != value
        ]
    if not said:
        return []
    own_entries = {name: _own_entries(theirs.get(name), packaged.get(name)) for name in sections}
    if not own and not any(own_entries.values()):
        return [_replace(path, packaged_text, said)]
    for name in own:
        tree["stages"][name] = theirs["stages"][name]
    for name, entries in own_entries.items():
        if name not in tree:
            tree[name] = theirs[name]
        elif isinstance(tree[name], list):
            tree[name] += entries
        else:
            tree[name].update({entry: theirs[name][entry] for entry in entries})
    return [_replace(path, _dump(tree), said)]


def _named(section: Any) -> dict[str, Any]:
    """Return the entries of a section by name: artifacts are a mapping, plots a list of single mappings or paths."""
    if isinstance(section, dict):
        return section
    named = [entry if isinstance(entry, dict) else {str(entry): None} for entry in section or ()]
    return {name: value for entry in named for name, value in entry.items()}


def _own_entries(theirs: Any, packaged: Any) -> list[Any]:
    """Return what the user added: the names of a mapping, or the entries of a list."""
    ours = _named(packaged)
    return [entry for entry in theirs or () if not _named([entry]).keys() <= ours.keys()]


def _is_ours(stage: Any) -> bool:
    command = stage.get("cmd") or stage.get("do", {}).get("cmd") if isinstance(stage, dict) else None
    return isinstance(command, str) and command.startswith(_OUR_COMMAND)


def _upgrade_remote(workspace: Workspace) -> list[Change]:
    moved = config_after_a_move(workspace.root)
    if moved is None:
        return []
    old, text = moved
    said = [f"the remote `workspace` lies in {workspace.root} now, not in {old}"]
    return [_replace(workspace.root / ".dvc" / "config", text, said)]


def _upgrade_runs(workspace: Workspace) -> list[Change]:
    database = workspace.state / "mlflow" / "mlflow.db"
    moved = move_artifacts(database, workspace.root, dry=True)
    said = [
        f"{counted(count, 'place of artifacts lies', 'places of artifacts lie')} in {workspace.root} now, not in {old}"
        for old, count in moved.items()
    ]
    name = str(database.relative_to(workspace.root))
    return [Change(name, tuple(said), lambda: move_artifacts(database, workspace.root))] if said else []


def _replace(path: Path, text: str, said: list[str]) -> Change:
    name = path.name if path.parent.name != ".dvc" else f".dvc/{path.name}"
    return Change(name, tuple(said), lambda: replace_durably(path, text))


def _dump(tree: Any) -> str:
    text = io.StringIO()
    keeping_comments().dump(tree, text)
    return text.getvalue()


def _plain(value: Any) -> str:
    if isinstance(value, Mapping):
        return f"a section of {counted(len(value), 'value')}"
    return json.dumps(value, default=str)
