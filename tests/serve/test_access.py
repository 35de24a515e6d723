"""Tests of the API key, of other origins, and of the headers for browsers."""

import base64
import hmac

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from mxnet_audio.serve import ServeSettings
from mxnet_audio.serve.access import SECURITY_HEADERS, LocalHosts, install_access
from mxnet_audio.serve.problems import install_problems
from tests.serve.asgi import request

KEY = "a secret: with a colon"
PAGE = "https://sounds.example"


def basic(text):
    """Return the header of a browser."""
    return {"Authorization": "Basic " + base64.b64encode(text.encode()).decode()}


GOOD = {
    "bearer": {"Authorization": f"Bearer {KEY}"},
    "lower case": {"authorization": f"bearer {KEY}"},
    "header": {"X-API-Key": KEY},
    "password": basic(f"anybody:{KEY}"),
    "password alone": basic(f":{KEY}"),
}
BAD = {
    "nothing": {},
    "another": {"Authorization": "Bearer another"},
    "prefix": {"X-API-Key": KEY[:-1]},
    "longer": {"X-API-Key": KEY + "x"},
    "empty": {"X-API-Key": ""},
    "case": {"X-API-Key": KEY.upper()},
    "name": basic(f"{KEY}:"),
    "no colon": basic(KEY.replace(":", "")),
    "no base64": {"Authorization": "Basic \xff%%"},
    "scheme": {"Authorization": f"Digest {KEY}"},
    "no scheme": {"Authorization": KEY},
    "long": {"X-API-Key": "k" * 100_000},
    "latin": {"X-API-Key": "\xe4\xff"},
    "both": {"X-API-Key": "another", "Authorization": f"Bearer {KEY}"},
}


def make_app(**settings):
    """Return an app with a route, an open route and one that fails."""
    app = FastAPI()
    install_problems(app)
    install_access(app, ServeSettings(**settings))

    @app.api_route("/v1/sound", methods=["GET", "POST"])
    @app.get("/healthz")
    @app.get("/readyz")
    async def sound():
        return "an answer"

    @app.get("/failure")
    async def failure():
        raise RuntimeError

    @app.websocket("/socket")
    async def socket(websocket):
        await websocket.accept()

    return app


@pytest.fixture(scope="module")
def locked():
    return TestClient(make_app(api_key=KEY), raise_server_exceptions=False)


@pytest.fixture(scope="module")
def unlocked():
    return TestClient(make_app(allowed_origins=(PAGE,)), raise_server_exceptions=False)


@pytest.mark.parametrize("way", GOOD)
def test_the_key_opens(locked, way):
    assert locked.get("/v1/sound", headers=GOOD[way]).json() == "an answer"


@pytest.mark.parametrize("way", BAD)
@pytest.mark.parametrize(
    "path",
    ["/v1/sound", "/openapi.json", "/missing", "/healthz/", "//healthz", "/healthz%2f..%2fv1%2fsound", "/HEALTHZ"],
)
def test_nothing_is_answered_without_the_key(locked, way, path):
    answer = locked.get(path, headers={name: value.encode("latin-1") for name, value in BAD[way].items()})
    assert (answer.status_code, answer.json()["type"]) == (401, "urn:mxnet-audio:unauthorized")
    assert answer.headers["www-authenticate"].startswith("Basic realm=")
    assert KEY not in answer.text


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "HACK"])
def test_the_key_is_needed_for_each_method(locked, method):
    assert locked.request(method, "/v1/sound").status_code == 401


def test_a_body_is_not_read_without_the_key(locked):
    answer = request(locked.app, (bytes(1000) for _ in range(1000)))
    assert (answer.status, answer.parts) == (401, 0)


def test_an_app_that_is_mounted_needs_the_key_too():
    app = make_app(api_key=KEY)
    page = FastAPI()
    app.mount("/", page)

    @page.get("/")
    @page.get("/config")
    async def config():
        return "an answer"

    client = TestClient(app)
    for path in ("/", "", "/config", "/healthz/../config", "/missing"):
        assert client.get(path).status_code == 401
    answer = client.get("/config", headers=GOOD["password"])
    assert answer.json() == "an answer" and "content-security-policy" in answer.headers


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
def test_supervisors_need_no_key(locked, path):
    assert locked.get(path).status_code == 200


