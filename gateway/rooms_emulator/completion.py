"""The end of each request: its changes are saved, and then it is logged."""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Callable
from http import HTTPStatus

import msgspec
from aiohttp import web

from rooms_emulator.http import headers
from rooms_emulator.http.listener import Handler
from rooms_emulator.output.access_log import Access
from rooms_emulator.problems import Envelope, ErrorBody
from rooms_emulator.service import JOURNAL_ENTRY
from rooms_emulator.state.file import StateFileError

logger = logging.getLogger(__name__)


class Completion:
    """Completes requests to all APIs.

    `save` waits until all changes are in the state file, and raises StateFileError if they cannot
    be written. `log` is called with each request when its response is ready.
    """

    def __init__(
        self, save: Callable[[], Awaitable[None]], log: Callable[[Access], None] | None
    ) -> None:
        self._save = save
        self._log = log

    async def respond(self, request: web.BaseRequest, handle: Handler) -> web.StreamResponse:
        """Return the response of `handle`, or one with status 500 if its changes are not saved."""
        started = time.perf_counter()
        status: int | None = None
        try:
            response = await self._saved(request, handle)
            status = response.status
            return response
        finally:
            if self._log is not None:
                entry = request.get(JOURNAL_ENTRY)
                self._log(
                    Access.of(
                        entry,
                        request.method,
                        request.raw_path,
                        # After an aborted connection, only the journal has the true status.
                        status=status if entry is None else entry.status,
                        seconds=time.perf_counter() - started,
                    )
                )

    async def _saved(self, request: web.BaseRequest, handle: Handler) -> web.StreamResponse:
        try:
            response = await handle(request)
            await self._save()
        except StateFileError as error:
            logger.error("%s", error)  # noqa: TRY400 - a full disk is no defect
            if entry := request.get(JOURNAL_ENTRY):
                entry.status = HTTPStatus.INTERNAL_SERVER_ERROR
            content = Envelope(ErrorBody("StateNotSaved", str(error)))
            return web.Response(
                status=HTTPStatus.INTERNAL_SERVER_ERROR,
                body=msgspec.json.encode(content),
                headers={"Content-Type": headers.JSON},
            )
        return response
