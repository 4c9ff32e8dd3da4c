"""What actions cost: tables, and the account of a run."""
