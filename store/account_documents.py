"""How service accounts and keys are stored.

Whatever is missing was written before there was such a field.
"""

from store.models import ApiKey, ServiceAccount
from store.values import Document


def account_document(account: ServiceAccount) -> Document:
    """Return what is stored of a service account."""
    return {
        "_id": account.id,
        "organization_id": account.organization_id,
        "name": account.name,
        "description": account.description,
        "is_active": account.is_active,
        "role": account.role,
        "created_at": account.created_at,
        "updated_at": account.updated_at,
        "modified_by": account.modified_by,
    }


def service_account(document: Document) -> ServiceAccount:
    """Return a stored service account."""
    return ServiceAccount(
        id=document["_id"],
        organization_id=document["organization_id"],
        name=document["name"],
        description=document.get("description"),
        is_active=document["is_active"],
        role=document["role"],
        created_at=document["created_at"],
        updated_at=document.get("updated_at") or document["created_at"],
        modified_by=document.get("modified_by", "system"),
    )


def key_document(key: ApiKey) -> Document:
    """Return what is stored of a key."""
    owner = (
        {"service_account_id": key.service_account_id}
        if key.user_id is None
        else {"user_id": key.user_id}
    )
    return {
        "_id": key.id,
        "organization_id": key.organization_id,
        **owner,
        "name": key.name,
        "description": key.description,
        "token_prefix": key.token_prefix,
        "token_hash": key.token_hash,
        "created_at": key.created_at,
        "updated_at": key.updated_at,
        "modified_by": key.modified_by,
        "deleted": key.deleted,
    }


def api_key(document: Document) -> ApiKey:
    """Return a stored key, a service account's or a person's."""
    return ApiKey(
        id=document["_id"],
        organization_id=document["organization_id"],
        user_id=document.get("user_id"),
        service_account_id=document.get("service_account_id"),
        name=document.get("name", "key"),
        description=document.get("description"),
        token_prefix=document["token_prefix"],
        token_hash=document["token_hash"],
        created_at=document["created_at"],
        updated_at=document.get("updated_at") or document["created_at"],
        modified_by=document.get("modified_by", "system"),
        last_used_at=document.get("last_used_at"),
        deleted=document["deleted"],
    )
