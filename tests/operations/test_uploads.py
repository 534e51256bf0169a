"""What uploads leave behind that never ended, and how it is taken away."""

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from motor.motor_asyncio import AsyncIOMotorDatabase, AsyncIOMotorGridFSBucket

from flows.errors import FileStoredError, StoredFileNotFoundError
from operations.files import FileSweep
from store.clock import now
from store.collections import FILE_CONTENTS
from store.file_contents import CHUNK_BYTES, GridFSContents
from store.files import SWEEP_AFTER, FileRepository
from store.indexes import ensure_indexes
from store.models import FileRecord

OWNER, STRANGER = "organization-a", "organization-b"


@pytest.fixture
async def files(database: AsyncIOMotorDatabase) -> FileRepository:
    await ensure_indexes(database)
    return FileRepository(database)


@pytest.fixture
def contents(database: AsyncIOMotorDatabase) -> GridFSContents:
    return GridFSContents(database)


@pytest.fixture
def sweep(files: FileRepository, contents: GridFSContents) -> FileSweep:
    return FileSweep(files, contents)


def announcement(key: str, ago: timedelta = timedelta()) -> FileRecord:
    at = now() - ago
    return FileRecord(key, OWNER, "flow", "a.txt", None, at, "author", at + timedelta(hours=1))


async def pieces(*parts: bytes) -> AsyncIterator[bytes]:
    for part in parts:
        yield part


async def whole(contents: GridFSContents, content_id: str, size: int) -> bytes:
    return b"".join([chunk async for chunk in contents.read(content_id, 0, size)])


async def chunk_count(database: AsyncIOMotorDatabase) -> int:
    return int(await database[f"{FILE_CONTENTS}.chunks"].count_documents({}))


async def stored(files: FileRepository, key: str, content_id: str) -> FileRecord:
    return await files.complete(
        OWNER, key, content_id, content_type="text/plain", size=3, sha256="00"
    )


async def test_bytes_of_a_process_that_died_are_swept_with_the_announcement(
    database: AsyncIOMotorDatabase,
    files: FileRepository,
    contents: GridFSContents,
    sweep: FileSweep,
) -> None:
    await files.announce(announcement("old"))
    await files.begin(OWNER, "old", "half")
    await contents.write("half", pieces(bytes(CHUNK_BYTES + 1)))
    at = now() - timedelta(seconds=1)
    await database["files"].update_one({"_id": "old"}, {"$set": {"sweep_at": at}})

    assert await sweep.sweep(100) == 1

    assert await chunk_count(database) == 0
    assert await database["files"].count_documents({}) == 0
    assert await sweep.sweep(100) == 0


async def test_a_stored_file_loses_its_leftovers_and_nothing_else(
    database: AsyncIOMotorDatabase,
    files: FileRepository,
    contents: GridFSContents,
    sweep: FileSweep,
) -> None:
    await files.announce(announcement("key"))
    for content_id in ("good", "lost"):
        await files.begin(OWNER, "key", content_id)
        await contents.write(content_id, pieces(b"one"))
    await stored(files, "key", "good")
    at = now() - timedelta(seconds=1)
    await database["files"].update_one({"_id": "key"}, {"$set": {"sweep_at": at}})

    assert await sweep.sweep(100) == 1

    assert (await files.get(OWNER, "key")).content_id == "good"
    assert await whole(contents, "good", 3) == b"one"
    assert await chunk_count(database) == 1
    assert await sweep.sweep(100) == 0


async def test_what_may_still_be_uploading_is_left_alone(
    files: FileRepository, sweep: FileSweep
) -> None:
    await files.announce(announcement("young", ago=timedelta(hours=1) + SWEEP_AFTER / 2))
    await files.announce(announcement("old", ago=timedelta(hours=1) + SWEEP_AFTER))

    assert [found.file_key for found in await files.leftovers(now(), 100)] == ["old"]
    assert await sweep.sweep(100) == 1


async def test_an_upload_begins_only_while_its_time_lasts(files: FileRepository) -> None:
    await files.announce(announcement("late", ago=timedelta(hours=1, seconds=1)))

    with pytest.raises(StoredFileNotFoundError):
        await files.begin(OWNER, "late", "content")


async def test_only_its_owner_sees_a_file(files: FileRepository) -> None:
    await files.announce(announcement("key"))
    with pytest.raises(StoredFileNotFoundError):
        await files.begin(STRANGER, "key", "content")
    with pytest.raises(StoredFileNotFoundError):
        await files.get(OWNER, "key")
    await files.begin(OWNER, "key", "content")
    await stored(files, "key", "content")

    with pytest.raises(StoredFileNotFoundError):
        await files.get(STRANGER, "key")
    assert await files.list(STRANGER, "flow") == []
    assert [record.id for record in await files.list(OWNER, "flow")] == ["key"]


async def test_the_first_upload_that_ends_counts(files: FileRepository) -> None:
    await files.announce(announcement("key"))
    for content_id in ("first", "second"):
        await files.begin(OWNER, "key", content_id)
    await stored(files, "key", "second")

    with pytest.raises(FileStoredError):
        await stored(files, "key", "first")
    assert (await files.get(OWNER, "key")).content_id == "second"


async def test_the_layout_is_that_of_gridfs(
    database: AsyncIOMotorDatabase, contents: GridFSContents
) -> None:
    data = bytes(range(256)) * 10_000
    await contents.write("id", pieces(data[:7], data[7:1_500_000], b"", data[1_500_000:]))

    bucket = AsyncIOMotorGridFSBucket(database, bucket_name=FILE_CONTENTS)
    stream = await bucket.open_download_stream("id")

    assert await stream.read() == data
    assert await whole(contents, "id", len(data)) == data
    await contents.delete("id")
    await contents.delete("id")
    with pytest.raises(LookupError):
        await whole(contents, "id", len(data))
