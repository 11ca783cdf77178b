"""containerd: the only package that speaks gRPC to it (and the only one that may import `grpc`)."""
