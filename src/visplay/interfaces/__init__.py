"""The seams: the base class of each kind of component, one file each, and in `component.py` how settings name one."""
