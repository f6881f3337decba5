"""What the rows of labelled files mean, in the forms in which people write them."""
