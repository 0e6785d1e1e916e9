"""What a shop itself is told by e-mail: who has signed up, a digest, a waitlist that has grown long."""
