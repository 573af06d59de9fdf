"""Sites and users from CSV."""
