"""The plane over gRPC: the Open Inference Protocol, Barmill's own service, and `grpc.health.v1`.

`protocol` holds the .proto files and what `grpcio-tools` makes of them. A service is a table of methods (`method`): how a request is read,
which scope it needs, and who answers it; `calls` runs any of them, and `statuses` is the one table from refusals to status codes.
"""
