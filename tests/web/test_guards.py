"""Every route of the review page, taken from the application itself: headers, hosts, tokens, paths."""

from __future__ import annotations

from pathlib import Path

from starlette.applications import Starlette
from starlette.routing import Mount, Route
from starlette.testclient import TestClient

from evoarch.agent.web.app import HEADERS, TOKEN_HEADER, create_app
from kit.reviewing import reviewed_campaign


def every_route(app: Starlette) -> list[tuple[str, str]]:
    """(method, address) of each route of the application itself, so that none can be forgotten here."""
    found = []
    for route in app.routes:
        if isinstance(route, Mount):
            assert route.path == "/static"
            found += [("GET", "/static/page.css"), ("GET", "/static/..%2fapp.py")]
        else:
            assert isinstance(route, Route)
            address = route.path.replace("{identity:int}", "3")
            ids = "?ids=3" if address in ("/compare", "/api/curves") else ""
            found += [(method, address + ids) for method in sorted(route.methods or ()) if method != "HEAD"]
    assert "{" not in str(found)
    return found


def test_every_route_is_guarded(tmp_path: Path) -> None:
    app = create_app(reviewed_campaign(tmp_path / "campaign"))
    with TestClient(app, base_url="http://127.0.0.1") as client:
        before = client.get("/events").json()
        for method, address in every_route(app):
            answer = client.request(method, address)
            for name, value in HEADERS.items():
                assert answer.headers[name] == value, address
            assert "<script>alert" not in answer.text or "html" not in answer.headers["content-type"], address
            if method == "POST":
                # Without this process's token, and from another origin with it.
                given = client.get("/").text.split('name="evoarch-token" content="')[1].split('"')[0]
                token = {TOKEN_HEADER: given, "origin": "http://evil.example"}
                assert answer.status_code == 403, address
                assert client.post(address, json={"kind": "veto"}, headers=token).status_code == 403, address
            elif "%2f" in address:
                assert answer.status_code == 404
            elif address != "/api/curves?ids=3":  # none of these trained with curves
                assert answer.status_code == 200, address
            stranger = client.request(method, address, headers={"host": "evil.example"})
            assert stranger.status_code == 400, address
            assert "evoarch-token" not in stranger.text
        assert client.get("/events").json() == before
