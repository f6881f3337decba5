"""The silver set: labelers give questions their silver answers, and gates decide which questions are trained on."""
