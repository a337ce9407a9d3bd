"""HTTP/1.1 over sockets, for any ASGI application: nothing of registries is known here.

    asgi        what is said between it and the application
    loop        the event loop, of which asyncio would be more
    waits       waiting in it, or in asyncio's
    threads     what must not keep it waiting
    wires       sockets, bare or with TLS
    listener    takes connections, ends those that are late, and all of them in the end
    incoming    bytes of a connection to requests
    exchange    a request and its answer, as the application sees them
    connection  between these: whose turn it is, and what the client takes

Clients are assumed to be hostile or slow: each has bounds of size and time, and none keeps a
thread, or what was received and is not used yet, to itself.
"""
