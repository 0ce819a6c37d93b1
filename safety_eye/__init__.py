"""The roof: command line, composition, supervisor, sample community."""
