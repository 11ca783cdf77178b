"""Reading objects from lists and watches with bounded memory."""
