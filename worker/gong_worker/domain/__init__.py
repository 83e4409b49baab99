"""Pure decisions: outcomes, states, retry policy. No I/O, and no clock but the one passed in."""
