"""Makes the code of the .proto files anew: `python tests/serving/grpc/generating.py`. A test makes it beside and compares."""

import sys
from pathlib import Path

SOURCE = Path(__file__).parents[3] / "src"
PROTOCOL = Path("barmill/serving/grpc/protocol")
NAMES = ("barmill", "inference")

_UNCHECKED = "# type: ignore\n"  # the first line of a file that no type checker reads


def generate(out: Path) -> None:
    """Write the modules and stubs of all .proto files below `out`, as they stand below `src`."""
    from grpc_tools import protoc

    kinds = [f"--{kind}_out={out}" for kind in ("python", "pyi", "grpc_python")]
    code = protoc.main(["protoc", f"-I{SOURCE}", *kinds, *(str(SOURCE / PROTOCOL / f"{name}.proto") for name in NAMES)])
    assert code == 0, f"protoc ended with {code}"
    for path in (out / PROTOCOL).glob("*_pb2*.py*"):
        path.write_text(_UNCHECKED + path.read_text())


if __name__ == "__main__":
    generate(Path(sys.argv[1]) if len(sys.argv) > 1 else SOURCE)
