"""What tests share: the worlds they play in, and the judges of what comes out."""
