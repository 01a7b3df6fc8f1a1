"""Training of the bundled mini models, and of ablations: losses, matcher, data and loop."""
