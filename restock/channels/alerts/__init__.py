"""What a shop itself is told by e-mail: the facts, the words for them in every language, and the letter. Pure."""
