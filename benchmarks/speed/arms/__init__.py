"""The measured servers, one program each. They print `ready on ADDRESS` once they serve."""
