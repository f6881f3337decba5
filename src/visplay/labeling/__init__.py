"""The silver set: questions with silver answers, and the gates that decide which of them are learned from."""
