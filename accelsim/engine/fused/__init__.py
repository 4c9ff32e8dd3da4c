"""What moves, and when, where layers run as a group: tile by tile, with nothing between them at the outermost level."""
