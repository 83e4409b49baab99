"""The use cases of operators and housekeeping. The CLI, the web and the tasks call these same functions."""
