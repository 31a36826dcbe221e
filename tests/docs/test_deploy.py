"""What the page on deployment says can be read by those for whom it is written: the server, systemd, a builder of containers."""

import configparser
import importlib.util
import json
import shlex
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.specifiers import SpecifierSet

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


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not installed")
def test_systemd_finds_nothing_in_the_unit_and_what_is_misspelt_it_does(tmp_path):
    """The program is looked for too, and so is this environment's."""
    program = str(Path(sys.executable).with_name("barmill"))
    good = block("systemd unit").replace("/opt/barmill/bin/barmill", program)
    found = {}
    for name, text in (("good", good), ("misspelt", good.replace("KillMode=", "KilMode=")), ("gone", block("systemd unit"))):
        unit = tmp_path / f"barmill-{name}.service"
        unit.write_text(text)
        said = subprocess.run(["systemd-analyze", "verify", "--man=no", unit], capture_output=True, text=True, timeout=60)
        found[name] = (said.stdout + said.stderr).replace(str(tmp_path), "")
    assert found["good"] == ""
    assert "'KilMode'" in found["misspelt"]
    assert "/opt/barmill/bin/barmill is not executable" in found["gone"]


INSTRUCTIONS = {"FROM", "RUN", "ENV", "USER", "VOLUME", "EXPOSE", "STOPSIGNAL", "HEALTHCHECK", "ENTRYPOINT", "CMD"}


def test_the_container_is_the_unit_in_another_form(unit):
    """No builder of containers works without its daemon, so the file is held to what the unit and the configuration say."""
    lines = block("container file").replace("\\\n", " ").splitlines()
    told = [line.split(" ", 1) for line in lines]
    assert {name for name, _ in told} == INSTRUCTIONS
    by_name = dict(told)
    service = unit["Service"]
    assert shlex.split(by_name["ENV"]) == shlex.split(" ".join(service["Environment"]))
    config = ServerConfig.of(read_yaml(block("server configuration"), "deploy.md").value, "deploy.md")
    assert by_name["EXPOSE"].split() == [str(config.port), str(config.grpc_port)]
    assert json.loads(by_name["VOLUME"]) == ["/var/cache/barmill", config.state]
    assert shlex.join(json.loads(by_name["ENTRYPOINT"]) + json.loads(by_name["CMD"])) == service["ExecStart"][0]
    probe = json.loads(by_name["HEALTHCHECK"].partition("CMD ")[2])
    assert f"('127.0.0.1', {config.port})" in probe[-1]
    compile(probe[-1], "HEALTHCHECK", "exec")
    version = by_name["FROM"].removeprefix("python:").removesuffix("-slim")
    requires = tomllib.loads((pages.DOCS.parent / "pyproject.toml").read_text())["project"]["requires-python"]
    assert SpecifierSet(requires).contains(version)
    made = [line for name, line in told if name == "RUN" and "install -d" in line]
    assert all(folder in made[0].split() for folder in json.loads(by_name["VOLUME"]))  # before USER, who may not make them
    assert lines.index(f"RUN {made[0]}") < lines.index(f"USER {by_name['USER']}")


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
