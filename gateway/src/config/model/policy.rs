//! What judges traffic: names, groups, and the verdicts where nothing else speaks.

use std::net::IpAddr;

use ipnet::IpNet;

use super::At;

/// Flows admitted by name.
#[derive(Clone, Debug, Default)]
pub struct Names {
    /// How strictly a name shown in the flow must be one that its client resolved.
    pub enforce: At<Enforce>,
    /// Names and networks for which private addresses in answers are believed.
    pub private_answers: Vec<At<PrivateAnswer>>,
}

/// How strictly a name shown in a flow is held against what was resolved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Enforce {
    /// A name that is present must be right.
    #[default]
    WhenSeen,
    /// A name must be present and right.
    Require,
    /// The address alone is trusted.
    Off,
}

/// Something that may be answered with a private address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PrivateAnswer {
    /// Addresses that any name may resolve to.
    Network(IpNet),
    /// A name, or `*.` and a name, that may resolve to any address.
    Name(String),
}

/// A network security group applied to something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NsgAttachment {
    /// The group's name.
    pub group: At<String>,
    /// What it is applied to.
    pub target: NsgTarget,
    /// Which side of source translation it judges.
    pub sees: Sees,
}

/// What a network security group is applied to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NsgTarget {
    /// Every host of a network.
    Subnet(IpNet),
    /// One host.
    Nic(IpAddr),
}

/// Which source address a group judges of traffic that leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Sees {
    /// The host's own.
    #[default]
    BeforeSnat,
    /// The pool's: the group guards the node outside an overlay.
    AfterSnat,
}

/// What tags and groups of Azure mean here.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Azure {
    /// The networks of service tags, beside those in service-tag files.
    pub service_tags: Vec<(At<String>, Vec<At<IpNet>>)>,
    /// The members of application security groups.
    pub application_security_groups: Vec<(At<String>, Vec<At<IpAddr>>)>,
}

/// The verdict where no layer speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Unmatched {
    /// As Kubernetes has it.
    Allow,
    /// Only what a layer allows.
    #[default]
    Deny,
}

/// What a denied sender notices.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum DenyAction {
    /// Nothing.
    #[default]
    Drop,
    /// A reset or an ICMP error.
    Reject,
}
