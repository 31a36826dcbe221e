"""The checked-in code is what the .proto files make, and the protocol's fields have the numbers that KServe and Triton gave them."""

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import pytest

from barmill.serving.grpc.protocol import inference_pb2 as pb

HERE = Path(__file__).parent


def test_the_code_is_what_the_proto_files_make(tmp_path: Path) -> None:
    spec = importlib.util.spec_from_file_location("barmill_generating", HERE / "generating.py")
    assert spec is not None
    assert spec.loader is not None
    generating = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(generating)
    generating.generate(tmp_path)
    made = {path.name: path.read_text() for path in (tmp_path / generating.PROTOCOL).iterdir()}
    kept = {path.name: path.read_text() for path in (generating.SOURCE / generating.PROTOCOL).glob("*_pb2*.py*")}
    assert len(made) == 6
    assert made == kept


FIELDS = """
import json
from tritonclient.grpc import service_pb2 as triton

def fields(message):
    found = {one.name: [one.number, one.type, one.is_repeated] for one in message.fields}
    return found | {nested.name: fields(nested) for nested in message.nested_types}

print(json.dumps({name: fields(message) for name, message in triton.DESCRIPTOR.message_types_by_name.items()}))
"""


def _differing(ours, theirs: dict, place: str) -> list[str]:
    """Fields of ours that theirs has not, or otherwise. Theirs may have more."""
    found = [f"{place}.{field.name}" for field in ours.fields if theirs.get(field.name) != [field.number, field.type, field.is_repeated]]
    return [*found, *(one for nested in ours.nested_types for one in _differing(nested, theirs[nested.name], f"{place}.{nested.name}"))]


def test_every_field_has_its_number_and_type_in_tritons_own_messages() -> None:
    # Triton's messages have our names: one process cannot hold both.
    said = subprocess.run([sys.executable, "-c", FIELDS], capture_output=True, text=True, check=True, timeout=60)
    theirs = json.loads(said.stdout)
    messages = pb.DESCRIPTOR.message_types_by_name
    assert len(messages) == 16
    assert [one for name, message in messages.items() for one in _differing(message, theirs[name], name)] == []


@pytest.mark.parametrize("name", ["barmill", "inference"])
def test_the_stubs_for_clients_call_the_methods_that_are_served(name: str) -> None:
    from barmill.serving.grpc.server import SERVICES

    module = __import__(f"barmill.serving.grpc.protocol.{name}_pb2", fromlist=["DESCRIPTOR"])
    served = {service.name: [method.name for method in service.methods] for service in SERVICES}
    for service in module.DESCRIPTOR.services_by_name.values():
        assert sorted(served[service.full_name]) == sorted(method.name for method in service.methods)
