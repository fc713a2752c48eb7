"""The translation between gRPC and REST: a message in, REST operations, a message out.

The servicers are plain classes: `server.calls.handler` calls `servicer.GetRoom(request, call)` and
converts the errors of `rooms_gateway.errors` to a gRPC status.
"""
