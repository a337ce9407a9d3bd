"""What the image is for."""

import click

click.echo("hello")
