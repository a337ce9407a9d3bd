"""What registries and their clients say to one another (distribution-spec), for both sides."""
