"""What a getNumber would buy, or why not, without buying it."""
