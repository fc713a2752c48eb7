from __future__ import annotations

from hypothesis import settings

# No hypothesis deadline: a busy machine is not a failure.
settings.register_profile("undisturbed", deadline=None)
settings.load_profile("undisturbed")
