"""What a teacher adds to P and to what is free: held out, over training seeds, among good and among equal networks."""
