"""The translation between gRPC and REST: a message in, REST operations, a message out.

The servicers are plain classes: `server.handler` calls `servicer.GetRoom(request, call)` and turns
the errors of `rooms_gateway.errors` into a gRPC status.
"""
