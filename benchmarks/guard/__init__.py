"""What a call costs, counted in things that no noisy machine can fake."""
