"""An example of every command that calls a gateway, with all flags of its request."""

from __future__ import annotations

from support.paths import ROOT

_FILES = ROOT / "tests/support/bulk_files"
CREATES, DELETES = str(_FILES / "creates.ndjson"), str(_FILES / "deletes.csv")
"""Files of items."""
EXPORT = ROOT / "tests/support/export.jsonl"
"""An export of one room."""

ALICE = "8:acs:resource_alice"
BOB = "4:+1=425"
UUID = "11111111-2222-4333-8444-555555555555"

_DRY_RUN = ("--dry-run", "--show-identifiers")
_TOKEN = ("--scope", "voip.join", "--scope", "chat.join.limited", "--lifetime", "1h30m")
_WINDOW = ("--valid-from", "2030-01-01", "--valid-until", "2030-01-01T00:00:00.123456789+01:00")

EXAMPLES: dict[tuple[str, ...], str] = {
    (
        *("rooms", "create", *_WINDOW, "--no-pstn-dial-out", "--participant", f"{ALICE}=presenter"),
        *("--participant", ALICE, "--request-id", UUID, "--include-participants", *_DRY_RUN),
    ): "CreateRoom",
    ("rooms", "create"): "CreateRoom",
    ("rooms", "get", "7", "--include-participants"): "GetRoom",
    ("rooms", "update", "7", *_WINDOW, "--pstn-dial-out", *_DRY_RUN): "UpdateRoom",
    ("rooms", "delete", "7", "--allow-missing", "--yes", *_DRY_RUN): "DeleteRoom",
    (
        *("rooms", "bulk-create", CREATES, "--job-id", UUID, "--timeout", "30", "--format", "json"),
        *_DRY_RUN,
    ): "BulkCreateRooms",
    (
        *("rooms", "bulk-delete", DELETES, "--allow-missing", "--yes", "--timeout", "30"),
        *_DRY_RUN,
    ): "BulkDeleteRooms",
    ("rooms", "list", "--page-token", "a'b\"c", "--max-pages", "3"): "ListRooms",
    (
        *("rooms", "list", "--valid-at", "2030-01-01", "--created-after", "2029-01-01"),
        *("--created-before", "2031-01-01", "--closes-before", "2032-01-01T00:00:00.1234567+01:00"),
        *("--no-dial-out", "--include-participants"),
    ): "ListRooms",
    ("rooms", "export", "--created-after", "2029-01-01", "--dial-out"): "ListRooms",
    ("rooms", "import", str(EXPORT), "--only-users-of", "o'neil", "--job-id", UUID): "CreateRoom",
    ("participants", "upsert", "7", f"{ALICE}=collaborator", f"{BOB}=consumer", *_DRY_RUN): (
        "UpsertParticipants"
    ),
    ("participants", "remove", "7", ALICE, "8:$(date) `date`\\\n\x07é☃", *_DRY_RUN): (
        "RemoveParticipants"
    ),
    ("participants", "update", "7", "--upsert", ALICE, "--remove", BOB, *_DRY_RUN): (
        "UpdateParticipants"
    ),
    (
        *("participants", "sync", "7", ALICE, f"{BOB}=consumer"),
        *("--expected-fingerprint", "a-b_c", "--max-removals", "0", *_DRY_RUN),
    ): "SyncParticipants",
    ("participants", "list", "7", "--page-token", "t", "--max-pages", "1"): "ListParticipants",
    ("users", "create", "--custom-id", "$USER", "--token", *_TOKEN, *_DRY_RUN): "CreateUser",
    ("users", "create", "--token"): "CreateUser",
    ("users", "token", ALICE, *_TOKEN, *_DRY_RUN): "IssueToken",
    ("users", "revoke", ALICE, *_DRY_RUN): "RevokeTokens",
    ("users", "delete", ALICE, "--allow-missing", "--yes", *_DRY_RUN): "DeleteUser",
    ("users", "exchange-teams-token", "--app-id", UUID, "--user-id", UUID, *_DRY_RUN): (
        "ExchangeTeamsUserToken"
    ),
    (
        *("join", "admit", "7", "new=presenter#Alice O'Neil", "custom:a=b=consumer", f"{ALICE}#"),
        *(*_TOKEN, *_DRY_RUN),
    ): "AdmitParticipants",
    (
        *("join", "create-room", "new=presenter", *_WINDOW, "--pstn-dial-out"),
        *("--participant", ALICE, "--request-id", UUID, *_TOKEN, *_DRY_RUN),
    ): "CreateRoomWithGuests",
    ("join", "explain", "7", ALICE, "--at", "2030-01-01", "--access-token-file", "-"): (
        "ExplainJoin"
    ),
}
"""The name of the RPC by the arguments. Commands that read a token read it from standard input."""
