"""Events from files: JSON lines or CSV, gzipped or not, lazily, resumable, with a file of rejects."""

from gong_worker.file_import.source import FileProblem, Source, open_source

__all__ = ["FileProblem", "Source", "open_source"]
