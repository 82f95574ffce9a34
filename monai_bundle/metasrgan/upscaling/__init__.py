"""What is asked (request), how it is done (pipeline, engines, server), and what came of it (result)."""
