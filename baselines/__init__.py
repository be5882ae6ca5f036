"""Reference algorithms, one readable file each. They use only what a stranger could use."""
