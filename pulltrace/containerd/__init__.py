"""The gRPC client of containerd, and the observations that it makes. Only this package imports `grpc`."""
