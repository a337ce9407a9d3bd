"""Pages for people to look at images: server-made HTML, by plain links and forms.

    shelf       what is looked at, as Protocols: the engine brings the store or the registry
    looks       images whose layers were read, the latest of them kept
    links       addresses, and names as they can be shown
    treemap     rectangles for numbers
    pages/      one module for each kind of page: a request's values to a template's
    site        which page, who may see it, and how it is answered

A page is never made of more than some hundred rows, whatever is in an image. Nothing in an image
is ever served as anything but text or an attachment.
"""
