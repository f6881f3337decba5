"""Image sources whose truth the lab knows; an observer measures labels against it, and training never sees it."""
