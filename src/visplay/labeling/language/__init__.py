"""Plain English: what a question asks, what an answer to it says, and what follows from that."""
