//! Conversations, told packet by packet, with every counter held against the books after each.

mod checksums;
mod datagrams;
mod limits;
mod routes;
mod tcp;
mod time;
