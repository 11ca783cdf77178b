"""Generated from cri.proto: `python -m grpc_tools.protoc -I. --python_out=. --pyi_out=. tests/cluster/proto/cri.proto`."""
