"""From photo to answer: the one way in which command line, Python, service and cluster do it."""
