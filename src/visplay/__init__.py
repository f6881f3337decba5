"""VisPlay: a vision-language model that improves itself from unlabeled images.

Start at `visplay.selfplay.loop`, the loop; docs/architecture.md says where everything else lives.
"""

__version__ = "0.1.0"
