"""Configuration folder of a completed Home Assistant onboarding: an owner, a token, a broker.

Writes the files that onboarding stores (`.storage`, formats of 2026.11).
"""

import base64
import hashlib
import hmac
import json
import secrets
import time
from pathlib import Path

from page import automations

#: Title of the MQTT integration's entry; templates find its entities by it.
BROKER_TITLE = "broker"

CREATED = "2026-11-01T00:00:00+00:00"

CONFIGURATION = """\
homeassistant:
  name: Test
  time_zone: UTC
  unit_system: metric
api:
config:
mqtt:
automation: !include automations.yaml
scene:
  - name: Evening
    entities: {}
logger:
  default: warning
  logs:
    homeassistant.components.mqtt: info
"""


def seed(folder: Path, http_port: int, broker_port: int) -> str:
    """Fills `folder`. Returns a token for the REST interface on 127.0.0.1:`http_port`."""
    (folder / ".storage").mkdir(parents=True)
    (folder / "configuration.yaml").write_text(CONFIGURATION)
    (folder / "automations.yaml").write_text(automations("den_tuner"))
    user, token, key = secrets.token_hex(16), secrets.token_hex(16), secrets.token_hex(64)
    _store(folder, "auth", 1, 1, _auth(user, token, key))
    _store(folder, "http", 3, 1, _http(http_port))
    _store(folder, "core.config_entries", 1, 5, {"entries": [_broker(broker_port)]})
    return _jwt(token, key)


def _store(folder: Path, name: str, version: int, minor_version: int, data: dict) -> None:
    document = {"version": version, "minor_version": minor_version, "key": name, "data": data}
    (folder / ".storage" / name).write_text(json.dumps(document))


def _auth(user: str, token: str, key: str) -> dict:
    groups = {"admin": "Administrators", "users": "Users", "read-only": "Read Only"}
    return {
        "groups": [{"id": f"system-{group}", "name": name} for group, name in groups.items()],
        "users": [
            {
                "id": user,
                "name": "Owner",
                "group_ids": ["system-admin"],
                "is_owner": True,
                "is_active": True,
                "system_generated": False,
                "local_only": False,
            }
        ],
        "credentials": [],
        "refresh_tokens": [
            {
                "id": token,
                "user_id": user,
                "token": secrets.token_hex(64),
                "jwt_key": key,
                "token_type": "long_lived_access_token",
                "access_token_expiration": 86400.0,
                "client_id": None,
                "client_name": "test",
                "client_icon": None,
                "created_at": CREATED,
                "expire_at": None,
                "last_used_at": None,
                "last_used_ip": None,
                "credential_id": None,
                "version": None,
            }
        ],
    }


def _http(port: int) -> dict:
    settings = {
        "server_host": ["127.0.0.1"],
        "server_port": port,
        "cors_allowed_origins": [],
        "ip_ban_enabled": False,
        "login_attempts_threshold": -1,
        "ssl_profile": "intermediate_v6",
        "use_x_frame_options": True,
        "created_at": CREATED,
        "error": None,
        "error_message": None,
    }
    return {"stable": settings, "pending": None, "yaml_migration_done": True}


def _broker(port: int) -> dict:
    return {
        "entry_id": secrets.token_hex(13),
        "domain": "mqtt",
        "title": BROKER_TITLE,
        "version": 2,
        "minor_version": 1,
        "data": {"broker": "127.0.0.1", "port": port, "protocol": "5"},
        "options": {"discovery": True, "discovery_prefix": "homeassistant"},
        "subentries": [],
        "source": "user",
        "unique_id": None,
        "disabled_by": None,
        "discovery_keys": {},
        "pref_disable_new_entities": False,
        "pref_disable_polling": False,
        "created_at": CREATED,
        "modified_at": CREATED,
    }


def _jwt(token: str, key: str) -> str:
    """Access token (RFC 7519, HS256) for the refresh token of `_auth`."""
    now = int(time.time())
    parts = ({"alg": "HS256", "typ": "JWT"}, {"iss": token, "iat": now, "exp": now + 86400})
    signed = ".".join(_base64(json.dumps(part).encode()) for part in parts)
    return f"{signed}.{_base64(hmac.new(key.encode(), signed.encode(), hashlib.sha256).digest())}"


def _base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
