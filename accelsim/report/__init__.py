"""Results for people: tables, pictures, files, a glossary."""
