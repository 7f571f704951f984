"""The suite's own servers come up, answer, and leave nothing behind."""

import psycopg
import pytest
import redis

from tests.servers import PostgreSQL, Redis, ServerMissing, chromium, program

pytestmark = pytest.mark.postgres


def test_postgresql_answers_and_goes():
    server = PostgreSQL()
    with server as url, psycopg.connect(url) as connection:
        assert connection.execute("SHOW fsync").fetchone() == ("off",)
        assert connection.execute("SHOW server_encoding").fetchone() == ("UTF8",)
    assert not server.folder.exists()
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(url, connect_timeout=2)


def test_redis_answers_and_goes():
    server = Redis()
    with server as url, redis.Redis.from_url(url) as client:
        assert client.ping()
        assert client.config_get("appendonly") == {"appendonly": "no"}
    assert not server.folder.exists()


def test_two_of_a_kind_stand_side_by_side():
    with Redis() as one, Redis() as other:
        assert one != other


def test_a_missing_program_is_named():
    with pytest.raises(ServerMissing, match="no-such-server is not installed"):
        program("no-such-server")


def test_chromium_is_found():
    assert chromium().exists()
