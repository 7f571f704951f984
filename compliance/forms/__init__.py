"""What people enter on the ground floor. A form checks shape; the services judge the rest."""
