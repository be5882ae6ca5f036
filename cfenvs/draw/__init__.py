"""How systems are drawn: a pen, and the figure that they share. Needs pygame."""
