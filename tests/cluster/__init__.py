"""Real systems for the tests: containerd, a registry with a faulty network, a Kubernetes cluster.

Nothing here is a fake. Each module starts one system on this machine, as root and without Docker,
waits until it works, and removes every trace of it afterwards. `README.md` says how to use them.
"""
