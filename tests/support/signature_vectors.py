"""What is signed, and what it is signed to: both sides are tested against the same vectors."""

KEY = "bm90LWEtc2VjcmV0LWtleS1mb3ItdGVzdHMtb25seSE="
"""Of REQUESTS, to 127.0.0.1:8080 on Thu, 06 Mar 2025 00:20:03 GMT."""

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
"""Recorded requests, and the hashes that clients were seen to send with them."""

TEXTS = [
    ("banana", "88EC05aAS9iXnaimtNO78JLjiPtfWryQB/5QYEzEsu8="),
    ("😀", "1rudJKjn2Zi+3hRrBG29wIF6pD6YyAeQR1ZcFtXoKAU="),
]
"""Microsoft's clients expect them to be signed so with `pw==`."""

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
"""Method, target and body, and the signature."""
