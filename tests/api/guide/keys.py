"""Chapters on keys for machines, and on refusals."""

from tests.api.guide.story import EXECUTIONS, Story
from tests.api.guide.telling import Caller

ACCOUNTS = "/api/service-accounts"


async def tell(story: Story) -> None:
    """Tell how machines get keys, and lose them; and what a refusal says."""
    await _keys(story)
    await _errors(story)


async def _keys(story: Story) -> None:
    telling = story.telling
    telling.say("""
        ## Keys for machines

        A service account is a machine's identity; its role says what its keys may do
        ([permissions.md](permissions.md)).
        """)
    account = await telling.call(
        "POST",
        ACCOUNTS,
        {"name": "Shop", "role": "integration"},
        expect=201,
        keep=("id", "name", "role", "status"),
    )
    path = f"{ACCOUNTS}/{account['id']}"
    telling.say("The `token` is shown this once; what is kept is a hash.")
    key = await telling.call(
        "POST",
        f"{path}/api-keys",
        {"name": "of the night shift"},
        expect=201,
        keep=("id", "name", "token_prefix", "token"),
    )
    shop = Caller(await telling.clients(X_API_Key=str(key["token"])), {"X-API-Key": "$SHOP_KEY"})
    await telling.call("GET", "/api/flows?page_size=1", by=shop, keep=("total", "page_size"))
    telling.say("""
        Deactivating the account, or deleting the key, holds from the next request on, in every API
        process:
        """)
    await telling.call("POST", f"{path}/deactivate", keep=("id", "name", "status"))
    await telling.call("GET", "/api/flows?page_size=1", by=shop, expect=401)


async def _errors(story: Story) -> None:
    telling = story.telling
    telling.say("""
        ## When something is wrong

        Every refusal is the same envelope. `code` is for programs and never changes its meaning,
        `message` is for people, `details` says where, and `request_id` finds the call in the logs;
        it is in the header `X-Request-ID` of every answer, too. [errors.md](errors.md) lists what
        can go wrong.
        """)
    await telling.call("GET", f"{EXECUTIONS}/{story.organization_id}", expect=404)
    telling.say("""
        A value that does not fit the schema is a 422, which says the same a second time in the form
        that FastAPI's clients know:
        """)
    await telling.call("GET", f"{EXECUTIONS}?page=0", expect=422)
    telling.say("""
        429 and 503 carry `Retry-After`: wait that long and send the same request again, with its
        `Idempotency-Key` where it creates something.
        """)
