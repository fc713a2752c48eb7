"""Runs a bulk job: items in, results out."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Iterator
from itertools import chain, pairwise
from typing import Generic, TypeVar

from acs.rooms.v1.bulk_rooms_pb2 import (
    BulkCreateRoomsRequest,
    BulkCreateRoomsResponse,
    BulkDeleteRoomsRequest,
    BulkDeleteRoomsResponse,
)

from rooms_gateway.cli.client.bulk.items import InputError, ItemFile, key_of
from rooms_gateway.cli.client.bulk.progress import Progress
from rooms_gateway.cli.client.bulk.results import Results
from rooms_gateway.cli.client.output import Printer

ItemT = TypeVar("ItemT", BulkCreateRoomsRequest, BulkDeleteRoomsRequest)
ResultT = TypeVar("ResultT", BulkCreateRoomsResponse, BulkDeleteRoomsResponse)


class JobIdError(ValueError):
    """Two sources name different job ids."""


class Job(Generic[ItemT, ResultT]):
    """The items of a file that have no successful result yet."""

    def __init__(self, items: ItemFile[ItemT, ResultT], change: Callable[[ItemT], None]) -> None:
        """`change` applies the flags of the command to an item. Raises InputError."""
        self._items: Iterator[ItemT] = iter(items)
        self._change: Callable[[ItemT], None] = change
        self._first: ItemT | None = next(self._items, None)
        self._creates = items.kind.item_type is BulkCreateRoomsRequest
        self._skipped = 0
        self._error: InputError | None = None
        self.failed = 0
        """Results with an error."""

    def choose_id(self, *candidates: tuple[str, str]) -> str:
        """Return the job id of the file or of `candidates`, pairs of a source and its id.

        It is a new one if there is none, and empty for deletes. Raises JobIdError if two differ.
        """
        first = self._first
        in_file = first.job_id if isinstance(first, BulkCreateRoomsRequest) else ""
        given = [(name, text) for name, text in (("the file", in_file), *candidates) if text]
        for (name, text), (other, wrong) in pairwise(given):
            if text != wrong:
                raise JobIdError(f"the job id of {name} is {text}, and that of {other} is {wrong}")
        if given:
            return given[0][1]
        return str(uuid.uuid4()) if self._creates else ""

    def run(
        self,
        call: Callable[[Iterator[ItemT]], Iterable[ResultT]],
        to: Results[ResultT],
        printer: Printer,
        total: int | None,
    ) -> None:
        """Send all items, and write their results.

        Raises InputError, after the results of the items before, if a line is malformed, and
        grpc.RpcError if the call fails.
        """
        progress = Progress(total, visible=printer.shows_hints)
        complete = False
        try:
            for result in call(self._left(to.done, to.job_id)):
                to.write(result)
                progress.count(failed=result.HasField("error"))
            complete = self._error is None
        finally:
            progress.close()
            self.failed = progress.failed
            printer.hint(self._summary(progress.succeeded))
            if self.failed or not complete:
                printer.hint(_next_step(to))
        if self._error is not None:
            raise self._error

    def _left(self, done: set[str], job_id: str) -> Iterator[ItemT]:
        """Yield the items without a result, the first with the job id; end at a malformed line."""
        try:
            for item in chain(() if self._first is None else (self._first,), self._items):
                if key_of(item) in done:
                    self._skipped += 1
                    continue
                if isinstance(item, BulkCreateRoomsRequest):
                    item.job_id, job_id = job_id, ""
                self._change(item)
                yield item
        except InputError as error:
            # In the iterator of a call, grpc would log it, and end the call with another error.
            self._error = error

    def _summary(self, succeeded: int) -> str:
        counts = [f"{succeeded} succeeded", f"{self.failed} failed"]
        if self._skipped:
            counts.append(f"{self._skipped} succeeded in an earlier run")
        return f"{', '.join(counts)}."


def _next_step(results: Results[ResultT]) -> str:
    if results.is_file:
        return "Run the same command again: it sends those that did not succeed."
    if results.job_id:
        return f"To send the job again, without creating rooms twice: --job-id {results.job_id}"
    return "To send the job again: --allow-missing"
