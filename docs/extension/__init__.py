"""What turns the code into the documentation site."""
