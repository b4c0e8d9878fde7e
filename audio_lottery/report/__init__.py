"""Tables, pictures and the written report of a search."""
