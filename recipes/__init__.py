"""How the shipped networks were made: programs to run, outside of the package."""
