//! Rig tests: the real gateway between real programs in network namespaces. Each test makes its own
//! rig; they run in parallel. Without root, or without a program it needs, a test passes and prints
//! `skipped: TEST: REASON`.

#![forbid(unsafe_code)]

mod arp;
mod bulk;
mod kernel;
mod killed;
mod refusals;
mod selfcheck;
mod web;
