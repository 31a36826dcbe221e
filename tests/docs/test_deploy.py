"""What the page on deployment says can be read by those for whom it is written: the server, systemd, a builder of containers."""

import configparser
import importlib.util
import json
import shlex
import sys
from pathlib import Path

import pytest

from barmill.pipeline.yaml_reading import read_yaml
from barmill.serving.server_config import ServerConfig


def _pages():
    spec = importlib.util.spec_from_file_location("docs_pages", Path(__file__).with_name("pages.py"))
    module = importlib.util.module_from_spec(spec)
    sys.modules["docs_pages"] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


pages = _pages()
PAGE = pages.DOCS / "how-to" / "deploy.md"


def block(remark: str) -> str:
    (found,) = [one.text for one in pages.blocks_of(PAGE, "yml", "ini", "dockerfile") if one.remark == remark]
    return found


@pytest.fixture(scope="module")
def unit() -> dict[str, dict[str, list[str]]]:
    """The systemd unit: sections, keys, and every value of a key."""
    found: dict[str, dict[str, list[str]]] = {}
    for line in block("systemd unit").splitlines():
        if line.startswith("["):
            section = found.setdefault(line.strip("[]"), {})
        elif line:
            key, _, value = line.partition("=")
            section.setdefault(key, []).append(value)
    return found


def test_the_configuration_is_one_of_a_server_and_needs_no_warning():
    told = ServerConfig.of(read_yaml(block("server configuration"), "deploy.md").value, "deploy.md")
    assert (told.port, told.grpc_port, told.workers, told.drain_seconds) == (8443, 8444, 2, 20)
    assert told.warnings() == ()


def test_the_unit_can_be_read_and_gives_the_server_time_to_drain(unit):
    parser = configparser.RawConfigParser(strict=False)
    parser.read_string(block("systemd unit"))
    assert parser.sections() == ["Unit", "Service", "Install"]
    service = unit["Service"]
    program, command, option, config = shlex.split(service["ExecStart"][0])
    assert (Path(program).name, command, option) == ("barmill", "serve", "--config")
    assert config == "/etc/barmill/serve.yaml"
    told = ServerConfig.of(read_yaml(block("server configuration"), "deploy.md").value, "deploy.md")
    assert int(service["TimeoutStopSec"][0]) > told.drain_seconds
    assert told.state == f"/var/lib/{service['StateDirectory'][0]}"
    assert told.models in service["ReadOnlyPaths"][0].split()


def test_the_container_runs_the_same_command_as_a_user_without_rights():
    lines = block("container file").replace("\\\n", " ").splitlines()
    told = dict(line.split(" ", 1) for line in lines)
    assert json.loads(told["ENTRYPOINT"]) + json.loads(told["CMD"]) == [
        "/opt/barmill/bin/barmill",
        "serve",
        "--config",
        "/etc/barmill/serve.yaml",
    ]
    assert told["USER"] == "barmill"
    assert told["EXPOSE"] == "8443 8444"
