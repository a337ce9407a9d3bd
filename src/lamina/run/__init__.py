"""From an image to a container, and a container's whole life; no daemon outlives the container."""
