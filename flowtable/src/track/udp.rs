//! UDP: a flow is unreplied until the far end answers (RFC 4787 section 4.3). Both directions refresh it:
//! REQ-6 asks for the outbound one and allows the inbound one, which only the flow's own peer can use
//! here, since nobody else's packets match the flow.

pub use super::generic::{is_replied, observe, open};
