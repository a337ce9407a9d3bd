"""The registry spoken over HTTP (distribution-spec)."""