def test_sockets_need_the_key(locked):
    from starlette.websockets import WebSocketDisconnect

    with pytest.raises(WebSocketDisconnect), locked.websocket_connect("/socket"):
        pass


def test_keys_are_compared_in_constant_time(locked, monkeypatch):
    compared = []
    monkeypatch.setattr(hmac, "compare_digest", lambda a, b: compared.append((a, b)) or False)
    assert locked.get("/v1/sound", headers=GOOD["header"]).status_code == 401
    assert compared == [(KEY.encode(), KEY.encode())]


@pytest.mark.parametrize("path", ["/v1/sound", "/missing", "/failure", "/healthz"])
def test_each_answer_restricts_browsers(locked, unlocked, path):
    for client in (locked, unlocked):
        headers = client.get(path).headers
        assert {name: headers[name] for name in SECURITY_HEADERS} == SECURITY_HEADERS
    sources = SECURITY_HEADERS["Content-Security-Policy"]
    assert "default-src 'self'" in sources and "http" not in sources and "*" not in sources


def test_scripts_of_other_origins_are_off_by_default():
    client = TestClient(make_app())
    answer = client.get("/v1/sound", headers={"Origin": PAGE})
    assert not [name for name in answer.headers if name.startswith("access-control")]
    wish = {"Origin": PAGE, "Access-Control-Request-Method": "POST"}
    assert client.options("/v1/sound", headers=wish).status_code == 405


def test_scripts_of_allowed_origins_may_call():
    client = TestClient(make_app(allowed_origins=(PAGE,), api_key=KEY))
    wish = {"Origin": PAGE, "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "x-api-key"}
    answer = client.options("/v1/sound", headers=wish)  # before the browser sends the key
    assert answer.status_code == 200 and answer.headers["access-control-allow-origin"] == PAGE
    assert "access-control-allow-credentials" not in answer.headers
    answer = client.post("/v1/sound", headers={"Origin": PAGE, "Sec-Fetch-Site": "cross-site", **GOOD["bearer"]})
    assert answer.status_code == 200 and answer.headers["access-control-allow-origin"] == PAGE
    answer = client.post("/v1/sound", headers={"Origin": PAGE})
    assert answer.status_code == 401 and answer.headers["access-control-allow-origin"] == PAGE
    answer = client.options("/v1/sound", headers={**wish, "Origin": "https://other.example"})
    assert "access-control-allow-origin" not in answer.headers


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_forms_of_other_pages_are_refused(unlocked, site):
    for origin in ({}, {"Origin": "https://other.example"}, {"Origin": "null"}):
        answer = unlocked.post("/v1/sound", headers={"Sec-Fetch-Site": site, **origin})
        assert (answer.status_code, answer.json()["type"]) == (403, "urn:mxnet-audio:foreign-page")
    assert unlocked.get("/v1/sound", headers={"Sec-Fetch-Site": site}).status_code == 200  # a link
    for own in ("same-origin", "none"):
        assert unlocked.post("/v1/sound", headers={"Sec-Fetch-Site": own}).status_code == 200


def test_browsers_that_do_not_name_the_site_name_the_origin(unlocked):
    """Over HTTP, browsers name the site to this machine only."""
    own = str(unlocked.base_url).rstrip("/")
    for origin in ("https://other.example", f"{own}:81", f"{own}.other.example", "null", "", "file://"):
        answer = unlocked.post("/v1/sound", headers={"Origin": origin})
        assert (answer.status_code, answer.json()["type"]) == (403, "urn:mxnet-audio:foreign-page"), origin
    for origin in (own, PAGE):
        assert unlocked.post("/v1/sound", headers={"Origin": origin}).status_code == 200


def test_names_that_only_seem_to_be_this_machine_are_refused():
    client = TestClient(LocalHosts(make_app(), (PAGE,)))
    for host in (
        "localhost",
        "localhost:8000",
        "127.0.0.1:8000",
        "127.1.2.3",
        "[::1]:8000",
        "sounds.example",
        "LOCALHOST",
    ):
        assert client.get("/v1/sound", headers={"Host": host}).status_code == 200
    for host in ("attacker.example:8000", "localhost.attacker.example", "192.168.0.1", "", "[", "a" * 9000, "0x7f.1"):
        answer = client.get("/v1/sound", headers={"Host": host})
        assert (answer.status_code, answer.json()["type"]) == (421, "urn:mxnet-audio:foreign-host")
