//! The verdict on a new flow, for the data plane and for `explain` alike: one function for both, so that
//! what is explained is what happens.

use flowtable::key::Proto;
use rules::{Decision, Layer, Policy, Tuple, Verdict};

/// What came of judging a tuple.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Judgement {
    /// The policy's decision.
    pub decision: Decision,
    /// The verdict in force: the policy's, but for tunnels that no rule names.
    pub verdict: Verdict,
}

impl Judgement {
    /// Whether the policy would allow it and the gateway refuses, since it is a tunnel no layer spoke about.
    #[must_use]
    pub fn is_refused_tunnel(&self) -> bool {
        self.decision.verdict == Verdict::Allow && self.verdict == Verdict::Deny
    }
}

/// Judges a tuple.
#[must_use]
pub fn judge(policy: &Policy, tuple: &Tuple) -> Judgement {
    let decision = policy.decide(tuple);
    let unnamed_tunnel = decision.layer == Layer::Unmatched && is_tunnel(tuple);
    let verdict = if unnamed_tunnel { Verdict::Deny } else { decision.verdict };
    Judgement { decision, verdict }
}

/// Protocols that carry whole packets of others past every rule: IP in IP (RFC 2003), IPv6 in IPv4
/// (RFC 4213), GRE (RFC 2784), EtherIP (RFC 3378), and L2TP over IP (RFC 3931) or UDP (RFC 2661).
const fn is_tunnel(tuple: &Tuple) -> bool {
    const L2TP_PORT: u16 = 1701;
    match tuple.proto {
        Proto(4 | 41 | 47 | 97 | 115) => true,
        Proto::UDP => tuple.dport.0 == L2TP_PORT,
        _ => false,
    }
}
