"""The queue on Redis: messages are popped and recorded in one step, and leave only when the pipeline says so."""
