"""The seams: what a labeler, a gate, a reward, an engine, … must offer, and how settings name one.

Every file but `component.py` holds the base class of one seam. The built-in components stand in the packages that
`component.BUILT_IN` lists.
"""
