"""Events from files: JSON lines or CSV, gzipped or not, lazily, resumable, with a file of rejects."""

from gong_worker.intake_files.source import FileProblem, Source, open_source

__all__ = ["FileProblem", "Source", "open_source"]
