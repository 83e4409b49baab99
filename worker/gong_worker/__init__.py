"""The application behind gong-views: it takes events off the queue, paces, delivers and records them."""
