"""The stages of the pipeline that a strategy needs before it can answer, from the dependencies in dvc.yaml."""

from collections.abc import Iterable, Mapping
from typing import Any

from lorag.strategies import Strategy

_INDEX = "artifacts/embeddings.safetensors"
_ADAPTER = "artifacts/adapters/{}"


def count_stages(pipeline: Mapping[str, Any]) -> dict[Strategy, int]:
    """Count the stages for each strategy; `pipeline` is the content of dvc.yaml.

    Stages that only measure or check are not needed, so they are not counted.
    """
    return {strategy: len(_needed(pipeline, strategy)) for strategy in Strategy}


def _needed(pipeline: Mapping[str, Any], strategy: Strategy) -> set[str]:
    open_paths = [_INDEX] if strategy.profile.reads else []
    open_paths += [_ADAPTER.format(strategy.profile.adapter)] if strategy.profile.adapter else []
    needed: set[str] = set()
    while open_paths:
        path = open_paths.pop()
        for name, stage in pipeline["stages"].items():
            if path in _paths(stage.get("outs", ()), strategy) and name not in needed:
                needed.add(name)
                open_paths += _paths(stage.get("deps", ()), strategy)
    return needed


def _paths(entries: Iterable[Any], strategy: Strategy) -> list[str]:
    named = (entry if isinstance(entry, str) else next(iter(entry)) for entry in entries)
    return [path.replace("${item.adapter}", strategy) for path in named]
