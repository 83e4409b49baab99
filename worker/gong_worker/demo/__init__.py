"""The whole job on real parts in half a minute: a queue, a ledger, a worker process, and Gong's stand-in."""
