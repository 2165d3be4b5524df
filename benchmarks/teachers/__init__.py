"""Teacher choice: which teacher, rule and alpha tell early how good candidates become."""
