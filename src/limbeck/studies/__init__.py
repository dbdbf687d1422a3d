"""Many runs as one experiment: axes over a recipe, one table, claims that are tested."""
