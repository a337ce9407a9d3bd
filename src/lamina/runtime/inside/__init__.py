"""What runs between the fork and the exec of a container: light modules, nothing imported late.

After the pivot an import would read the image's files, so each module imports all it needs at
its top, and only what costs next to nothing.
"""
