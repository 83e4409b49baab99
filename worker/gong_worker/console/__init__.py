"""The operators' console in a browser: pages over the use cases of `operations`, with users and roles of its own."""
