"""What to expect of zeros whose number is known and not their places: the closed form under densities."""
