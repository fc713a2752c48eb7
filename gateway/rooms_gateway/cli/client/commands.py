"""The commands `rooms` and `participants`: a small client for people without grpcurl."""

from collections.abc import Callable
from uuid import UUID

import click

from rooms_gateway.cli.client.connection import GatewayConnection, linked
from rooms_gateway.cli.client.inputs import INSTANT, PERSON, Instant, Person

_EPILOG = (
    "Exit status: 0 for success, 2 for wrong usage, 130 for Ctrl-C, and 64 plus the gRPC code for"
    " a failed call, as grpcurl has it: 67 INVALID_ARGUMENT, 69 NOT_FOUND, 78 UNAVAILABLE."
)


def windowed(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options that describe a room; what is not given stays None."""
    times = "RFC 3339 (UTC unless it says otherwise), or from now: now, +2h, +1d12h."
    for option in (
        click.option(
            "--pstn-dial-out/--no-pstn-dial-out",
            default=None,
            help="Whether people in the room may call phone numbers.",
        ),
        click.option(
            "--valid-until", type=INSTANT, help="When nobody can join any more; as above."
        ),
        click.option("--valid-from", type=INSTANT, help=f"When people can begin to join: {times}"),
    ):
        command = option(command)
    return command


def paged(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options of a list."""
    token = click.option("--page-token", default="", help="Resume where an earlier list stopped.")
    pages = click.option(
        "--max-pages",
        type=click.IntRange(0, 2**32 - 1),
        default=0,
        help="Stop after so many pages and say how to resume; 0 lists all.",
    )
    return token(pages(command))


@click.group(epilog=_EPILOG)
def rooms() -> None:
    """Create, show, change, delete and list rooms."""


@rooms.command()
@windowed
@click.option(
    "--participant",
    "participants",
    type=PERSON,
    multiple=True,
    help="Put somebody on the roster; repeatable. Roles: presenter, attendee, consumer,"
    " collaborator.",
)
@click.option("--request-id", type=click.UUID, help="Repeat a create with its id to make one room.")
@linked
def create(  # noqa: PLR0913 - as many as the request has fields
    link: GatewayConnection,
    *,
    valid_from: Instant | None,
    valid_until: Instant | None,
    pstn_dial_out: bool | None,
    participants: tuple[Person, ...],
    request_id: UUID | None,
) -> None:
    """Make a room and show it. What is not given is the service's default."""
    with link.open() as (client, show):
        show.room(
            client.create_room(
                valid_from, valid_until, pstn_dial_out, participants, str(request_id or "")
            )
        )


@rooms.command()
@click.argument("room_id")
@linked
def get(link: GatewayConnection, *, room_id: str) -> None:
    """Show a room."""
    with link.open() as (client, show):
        show.room(client.get_room(room_id))


@rooms.command()
@click.argument("room_id")
@windowed
@linked
def update(
    link: GatewayConnection,
    *,
    room_id: str,
    valid_from: Instant | None,
    valid_until: Instant | None,
    pstn_dial_out: bool | None,
) -> None:
    """Change a room and show it. What is not given stays as it is."""
    with link.open() as (client, show):
        show.room(client.update_room(room_id, valid_from, valid_until, pstn_dial_out))


@rooms.command()
@click.argument("room_id")
@linked
def delete(link: GatewayConnection, *, room_id: str) -> None:
    """Delete a room at once, for good."""
    with link.open() as (client, show):
        show.done(client.delete_room(room_id), f"Deleted room {room_id}.")


@rooms.command("list")
@paged
@linked
def list_rooms(link: GatewayConnection, *, page_token: str, max_pages: int) -> None:
    """List all rooms, newest first."""
    with link.open() as (client, show):
        show.rooms(client.list_rooms(page_token, max_pages))


@click.group(epilog=_EPILOG)
def participants() -> None:
    """Change and list the people on a room's roster."""


@participants.command()
@click.argument("room_id")
@click.argument("people", metavar="RAW_ID[=ROLE]...", type=PERSON, nargs=-1, required=True)
@linked
def upsert(link: GatewayConnection, *, room_id: str, people: tuple[Person, ...]) -> None:
    """Put people on the roster, or change the roles of those already there.

    Roles: presenter, attendee (the default), consumer, collaborator.
    """
    with link.open() as (client, show):
        answer = client.upsert_participants(room_id, people)
        show.done(answer, f"Added or changed {_people(len(people))} in room {room_id}.")


@participants.command()
@click.argument("room_id")
@click.argument("raw_ids", metavar="RAW_ID...", nargs=-1, required=True)
@linked
def remove(link: GatewayConnection, *, room_id: str, raw_ids: tuple[str, ...]) -> None:
    """Take people off the roster."""
    with link.open() as (client, show):
        answer = client.remove_participants(room_id, raw_ids)
        show.done(answer, f"Removed {_people(len(raw_ids))} from room {room_id}.")


@participants.command("update")
@click.argument("room_id")
@click.option("--upsert", "people", type=PERSON, multiple=True, help="Add or change; repeatable.")
@click.option("--remove", "raw_ids", metavar="RAW_ID", multiple=True, help="Remove; repeatable.")
@linked
def update_participants(
    link: GatewayConnection, *, room_id: str, people: tuple[Person, ...], raw_ids: tuple[str, ...]
) -> None:
    """Add or change some people and remove others in one atomic step."""
    with link.open() as (client, show):
        answer = client.update_participants(room_id, people, raw_ids)
        show.done(
            answer,
            f"Added or changed {_people(len(people))} and removed {_people(len(raw_ids))}"
            f" in room {room_id}.",
        )


@participants.command("list")
@click.argument("room_id")
@paged
@linked
def list_participants(
    link: GatewayConnection, *, room_id: str, page_token: str, max_pages: int
) -> None:
    """List the roster in the order in which people were added."""
    with link.open() as (client, show):
        show.participants(client.list_participants(room_id, page_token, max_pages))


def _people(count: int) -> str:
    return f"{count} participant{'' if count == 1 else 's'}"
