"""One module for each published file layout of sparse autoencoders."""
