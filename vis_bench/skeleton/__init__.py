"""The package that a new method starts from: a method, its contract test and a config."""
