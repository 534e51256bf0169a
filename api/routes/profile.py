"""Profiles: people about themselves."""

from fastapi import APIRouter, Response

from api.deps import CallerDep, ProfilesDep
from api.replies import reply
from api.routing import ProtectedRoute
from api.schemas.errors import refusals
from api.schemas.profiles import (
    User,
    UserProfileResponse,
    UserUpdateRequest,
    profile_view,
    user_view,
)
from flows.errors import InvalidError

router = APIRouter(prefix="/api/profile", tags=["profile"], route_class=ProtectedRoute)


@router.get(
    "/me",
    summary="Get your profile",
    response_model=UserProfileResponse,
    responses=refusals(404, 500),
)
async def get_current_user(caller: CallerDep, profiles: ProfilesDep) -> Response:
    """Return who the caller is, as their token and they themselves say; a machine is nobody."""
    return reply(profile_view(await profiles.mine(caller)))


@router.patch(
    "/me",
    summary="Change your profile",
    response_model=User,
    responses=refusals(400, 404, 413, 422, 500),
)
async def update_current_user(
    body: UserUpdateRequest, caller: CallerDep, profiles: ProfilesDep
) -> Response:
    """Change names and settings; what is left out stays, null goes back to the default."""
    if body.password is not None:
        raise InvalidError("passwords are with whoever issues tokens, and cannot be changed here")
    return reply(user_view(await profiles.change(caller, body.names(), body.changed_settings())))
