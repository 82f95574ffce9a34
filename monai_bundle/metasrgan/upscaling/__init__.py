"""What is asked (request), how it is done (pipeline, engines; remote: by a server), and what came of it (result)."""
