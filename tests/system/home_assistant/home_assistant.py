"""Home Assistant in a Debian root, and its REST interface."""

import http.client
import json
import shutil
import tempfile
import threading
import time
from pathlib import Path

from processes import Failure, Process, free_port, until
from seed import BROKER_TITLE, seed

#: What it takes to start on a machine that is busy with other things, in seconds.
START = 90.0


class HomeAssistant(Process):
    """A Home Assistant with a temporary configuration folder in the root, deleted by `close`."""

    name = "Home Assistant"
    grace = 40.0

    def __init__(self, root, folder, broker_port):
        super().__init__(folder / "home-assistant.log")
        self.root = root
        self.port = free_port()
        self.configuration = Path(tempfile.mkdtemp(prefix="test-", dir=root / "root"))
        self.token = seed(self.configuration, self.port, broker_port)
        shutil.copy(Path(__file__).with_name("launch.py"), self.configuration)
        #: Every event that was seen of `state_changed` and the registries, in order.
        self.events = []

    def start(self):
        inside = "/" + str(self.configuration.relative_to(self.root))
        path = "/opt/ha/bin:/usr/sbin:/usr/bin:/sbin:/bin"
        command = ["chroot", self.root, "/opt/ha/bin/python", f"{inside}/launch.py", "-c", inside, "--skip-pip"]
        self.launch(command, env={"PATH": path, "HOME": "/root", "LANG": "C.UTF-8"})
        until("Home Assistant answers", lambda: self._state() is not None, START)
        self._follow()
        until("Home Assistant runs", lambda: self._state() == "RUNNING", START)

    def _state(self):
        self.alive()
        try:
            return self.get("/api/config")["state"]
        except (OSError, http.client.HTTPException):
            return None

    def close(self):
        self.kill()
        shutil.rmtree(self.configuration, ignore_errors=True)

    def get(self, path):
        """Parsed response to a GET; `None` on 404."""
        return self._ask("GET", path, None)

    def states(self):
        """States of all entities by id: `{"state", "attributes", …}`."""
        return {state["entity_id"]: state for state in self.get("/api/states")}

    def state(self, entity):
        """State and attributes of an entity, or `(None, {})`."""
        found = self.get(f"/api/states/{entity}")
        return (found["state"], found["attributes"]) if found else (None, {})

    def template(self, text):
        """Parsed result of a template that renders to JSON."""
        return json.loads(self._ask("POST", "/api/template", {"template": text}, parsed=False))

    def registered(self):
        """Ids of all MQTT entities, disabled ones included, sorted."""
        return sorted(self.template(f"{{{{ integration_entities('{BROKER_TITLE}') | to_json }}}}"))

    def device(self, entity):
        """`{"id", "name", "via", "page", "identifiers"}` of an entity's device; ids are `None` where
        there is none, and so is the page."""
        return self.template(
            f"{{% set id = device_id('{entity}') %}}"
            "{{ {'id': id, 'name': device_attr(id, 'name') if id else none,"
            " 'via': device_attr(id, 'via_device_id') if id else none,"
            " 'page': device_attr(id, 'configuration_url') | string if id else none,"
            " 'identifiers': device_attr(id, 'identifiers') | map('last') | list if id else []} | to_json }}"
        )

    def _ask(self, method, path, body, parsed=True):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            headers = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"}
            connection.request(method, path, json.dumps(body) if body else None, headers)
            answer = connection.getresponse()
            text = answer.read().decode()
        finally:
            connection.close()
        if answer.status == 404:
            return None
        if answer.status != 200:
            raise Failure(f"Home Assistant answered {answer.status} to {path}: {text[:300]}")
        return json.loads(text) if parsed else text

    def _follow(self):
        """Collects `events` until this Home Assistant ends."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=120)
        kinds = "state_changed,entity_registry_updated,device_registry_updated"
        connection.request("GET", f"/api/stream?restrict={kinds}", headers={"Authorization": f"Bearer {self.token}"})
        answer = connection.getresponse()
        # The first line confirms the subscription.
        answer.readline()
        threading.Thread(target=self._collect, args=[connection, answer], daemon=True).start()

    def _collect(self, connection, answer):
        try:
            for line in answer:
                if line.startswith(b"data: {"):
                    self.events.append(json.loads(line[6:]) | {"at": time.monotonic()})
        except (OSError, http.client.HTTPException):
            pass
        finally:
            connection.close()

    def changes(self, kind, since=0):
        """Data of the events of one kind, from event number `since`."""
        return [event["data"] for event in self.events[since:] if event["event_type"] == kind]

    def complaints(self):
        """Log records of level warning or above, with their following lines, such as a
        traceback."""
        records = []
        for line in self.log.read_text(errors="replace").splitlines():
            words = line.split(" ", 3)
            if len(words) > 2 and words[2] in ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"):
                records.append([words[2], line])
            elif records:
                records[-1][1] += "\n" + line
            else:
                # Errors before the first record, when logging had not started.
                records.append(["ERROR", line])
        return [text for level, text in records if level not in ("DEBUG", "INFO")]
