"""Checks that the page works below a path prefix: its base, its files, the API and events."""

import json
import re
import sys
import time
import urllib.error
import urllib.request


def get(address: str, **headers: str) -> str:
    request = urllib.request.Request(address, headers=headers)
    with urllib.request.urlopen(request, timeout=20) as answer:
        return answer.read().decode()


def wait_for(address: str) -> str:
    for _ in range(100):
        try:
            return get(address)
        except (urllib.error.URLError, ConnectionError):
            time.sleep(0.1)
    sys.exit(f"check_proxy: {address} does not answer")


def main() -> None:
    base = sys.argv[1]
    prefix = "/" + base.rsplit("/", 1)[1]
    for path in ["/", "/s/tape", "/try"]:
        page = wait_for(base + path)
        assert f'<base href="{prefix}/">' in page, page[:500]
        for link in re.findall(r'(?:src|href)="(assets/[^"]+)"', page):
            assert get(f"{base}/{link}"), link
    sources = json.loads(get(f"{base}/api/v1/sources"))["sources"]
    assert [source["name"] for source in sources] == ["tape", "other"], sources
    request = urllib.request.Request(f"{base}/api/v1/events?sources=tape")
    with urllib.request.urlopen(request, timeout=20) as events:
        assert events.readline() == b"event: hello\n"
    print("check_proxy: ok")


main()
