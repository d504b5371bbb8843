"""Fuzzing: what nobody would write, made from what somebody would."""

import io
import os
import random
import zipfile
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import pytest
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st

SEED = int(os.environ.get("LORAG_TEST_SEED") or 7)
"""The same cases at each run, unless another seed is given."""

CASES = pytest.mark.parametrize("cases", [50, pytest.param(2_000, marks=pytest.mark.full)])
"""For a test that takes the number of cases: few in `make test`, 2,000 in `make test-full`."""

NASTY = (
    *("", " ", "\n", "\0", "\t", "\ufeff", "\u202e", "\u200b", "\ud800", "\U0010ffff", "é" * 50, "a" * 5_000),
    *("0", "-1", "1e400", "9" * 400, "NaN", "null", "true", "[]", "{}", '""', "[" * 500, "{" * 500, "(" * 500),
    *("../../etc/passwd", "/dev/zero", "C:\\x", "%00", "' OR 1=1 --", "<script>", "]]>", "-->", "&x;", "\\", "`", '"'),
    *("*a", "&a", "!!int", "<<:", "---\n", "- ", ": ", "? ", "|", ">", "#", "%TAG ! x\n", "{{<", "<!--", "\\u0000"),
)
"""Pieces that parsers stumble over."""

Value = TypeVar("Value")


def fuzz(cases: int, values: st.SearchStrategy[Value], check: Callable[[Value], None]) -> None:
    """Call `check` with so many values of the strategy; the first that fails is made small and shown."""
    quiet = settings(max_examples=cases, deadline=None, database=None, suppress_health_check=list(HealthCheck))

    @seed(SEED)
    @quiet
    @given(values)
    def run(value: Value) -> None:
        check(value)

    run()
    print(f"seed {SEED}: {cases} cases")


def mutated(samples: Sequence[bytes]) -> st.SearchStrategy[bytes]:
    """One of the samples with a few changes: pieces cut, doubled, flipped, exchanged or replaced by what is nasty.

    Of a zip file mostly one entry is changed, because a changed archive is refused as a whole.
    """
    return st.tuples(st.sampled_from(samples), st.integers(0, 2**32)).map(lambda drawn: _changed(*drawn))


def mutated_text(sample: str) -> st.SearchStrategy[str]:
    """A text with a few changes; it may hold half a character, as a JSON text may."""
    return mutated([sample.encode()]).map(lambda data: data.decode("utf-8", "surrogateescape"))


def json_values(names: Sequence[str], texts: Sequence[str]) -> st.SearchStrategy[Any]:
    """JSON values, some of them with the names and texts that a reader knows."""
    text = st.one_of(st.sampled_from([*texts, *NASTY]), st.text(max_size=20))
    leaf = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), text)
    keys = st.one_of(st.sampled_from(list(names)), st.text(max_size=5))
    return st.recursive(leaf, lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(keys, inner)))


def _changed(sample: bytes, number: int) -> bytes:
    chance = random.Random(number)
    if sample.startswith(b"PK\x03\x04") and chance.random() < 0.8:
        return _changed_entry(sample, chance)
    return _changed_bytes(sample, chance)


def _changed_bytes(data: bytes, chance: random.Random) -> bytes:
    for _ in range(chance.choice([1, 1, 2, 4, 8])):
        start = chance.randrange(len(data) + 1)
        end = min(len(data), start + chance.choice([0, 1, 2, 8, 64, 1_000]))
        piece = data[start:end]
        nasty = chance.choice(NASTY).encode("utf-8", "surrogatepass")
        other = chance.randrange(len(data) + 1)
        new = chance.choice([b"", nasty, nasty, piece * 3, chance.randbytes(4), data[other : other + 30], piece[::-1]])
        data = data[:start] + new + data[end:]
    return data[: chance.randrange(len(data) + 1)] if chance.random() < 0.1 else data


def _changed_entry(data: bytes, chance: random.Random) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as new:
        chosen = chance.choice(old.namelist())
        for name in old.namelist():
            content = old.read(name)
            new.writestr(name, _changed_bytes(content, chance) if name == chosen else content)
    return stream.getvalue()
