"""What lies around the code: documents, the house, CI, the image and the package."""
