"""The shorter way of requests of the API, over a real web process: what it must not lose of Django's."""

import socket
import time

from tests.support.api_user import ApiUser


def test_an_answer_has_what_the_middleware_adds(api: ApiUser) -> None:
    answer = api.http().get("/v1/models", headers={"X-Request-ID": "mine"})
    assert answer.status_code == 200
    assert answer.headers["x-request-id"] == "mine"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["content-length"] == str(len(answer.content))


def test_many_requests_share_a_connection_and_pages_answer_beside_them(api: ApiUser) -> None:
    client = api.http()
    for _ in range(5):
        assert client.get("/v1/models").json()["object"] == "list"
        assert client.get("/sign-in/").status_code in (200, 404)
    assert client.get("/v1/nowhere").json()["error"]["message"]


def test_who_hangs_up_in_the_middle_disturbs_nobody(api: ApiUser) -> None:
    head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {api.token}\r\n"
    for body in ("Content-Length: 100\r\n\r\nhalf", "Content-Length: 2\r\n\r\n{}"):
        with socket.create_connection(("127.0.0.1", api.server.port)) as connection:
            connection.sendall((head + body).encode())
            time.sleep(0.05)
    assert api.http().get("/v1/models").status_code == 200
    assert "Traceback" not in api.server.log
