"""Which explanations say what the model does: methods judged on many texts, one explanation examined."""
