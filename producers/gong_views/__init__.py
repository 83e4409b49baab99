"""What a backend needs to hand a content-view event over to Gong, durably."""
