"""Starts Home Assistant within its Debian root, with the integrations that the configuration names alone.

The others of a usual start, the web front end among them, would be fetched while it runs.
"""

import sys

from homeassistant import bootstrap

bootstrap.DEFAULT_INTEGRATIONS = {"logger"}
bootstrap.CRITICAL_INTEGRATIONS = set()

from homeassistant.__main__ import main  # noqa: E402  (reads what was set above)

sys.exit(main())
