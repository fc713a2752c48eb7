"""Runs a bulk job: items in, results out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from itertools import chain
from typing import Generic, TypeVar

from acs.rooms.v1.bulk_rooms_pb2 import (
    BulkCreateRoomsRequest,
    BulkCreateRoomsResponse,
    BulkDeleteRoomsRequest,
    BulkDeleteRoomsResponse,
)
from google.protobuf.json_format import MessageToDict

from rooms_gateway.cli.client.bulk.items import InputError, ItemFile, key_of
from rooms_gateway.cli.client.line_files import LineFile
from rooms_gateway.cli.client.output import Printer
from rooms_gateway.cli.client.progress import Progress
from rooms_gateway.cli.client.text import counts_text

ItemT = TypeVar("ItemT", BulkCreateRoomsRequest, BulkDeleteRoomsRequest)
Result = BulkCreateRoomsResponse | BulkDeleteRoomsResponse


class Job(Generic[ItemT]):
    """The items of a file that have no successful result yet."""

    def __init__(self, items: ItemFile[ItemT], change: Callable[[ItemT], None]) -> None:
        """`change` applies the flags of the command to an item. Raises InputError."""
        self._items: Iterator[ItemT] = iter(items)
        self._change: Callable[[ItemT], None] = change
        self._first: ItemT | None = next(self._items, None)
        self._creates = items.kind.item_type is BulkCreateRoomsRequest
        self._id = ""
        """Job id; deletes have none."""
        self._done: set[str] = set()
        """Keys that have a successful result of an earlier run."""
        self._skipped = 0
        self._succeeded = 0
        self._error: InputError | None = None
        self.failed = 0
        """Results with an error."""

    def resume(self, results: LineFile, job_id: str) -> None:
        """Read the results of earlier runs; `job_id` is that of the command, or empty.

        Raises click.UsageError if the results are those of another job.
        """
        for line in results.read():
            match line:
                # A dry run is no success.
                case {"key": str(key), "response": {**response}} if "restRequest" not in response:
                    self._done.add(key)
        if self._creates:
            first = self._first
            in_file = first.job_id if isinstance(first, BulkCreateRoomsRequest) else ""
            self._id = results.job_id(("the file", in_file), ("--job-id", job_id))
        results.begin({"jobId": self._id} if self._creates else {})

    def run(
        self,
        call: Callable[[Iterator[ItemT]], Iterable[Result]],
        to: LineFile,
        printer: Printer,
        total: int | None,
    ) -> None:
        """Send all items, and write their results.

        Raises InputError, after the results of the items before, if a line is malformed, and
        grpc.RpcError if the call fails.
        """
        complete = False
        try:
            with closing(Progress(total, visible=printer.shows_hints)) as progress:
                for result in call(self._left()):
                    to.append(MessageToDict(result))
                    self.failed += result.HasField("error")
                    self._succeeded += not result.HasField("error")
                    progress.show(self._succeeded, self.failed)
            complete = self._error is None
        finally:
            counts = f"{self._succeeded} succeeded, {self.failed} failed"
            printer.hint(counts_text(counts, (self._skipped, "succeeded in an earlier run")))
            if self.failed or not complete:
                printer.hint(self._next_step(is_file=to.is_file))
        if self._error is not None:
            raise self._error

    def _left(self) -> Iterator[ItemT]:
        """Yield the items without a result, the first with the job id; end at a malformed line."""
        job_id = self._id
        try:
            for item in chain(() if self._first is None else (self._first,), self._items):
                if key_of(item) in self._done:
                    self._skipped += 1
                    continue
                if isinstance(item, BulkCreateRoomsRequest):
                    item.job_id, job_id = job_id, ""
                self._change(item)
                yield item
        except InputError as error:
            # In the iterator of a call, grpc would log it, and end the call with another error.
            self._error = error

    def _next_step(self, *, is_file: bool) -> str:
        if is_file:
            return "Run the same command again: it sends those that did not succeed."
        if self._creates:
            return f"To send the job again, without creating rooms twice: --job-id {self._id}"
        return "To send the job again: --allow-missing"
