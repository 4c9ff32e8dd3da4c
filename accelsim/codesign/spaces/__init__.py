"""Search spaces: networks of which some parts are chosen."""
