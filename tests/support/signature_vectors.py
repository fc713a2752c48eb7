"""Signature vectors for the tests of the emulator and of the gateway."""

from __future__ import annotations

KEY = "bm90LWEtc2VjcmV0LWtleS1mb3ItdGVzdHMtb25seSE="
"""Key of REQUESTS, which are to 127.0.0.1:8080 on Thu, 06 Mar 2025 00:20:03 GMT."""

BODIES = [
    (b"", "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="),
    (b'{"participants":{}}', "vhXrIgThnry4Vy9lrHrKsAYqKYXb+KwOlgiPVnEdBio="),
    (b"{}", "RBNvo1WzZ4oRRq0W9+hknpT7T8If536DEMBg9hyq/4o="),
    (
        b'{"validFrom": null, "validUntil": null, "pstnDialOutEnabled": false}',
        "2xVVJJKx5brgL5bSWgeu9hhccJP/PkHHEzXUfUClsMI=",
    ),
    (
        b'{"validFrom":"2023-09-29T00:39:38.394453700Z","pstnDialOutEnabled":false}',
        "BNf/153Yrt1bOH7ij9GCtQC0a3FcNbd3C5frhrofIyA=",
    ),
]
"""Bodies of recorded requests, and the hashes that clients sent with them."""

TEXTS = [
    ("banana", "88EC05aAS9iXnaimtNO78JLjiPtfWryQB/5QYEzEsu8="),
    ("😀", "1rudJKjn2Zi+3hRrBG29wIF6pD6YyAeQR1ZcFtXoKAU="),
]
"""Texts and their signatures with the key `pw==`, from the tests of Microsoft's clients."""

REQUESTS = [
    (
        "GET",
        "/rooms/99425796013118603?api-version=2025-03-13",
        b"",
        "fb0eVjgHg46DRz11HAkGxlpQHGEw9pofdDdlhPFvhkU=",
    ),
    (
        "POST",
        "/rooms?api-version=2025-03-13",
        b'{"participants":{}}',
        "OjB/gmLckS97kJACH1Eir3L3MMK+s0Pk0bpg78K9HKY=",
    ),
]
"""Method, target, body and signature."""
