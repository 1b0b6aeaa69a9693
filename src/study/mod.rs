//! Floor 5: labelled recordings. `genred train` and `genred eval` are made of it.
