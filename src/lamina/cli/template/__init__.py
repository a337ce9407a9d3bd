"""Go's text/template, as much of it as Docker's users write in `--format`.

    text         {{ pipeline }}   {{- and -}} trim blanks; {{/* a comment */}}
    control      if, else if, else, range (break, continue), with, end
    variables    {{ $x := pipeline }}, {{ $x = pipeline }}, {{ range $i, $e := pipeline }}
    pipeline     command | command; parentheses; .Field.Field, $x.Field, literals
    functions    see `functions.FUNCTIONS`

Data are plain JSON-like Python values; a callable is a method that takes arguments (`.Label "x"`).
"""
