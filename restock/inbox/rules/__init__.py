"""What a webhook says: `envelope` reads its headers, `topics` its body as facts, `fields` one field of a body. Pure."""
