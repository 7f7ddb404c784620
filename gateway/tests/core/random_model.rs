//! Random sequences against a slow reference.
