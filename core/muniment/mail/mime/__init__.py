"""MIME: the parts of a message, and the containers inside parts."""
