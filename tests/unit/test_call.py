from __future__ import annotations

import os
import uuid

from rooms_gateway.call import new_id


def test_new_ids_are_random_uuids() -> None:
    """More than are drawn together."""
    ids = [new_id() for _ in range(1000)]
    assert len({*ids}) == 1000
    for each in map(uuid.UUID, ids):
        assert (each.version, each.variant) == (4, uuid.RFC_4122)
    assert ids == [str(uuid.UUID(each)) for each in ids]


def test_a_fork_draws_other_ids() -> None:
    new_id()
    ours, its = os.pipe()
    if not os.fork():
        os.write(its, new_id().encode())
        os._exit(0)
    os.wait()
    assert os.read(ours, 36).decode() not in {new_id() for _ in range(300)}
    os.close(ours)
    os.close(its)
