"""Binary codes of small error in what a product gives, for the inputs that it really has."""
