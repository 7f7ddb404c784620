//! Frames nobody should send.
