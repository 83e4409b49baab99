"""A random mixture of every fault for minutes on end; the books must agree at the end. `make soak MINUTES=10`."""
