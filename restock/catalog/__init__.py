"""Our picture of a shop's goods, and what of them can be bought online now."""
