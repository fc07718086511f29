"""Tables on equally spaced levels within one clipping limit."""
