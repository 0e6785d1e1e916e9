"""Privacy: what is held about a person, told or erased on request, and erased by age."""
