"""What people fill in on the first floor. A form checks shape; the services judge the rest."""
