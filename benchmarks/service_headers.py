"""The header of responses of the Rooms service, for upstreams that replace it."""

HEAD = (
    b"HTTP/1.1 200 OK\r\n"
    b"Date: Thu, 06 Mar 2025 00:20:03 GMT\r\n"
    b"Content-Type: application/json; charset=utf-8\r\n"
    b"Transfer-Encoding: chunked\r\n"
    b"Connection: keep-alive\r\n"
    b"MS-CV: 654uaLgPvEu5EHJruQ6VlQ.0\r\n"
    b"Request-Context: appId=\r\n"
    b"api-supported-versions: 2023-06-14, 2023-10-30-preview, 2024-04-15, 2025-03-13\r\n"
    b"Strict-Transport-Security: max-age=31536000;includeSubDomains\r\n"
    b"x-azure-ref: 20250306T002003Z-pmrnm132gh2mf31p3f68paerz400000004z000000000a1b2\r\n"
    b"X-Cache: CONFIG_NOCACHE\r\n"
    b"\r\n"
)
"""With the fields that the service and its front door send, of their usual length."""


def response(body: bytes) -> bytes:
    """Return a response with a JSON body, in one chunk as the service sends it."""
    return b"%b%x\r\n%b\r\n0\r\n\r\n" % (HEAD, len(body), body)
