//! What the policies mean, and what becomes of files that are wrong. One binary; `kit` makes worlds from text.

mod conformance;
mod differential;
mod files;
mod formats;
mod kit;
mod mutation;
mod netpol;
mod provenance;
