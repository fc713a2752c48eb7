"""HTTP/2 on one connection: frames, header compression, streams, flow control, limits of time."""
