"""Keep what `lorag serve` needs of a workspace in a bucket, so that several machines serve the same release.

    python infra/s3/mirror.py push WORKSPACE s3://lorag/serve --every 5    # where the workspace is refreshed
    python infra/s3/mirror.py pull WORKSPACE s3://lorag/serve --every 5    # beside each service

A push writes every file under its sha256, then one small list of all of them, so that a pull sees the whole of one
moment or nothing. A pull writes what is new, then the pointer to the served release, then removes what is gone. The
index is not among the files: it is in Weaviate. The server and its keys come from the environment: AWS_ENDPOINT_URL,
AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY.
"""

import argparse
import hashlib
import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import boto3
from botocore.exceptions import BotoCoreError, ClientError

POINTER = ".lorag/current.json"
FILES = ("params.yaml", "dvc.yaml", "versions.json", "artifacts/documents.jsonl", ".lorag/keys.json")
FOLDERS = (".lorag/releases", ".lorag/adapters", ".lorag/routers")
KEPT = timedelta(days=1)
"""For how long a file stays that no list names: a slow pull may still read an older list."""

Snapshot = dict[str, str]
"""The sha256 of each file, by its path in the workspace."""


@dataclass
class Mirror:
    """The files of one workspace in a bucket, below a prefix."""

    client: Any
    bucket: str
    prefix: str
    workspace: Path
    _hashes: dict[tuple[str, int, int], str] = field(default_factory=dict)
    _there: set[str] = field(default_factory=set)
    _last: Snapshot | None = None

    def push(self) -> bool:
        """Upload what is new and then the list; return whether anything changed."""
        # The pointer is read first: what it names was written before it.
        contents = {name: path for name, path in self._files() if path.is_file()}
        pointer = contents.get(POINTER)
        if pointer is None:
            return False
        kept = {POINTER: pointer.read_bytes()}
        snapshot: Snapshot = {}
        for name, path in contents.items():
            data = kept.get(name)
            digest = hashlib.sha256(data).hexdigest() if data is not None else self._hash(path)
            self._upload(digest, path, data)
            snapshot[name] = digest
        if snapshot == self._last:
            return False
        self.client.put_object(Bucket=self.bucket, Key=self._key("list.json"), Body=json.dumps(snapshot).encode())
        self._last = snapshot
        self._prune(set(snapshot.values()))
        return True

    def pull(self) -> bool:
        """Write what is new, the pointer last, and remove what is gone; return whether anything changed."""
        try:
            listed = self.client.get_object(Bucket=self.bucket, Key=self._key("list.json"))["Body"].read()
        except self.client.exceptions.NoSuchKey:
            return False
        snapshot: Snapshot = json.loads(listed)
        if snapshot == self._last:
            return False
        for name in sorted(snapshot, key=lambda name: name == POINTER):
            path = self._inside(name)
            if not path.is_file() or self._hash(path) != snapshot[name]:
                self._download(snapshot[name], path)
        for name, path in list(self._files()):
            if name not in snapshot:
                path.unlink(missing_ok=True)
        self._last = snapshot
        return True

    def _files(self) -> Iterator[tuple[str, Path]]:
        for name in (POINTER, *FILES):
            if (self.workspace / name).exists():
                yield name, self.workspace / name
        for folder in FOLDERS:
            for path in sorted((self.workspace / folder).rglob("*")):
                # What is being written has a name with a dot in front.
                if path.is_file() and not path.name.startswith("."):
                    yield path.relative_to(self.workspace).as_posix(), path

    def _inside(self, name: str) -> Path:
        is_known = name in (POINTER, *FILES) or name.startswith(tuple(f"{folder}/" for folder in FOLDERS))
        if not is_known or ".." in Path(name).parts:
            raise ValueError(f"the list names {name!r}, which is no file of a service")
        return self.workspace / name

    def _hash(self, path: Path) -> str:
        status = path.stat()
        place = (str(path), status.st_size, status.st_mtime_ns)
        if place not in self._hashes:
            with path.open("rb") as file:
                self._hashes[place] = hashlib.file_digest(file, "sha256").hexdigest()
        return self._hashes[place]

    def _upload(self, digest: str, path: Path, data: bytes | None) -> None:
        if not self._there:
            self._there = set(self._stored())
        if digest not in self._there:
            body = path.read_bytes() if data is None else data
            # A file that changed meanwhile must not lie under the hash of what it was.
            if hashlib.sha256(body).hexdigest() != digest:
                raise ValueError(f"{path.name} changed while it was read")
            self.client.put_object(Bucket=self.bucket, Key=self._key(f"files/{digest}"), Body=body)
            self._there.add(digest)

    def _download(self, digest: str, path: Path) -> None:
        body = self.client.get_object(Bucket=self.bucket, Key=self._key(f"files/{digest}"))["Body"].read()
        if hashlib.sha256(body).hexdigest() != digest:
            raise ValueError(f"{path.name} is damaged in the bucket")
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f".{path.name}.tmp")
        with os.fdopen(os.open(temporary, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o600), "wb") as file:
            file.write(body)
        temporary.replace(path)

    def _prune(self, named: set[str]) -> None:
        oldest = datetime.now(UTC) - KEPT
        for digest, changed in self._stored().items():
            if digest not in named and changed < oldest:
                self.client.delete_object(Bucket=self.bucket, Key=self._key(f"files/{digest}"))
                self._there.discard(digest)

    def _stored(self) -> dict[str, datetime]:
        prefix = self._key("files/")
        pages = self.client.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=prefix)
        found = (each for page in pages for each in page.get("Contents", ()))
        return {each["Key"].removeprefix(prefix): each["LastModified"] for each in found}

    def _key(self, name: str) -> str:
        return f"{self.prefix}/{name}" if self.prefix else name


def main() -> int:
    """Run the command line; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("way", choices=("push", "pull"))
    parser.add_argument("workspace", type=Path)
    parser.add_argument("address", help="s3://BUCKET/PREFIX")
    parser.add_argument("--every", type=float, metavar="SECONDS", help="go on, and look again after so many seconds")
    arguments = parser.parse_args()
    parts = urlsplit(arguments.address)
    if parts.scheme != "s3" or not parts.netloc:
        parser.error(f"{arguments.address} is no s3://BUCKET/PREFIX")
    mirror = Mirror(boto3.client("s3"), parts.netloc, parts.path.strip("/"), arguments.workspace)
    move: Callable[[], bool] = mirror.push if arguments.way == "push" else mirror.pull
    while True:
        status = attempt(move, arguments.way)
        if arguments.every is None:
            return status
        time.sleep(arguments.every)


def attempt(move: Callable[[], bool], way: str) -> int:
    """Push or pull once, and say in one line what happened; return the exit status."""
    try:
        if move():
            print(f"{way}ed the current release", flush=True)
        return 0
    except (BotoCoreError, ClientError, OSError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr, flush=True)
        return 5


if __name__ == "__main__":
    sys.exit(main())
