"""Model definitions: versioned packages of model code, one stream a name."""
