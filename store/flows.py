"""Flows and their versions: what versions share in one document, each definition apart."""

from collections.abc import Mapping, Sequence
from typing import Any, cast

from pydantic import JsonValue
from pymongo import ReturnDocument
from pymongo.errors import DuplicateKeyError

from flows.errors import (
    ConflictError,
    DuplicateFlowNameError,
    FlowNotFoundError,
    FlowVersionNotFoundError,
)
from store import collections
from store.clock import now
from store.documents import FLOW_VALUES, VERSION_VALUES, flow_record
from store.expiry import ttl_seconds
from store.faults import guarded
from store.flow_documents import (
    first_version_document,
    flow_document,
    next_version_document,
    task_count,
)
from store.flow_lists import FlowLists, flow_criteria
from store.mail_addresses import addressed, clash, unaddressed
from store.models import FlowQuery, FlowRecord, Page
from store.reruns import rerun_mark
from store.schedules import PENDING
from store.secrets import StoredSecret, secret_documents
from store.transactions import in_transaction
from store.values import Database, Document, Values, encode

_PATCHABLE = ("display_name", "description", "visibility", "settings", "status", "tags")
_ENCODED = ("visibility", "settings")


class FlowRepository:
    """Reads and writes flows of one organization at a time."""

    def __init__(self, database: Database) -> None:
        """Borrow a database."""
        self._client = database.client
        self._flows: Any = database[collections.FLOWS]
        self._versions: Any = database[collections.FLOW_VERSIONS]
        self._counters: Any = database[collections.FLOW_COUNTERS]
        self._secrets: Any = database[collections.SECRETS]
        self._values = Values(database)
        self._lists = FlowLists(database, self._values)

    @guarded
    async def create(
        self,
        record: FlowRecord,
        secrets: Sequence[StoredSecret] = (),
        scheduled: Sequence[str] = (),
        mail_addresses: Sequence[str] = (),
    ) -> FlowRecord:
        """Write a new flow with its first version, and the secrets that it refers to.

        Args:
            scheduled: Tasks of it that the clock starts.
            mail_addresses: Where it receives messages, each once.

        Raises:
            DuplicateFlowNameError: The organization has a flow of this name.
            MailAddressTakenError: Another flow receives messages there.
        """
        flow = flow_document(record, scheduled, mail_addresses)
        definition = encode(cast("JsonValue", record.definition))
        version = first_version_document(record, await self._values.put(record.id, definition))

        async def transact(session: Any) -> None:
            await self._flows.insert_one(flow, session=session)
            await self._versions.insert_one(version, session=session)
            await self._keep(record.organization_id, record.id, secrets, session)

        try:
            await in_transaction(self._client, transact)
        except DuplicateKeyError as error:
            raise clash(error, mail_addresses) or _duplicate(record.display_name) from error
        return await self.latest(record.organization_id, record.id)

    @guarded
    async def latest(self, organization_id: str, flow_id: str) -> FlowRecord:
        """Return a flow with its latest version.

        Raises:
            FlowNotFoundError: None of this id in the organization, or deleted.
        """
        flow = await self._flow(organization_id, flow_id)
        return await self._with_version(flow, flow["latest_version"])

    @guarded
    async def version(self, organization_id: str, flow_id: str, version: int) -> FlowRecord:
        """Return a flow with one of its versions, deleted or not: its executions live on.

        Raises:
            FlowNotFoundError: None of this id in the organization.
            FlowVersionNotFoundError: It has no such version.
        """
        flow = await self._flow(organization_id, flow_id, deleted_too=True)
        return await self._with_version(flow, version)

    @guarded
    async def versions(self, organization_id: str, flow_id: str) -> list[FlowRecord]:
        """Return every version of a flow, newest first.

        Raises:
            FlowNotFoundError: None of this id in the organization, or deleted.
        """
        flow = await self._flow(organization_id, flow_id)
        return await self._lists.versions(flow)

    @guarded
    async def version_page(
        self,
        organization_id: str,
        flow_id: str,
        *,
        search: str | None = None,
        favourites_only: bool = False,
        page: int = 1,
        page_size: int = 20,
    ) -> Page[FlowRecord]:
        """Return one page of versions, newest first, without their definitions.

        Args:
            search: Part of the version's name, whatever its case.

        Raises:
            FlowNotFoundError: None of this id in the organization, or deleted.
        """
        flow = await self._flow(organization_id, flow_id)
        return await self._lists.version_page(
            flow, search=search, favourites_only=favourites_only, page=page, page_size=page_size
        )

    @guarded
    async def list(self, organization_id: str, query: FlowQuery) -> Page[FlowRecord]:
        """Return one page of flows that are not deleted, each with its latest version."""
        return await self._lists.page(organization_id, query)

    @guarded
    async def patch(
        self,
        organization_id: str,
        flow_id: str,
        changes: Mapping[str, JsonValue],
        modified_by: str,
    ) -> FlowRecord:
        """Change what all versions share; an absent key stays, a null clears.

        Args:
            changes: Some of ``display_name``, ``description``, ``visibility``, ``settings``,
                ``status`` and ``tags``; others are ignored.

        Raises:
            FlowNotFoundError: None of this id in the organization, or deleted.
            DuplicateFlowNameError: The organization has a flow of the new name.
        """
        known = {name: changes[name] for name in _PATCHABLE if name in changes}
        fields = {
            name: encode(value) if name in _ENCODED else value for name, value in known.items()
        }
        if "settings" in known:
            fields["ttl_seconds"] = ttl_seconds(known["settings"])
        if fields.get("tags", ()) is None:
            fields["tags"] = []
        pending = PENDING if "settings" in known else {"$set": {}}
        written: Document = {**fields, **pending["$set"]}
        written |= {"updated_at": now(), "modified_by": modified_by}
        try:
            flow = await self._flows.find_one_and_update(
                {"_id": flow_id, "organization_id": organization_id, "deleted": False},
                {**pending, "$set": written},
                return_document=ReturnDocument.AFTER,
            )
        except DuplicateKeyError as error:
            raise _duplicate(str(changes.get("display_name"))) from error
        if flow is None:
            raise _not_found(flow_id)
        return await self._with_version(flow, flow["latest_version"])

    @guarded
    async def add_version(
        self,
        organization_id: str,
        flow_id: str,
        definition: dict[str, JsonValue],
        modified_by: str,
        expected_latest: int,
        secrets: Sequence[StoredSecret] = (),
        scheduled: Sequence[str] = (),
        mail_addresses: Sequence[str] = (),
        *,
        is_followed: bool = False,
    ) -> FlowRecord:
        """Store the next version and make it the latest, in one transaction with new secrets.

        Args:
            scheduled: Tasks of it that the clock starts.
            mail_addresses: Where it receives messages from now on, each once.
            is_followed: Whether finished executions are to run again on it.

        Raises:
            FlowNotFoundError: None of this id in the organization, or deleted.
            ConflictError: ``expected_latest`` is not the latest version any more.
            MailAddressTakenError: Another flow receives messages there.
        """
        number = expected_latest + 1
        held = await self._values.put(flow_id, encode(cast("JsonValue", definition)))
        document = next_version_document(organization_id, flow_id, number, held, modified_by)
        followed = rerun_mark(number, document["updated_at"], modified_by) if is_followed else {}

        async def transact(session: Any) -> Document | None:
            flow: Document | None = await self._flows.find_one_and_update(
                {
                    "_id": flow_id,
                    "organization_id": organization_id,
                    "deleted": False,
                    "latest_version": expected_latest,
                },
                {
                    "$set": {
                        "latest_version": number,
                        "task_count": task_count(definition),
                        "updated_at": document["updated_at"],
                        "modified_by": modified_by,
                        **PENDING["$set"],
                        **addressed(mail_addresses),
                        **followed,
                    },
                    **unaddressed(mail_addresses),
                    "$inc": PENDING["$inc"],
                    "$addToSet": {"schedule_names": {"$each": list(scheduled)}},
                },
                return_document=ReturnDocument.AFTER,
                session=session,
            )
            if flow is not None:
                await self._versions.insert_one(document, session=session)
                await self._keep(organization_id, flow_id, secrets, session)
            return flow

        try:
            flow = await in_transaction(self._client, transact)
        except DuplicateKeyError as error:
            raise clash(error, mail_addresses) or error from error
        if flow is None:
            await self._flow(organization_id, flow_id)
            raise ConflictError("somebody else stored a version at the same moment")
        return await self._with_version(flow, number)

    @guarded
    async def patch_version(
        self,
        organization_id: str,
        flow_id: str,
        version: int,
        changes: Mapping[str, JsonValue],
        modified_by: str,
    ) -> FlowRecord:
        """Change ``name`` and ``is_favourite`` of one version; its definition never changes.

        Raises:
            FlowNotFoundError: None of this id in the organization, or deleted.
            FlowVersionNotFoundError: It has no such version.
        """
        flow = await self._flow(organization_id, flow_id)
        fields: Document = {"updated_at": now(), "modified_by": modified_by}
        if "name" in changes:
            fields["name"] = changes["name"]
        if "is_favourite" in changes:
            fields["is_favourite"] = bool(changes["is_favourite"])
        await self._versions.update_one(
            {"_id": f"{flow_id}:{version}", "organization_id": organization_id}, {"$set": fields}
        )
        return await self._with_version(flow, version)

    @guarded
    async def delete(self, organization_id: str, flow_id: str, modified_by: str) -> None:
        """Hide a flow with all its versions; its name is free again, its executions remain.

        Raises:
            FlowNotFoundError: None of this id in the organization, or deleted.
        """
        written = await self._flows.update_one(
            {"_id": flow_id, "organization_id": organization_id, "deleted": False},
            {
                **PENDING,
                "$set": {
                    "deleted": True,
                    "updated_at": now(),
                    "modified_by": modified_by,
                    **PENDING["$set"],
                },
            },
        )
        if not written.matched_count:
            raise _not_found(flow_id)

    @guarded
    async def counts(
        self, organization_id: str, flow_ids: Sequence[str]
    ) -> dict[str, tuple[int, int]]:
        """Return how many executions flows have, of all versions and of the latest, by flow id.

        Deleted executions do not count. Flows of other organizations are left out.
        """
        mine = {"_id": {"$in": [*flow_ids]}, "organization_id": organization_id}
        counters = {each["_id"]: each async for each in self._counters.find(mine)}
        counts = {}
        async for flow in self._flows.find(mine, {"latest_version": 1}):
            counter = counters.get(flow["_id"], {})
            of_latest = counter.get("versions", {}).get(str(flow["latest_version"]), 0)
            counts[flow["_id"]] = (counter.get("live", 0), of_latest)
        return counts

    @guarded
    async def exists_elsewhere(self, organization_id: str, flow_id: str) -> bool:
        """Return whether another organization has this flow, not deleted."""
        elsewhere = {"_id": flow_id, "organization_id": {"$ne": organization_id}, "deleted": False}
        return await self._flows.find_one(elsewhere, {"_id": 1}) is not None

    @guarded
    async def organization_of(self, flow_id: str) -> str | None:
        """Return whose flow this is; None if there is none, or it was deleted.

        For what comes to a flow without a caller, such as a post to its webhook.
        """
        flow = await self._flows.find_one(
            {"_id": flow_id, "deleted": False}, {"organization_id": 1}
        )
        return None if flow is None else str(flow["organization_id"])

    @guarded
    async def available_tags(
        self,
        organization_id: str,
        search: str | None = None,
        only: frozenset[str] | None = None,
    ) -> Sequence[str]:
        """Return the distinct tags of flows that contain a text, whatever its case, sorted."""
        tags = await self._flows.distinct(
            "tags", flow_criteria(organization_id, FlowQuery(only=only))
        )
        wanted = (search or "").casefold()
        return sorted(tag for tag in tags if wanted in tag.casefold())

    async def _keep(
        self, organization_id: str, flow_id: str, secrets: Sequence[StoredSecret], session: Any
    ) -> None:
        """Write new secrets, in the transaction of the version that refers to them."""
        if secrets:
            documents = secret_documents(organization_id, flow_id, secrets)
            await self._secrets.insert_many(documents, session=session)

    async def _flow(
        self, organization_id: str, flow_id: str, *, deleted_too: bool = False
    ) -> Document:
        """Return a flow's document."""
        wanted: Document = {"_id": flow_id, "organization_id": organization_id}
        if not deleted_too:
            wanted["deleted"] = False
        flow: Document | None = await self._flows.find_one(wanted)
        if flow is None:
            raise _not_found(flow_id)
        return flow

    async def _with_version(self, flow: Document, number: int) -> FlowRecord:
        """Return a flow with one version, their values loaded."""
        version = await self._versions.find_one({"_id": f"{flow['_id']}:{number}"})
        if version is None:
            raise FlowVersionNotFoundError(
                "the flow has no such version", flow_id=flow["_id"], version=number
            )
        await self._values.load([flow], FLOW_VALUES)
        await self._values.load([version], VERSION_VALUES)
        return flow_record(flow, version)


def _duplicate(display_name: str) -> DuplicateFlowNameError:
    return DuplicateFlowNameError(
        "the organization has a flow of this name", display_name=display_name
    )


def _not_found(flow_id: str) -> FlowNotFoundError:
    return FlowNotFoundError("no such flow", flow_id=flow_id)
