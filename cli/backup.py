"""``perdure backup`` and ``perdure restore``: the state of an embedded platform in one file."""

from pathlib import Path
from typing import Annotated

import typer

from cli.up import DEFAULT_DATA_DIR
from runtime.archive import pack, unpack
from runtime.data_folder import DataFolder

Archive = Annotated[Path, typer.Argument(metavar="FILE", help="The archive, a .tar.gz.")]
DataDir = Annotated[Path, typer.Option(help="Where the platform's state lives.")]


def backup(archive: Archive, data_dir: DataDir = DEFAULT_DATA_DIR) -> None:
    """Save a platform that is stopped: both stores at the same moment, secrets included."""
    folder = DataFolder(data_dir)
    with folder.held(minimum_free_bytes=0):
        size = pack(folder.path, archive.absolute())
    typer.echo(f"{archive}: {size / 2**20:.1f} MiB; it holds the platform's secrets, keep it safe")


def restore(archive: Archive, data_dir: DataDir = DEFAULT_DATA_DIR) -> None:
    """Bring a saved platform back into an empty folder; `perdure up` then goes on with it."""
    folder = DataFolder(data_dir)
    with folder.held():
        unpack(archive.absolute(), folder.path)
    typer.echo(f"restored into {folder.path}, start it with: perdure up --data-dir {data_dir}")
