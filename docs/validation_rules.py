"""The `buf.validate` rules of the contract.

No Python classes of `buf.validate` are generated (see `protos/generate.py`), so they are built here
from `validate.proto` in the descriptor set.
"""

from __future__ import annotations

from typing import Any

from google.protobuf.descriptor_pb2 import FileDescriptorSet
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

# The field number of buf.validate.message, buf.validate.oneof and buf.validate.field.
_NUMBER = 1159


class RuleReader:
    """Reads rules with the version of `buf.validate` that `descriptors` contains."""

    def __init__(self, descriptors: FileDescriptorSet) -> None:
        self._pool = DescriptorPool()
        for file in descriptors.file:
            self._pool.Add(file)

    def read(self, options: Message) -> Any:
        """Return the rules in the options of a message, oneof or field; empty if there are none."""
        type_ = self._pool.FindMessageTypeByName(options.DESCRIPTOR.full_name)
        rules = self._pool.FindExtensionByNumber(type_, _NUMBER)
        known: Any = GetMessageClass(type_).FromString(options.SerializeToString())
        return known.Extensions[rules]
