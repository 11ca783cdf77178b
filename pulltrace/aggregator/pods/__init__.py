"""What is known of the pods that wait for images."""
