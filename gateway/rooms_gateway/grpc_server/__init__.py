"""A gRPC server in the asyncio event loop: HTTP/2, flow control, calls, limits.

It serves the asyncio servicers of generated stubs, as `grpc.aio.server` does, and knows nothing of
rooms. docs/decisions/0004-server.md has the reasons and the measurements.
"""
