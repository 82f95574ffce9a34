"""Many volumes: a folder's, one after another."""
