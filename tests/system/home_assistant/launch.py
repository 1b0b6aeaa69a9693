"""Starts Home Assistant in its Debian root with only the configured integrations.

Default integrations, such as the web front end, would be downloaded at run time.
"""

import sys

from homeassistant import bootstrap

bootstrap.DEFAULT_INTEGRATIONS = {"logger"}
bootstrap.CRITICAL_INTEGRATIONS = set()

from homeassistant.__main__ import main  # noqa: E402  (reads what was set above)

sys.exit(main())
