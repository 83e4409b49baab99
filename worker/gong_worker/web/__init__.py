"""The HTTP way in: POST events, get a receipt for each once the queue has it."""

from gong_worker.web.app import create_app
from gong_worker.web.settings import WebSettings

__all__ = ["WebSettings", "create_app"]
