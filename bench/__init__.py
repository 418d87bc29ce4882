"""How long things take. `make bench` prints it; nothing here is a test."""
