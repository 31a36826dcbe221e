"""A server is closed unless it is said to be open."""

import dataclasses

import pytest

from barmill.errors import InputError
from barmill.serving.server_config import ServerConfig


def of(tmp_path, **values):
    return ServerConfig.of({"models": str(tmp_path), **values}, "config.yaml")


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "example.org"])
def test_other_machines_are_served_with_keys_or_out_loud(tmp_path, host):
    with pytest.raises(InputError, match="no keys are asked for"):
        of(tmp_path, host=host).check()
    insecure = of(tmp_path, host=host, insecure=True)
    insecure.check()
    assert [told.split(":")[0] for told in insecure.warnings()] == ["insecure", "no TLS"]
    assert insecure.allowed_hosts is None


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.2", "::1", "localhost"])
def test_this_machine_alone_is_served_without_and_other_names_are_refused(tmp_path, host):
    local = of(tmp_path, host=host)
    local.check()
    assert local.warnings() == ()
    assert local.allowed_hosts >= {host, "localhost"}


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ({"prt": 1}, "prt"),
        ({"port": 70_000}, "port"),
        ({"port": "8080"}, "port"),
        ({"workers": 0}, "workers"),
        ({"limits": {"max_bdy": 1}}, "limits.max_bdy"),
        ({"plane": {"max_seconds": "2"}}, "max_seconds"),
        ({"tls_cert": "a.pem"}, "tls_cert"),
        ({"tls_client_ca": "a.pem"}, "tls_client_ca"),
        ({"manage": True}, "manage"),
    ],
)
def test_a_setting_that_is_none_is_named(tmp_path, values, named):
    with pytest.raises(InputError, match=named):
        of(tmp_path, **values)


def test_files_that_are_not_there_are_told_before_anything_is_loaded(tmp_path):
    with pytest.raises(InputError, match="is no file"):
        of(tmp_path, keys=str(tmp_path / "none.json")).check()
    with pytest.raises(InputError, match="nothing to serve"):
        ServerConfig().check()


def test_a_worker_reads_what_its_supervisor_was_told(tmp_path):
    told = of(tmp_path, workers=3, limits={"rate": 2.5}, plane={"max_seconds": 1.0}, hosts=["a.example"])
    assert ServerConfig.from_json(told.to_json()) == told
    assert dataclasses.asdict(told)["limits"]["rate"] == 2.5
