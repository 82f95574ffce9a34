"""What lies in files: volumes, their types, and writing all or nothing."""
