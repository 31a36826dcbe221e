"""The .proto files, and the code that grpcio-tools makes of them: `python tests/serving/grpc/generating.py` makes it anew."""
