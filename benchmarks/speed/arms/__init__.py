"""What is measured, one program each. All print `ready on ADDRESS` when they serve."""
