"""Import, derivation and fitting of the models that `genred` ships."""
