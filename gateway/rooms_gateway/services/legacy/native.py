"""The preview's operations as the service has them, over REST api-version 2022-02-01."""

from __future__ import annotations

from collections.abc import Callable, Collection
from http import HTTPStatus

from rooms_gateway.call import Call
from rooms_gateway.errors import GatewayError, UpstreamRejectedError
from rooms_gateway.services.legacy.backend import refuse_absent, refuse_present
from rooms_gateway.upstream.legacy_api import LegacyApi
from rooms_gateway.upstream.legacy_models import RoomBody, RosteredRoom
from rooms_gateway.upstream.models import Participant, Roster

_MAY_BE_STRICTNESS = frozenset({HTTPStatus.BAD_REQUEST, HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT})


class NativeLegacyRooms:
    """LegacyRooms, one REST request each."""

    def __init__(self, api: LegacyApi) -> None:
        self._api = api

    async def create_room(self, body: RoomBody, repeatability_id: str, call: Call) -> RosteredRoom:
        """REST: POST /rooms."""
        return await self._api.create_room(body, repeatability_id, call)

    async def get_room(self, room_id: str, call: Call) -> RosteredRoom:
        """REST: GET /rooms/{id}."""
        return await self._api.get_room(room_id, call)

    async def update_room(self, room_id: str, body: RoomBody, call: Call) -> RosteredRoom:
        """REST: PATCH /rooms/{id}."""
        return await self._api.update_room(room_id, body, call)

    async def delete_room(self, room_id: str, call: Call) -> None:
        """REST: DELETE /rooms/{id}."""
        await self._api.delete_room(room_id, call)

    async def add_participants(self, room_id: str, people: Roster, call: Call) -> None:
        """REST: POST …/participants:add; if refused, GET …/participants to say for whom."""
        try:
            await self._api.change_participants("add", room_id, people, call)
        except UpstreamRejectedError as refused:
            await self._explain(refused, refuse_present, room_id, people, call)
            raise

    async def update_participants(self, room_id: str, people: Roster, call: Call) -> None:
        """REST: POST …/participants:update; if refused, GET …/participants to say for whom."""
        try:
            await self._api.change_participants("update", room_id, people, call)
        except UpstreamRejectedError as refused:
            await self._explain(refused, refuse_absent, room_id, people, call)
            raise

    async def remove_participants(self, room_id: str, people: Roster, call: Call) -> None:
        """REST: POST …/participants:remove."""
        await self._api.change_participants("remove", room_id, people, call)

    async def get_participants(self, room_id: str, call: Call) -> list[Participant]:
        """REST: GET …/participants."""
        return await self._api.get_participants(room_id, call)

    async def _explain(
        self,
        refused: UpstreamRejectedError,
        refuse: Callable[[Roster, Collection[str]], None],
        room_id: str,
        people: Roster,
        call: Call,
    ) -> None:
        """Raise what `refuse` does, if the roster shows that this is why the service refused.

        The service does not say whom it means, and nobody has written down by which code.
        """
        if refused.status not in _MAY_BE_STRICTNESS:
            return
        try:
            present = {each.raw_id for each in await self._api.get_participants(room_id, call)}
        except GatewayError:
            # Whoever cannot read the roster cannot say more than the service did.
            return
        refuse(people, present)
