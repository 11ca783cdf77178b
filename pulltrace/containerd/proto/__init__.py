"""Messages of containerd's v1 services, generated from `containerd.proto` by `make proto`."""
