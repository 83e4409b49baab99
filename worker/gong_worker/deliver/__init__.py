"""Deliver one event: claim, gate, send, record, acknowledge. The path of docs/states.md, in its order."""

from gong_worker.deliver.deliverer import Deliverer

__all__ = ["Deliverer"]
