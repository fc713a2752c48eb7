"""The part of the identity REST API that the Rooms quickstart begins with.

It makes users and their access tokens. See ``docs/emulator.md`` for what is recorded fact and what
is a choice of ours.
"""
