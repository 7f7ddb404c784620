//! The reference: flows in a map, policy as a function, lifetimes as a table.

use crate::kit::{End, Setup, Via, end};
use std::collections::HashMap;

/// What a conversation speaks.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Speech {
    Udp,
    Echo,
    Tcp,
}

/// How far a flow has come.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Stage {
    /// Only the client has spoken (TCP: a SYN).
    Asked,
    /// The server has answered (TCP: with a SYN of its own).
    Answered,
    /// TCP: the client has confirmed.
    Open,
    /// TCP: the client has reset it.
    Reset,
}

/// A flow as the reference sees it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Flow {
    pub(crate) client: End,
    /// The client as the server sees it.
    pub(crate) seen: End,
    pub(crate) server: End,
    pub(crate) stage: Stage,
    pub(crate) last: u64,
    pub(crate) generation: u64,
    pub(crate) client_next: u32,
    pub(crate) server_next: u32,
}

/// One direction: who speaks to whom, and how.
pub(crate) type Key = (Speech, End, End);

/// The reference.
#[derive(Default)]
pub(crate) struct Model {
    pub(crate) flows: HashMap<u64, Flow>,
    pub(crate) keys: HashMap<Key, u64>,
    next: u64,
}

impl Model {
    fn lifetime(speech: Speech, stage: Stage) -> u64 {
        match (speech, stage) {
            (Speech::Echo, _) => 60,
            (Speech::Udp, Stage::Asked) => 120,
            (Speech::Udp, _) => 300,
            (Speech::Tcp, Stage::Asked | Stage::Answered) => 30,
            (Speech::Tcp, Stage::Open) => 7440,
            (Speech::Tcp, Stage::Reset) => 240,
        }
    }

    /// The live flow of a direction.
    pub(crate) fn find(&mut self, key: Key, now: u64) -> Option<u64> {
        let id = *self.keys.get(&key)?;
        let flow = self.flows[&id];
        if now >= flow.last + 1000 * Self::lifetime(key.0, flow.stage) {
            self.remove(key.0, id);
            return None;
        }
        Some(id)
    }

    /// How many flows are live.
    pub(crate) fn live(&self, now: u64) -> u64 {
        let ends = |(key, id): (&Key, &u64)| {
            let flow = self.flows[id];
            let original = (key.1, key.2) == (flow.client, flow.server);
            original && now < flow.last + 1000 * Self::lifetime(key.0, flow.stage)
        };
        u64::try_from(self.keys.iter().filter(|entry| ends(*entry)).count()).expect("a count")
    }

    pub(crate) fn remove(&mut self, speech: Speech, id: u64) {
        let flow = self.flows.remove(&id).expect("a flow of the reference");
        self.keys.remove(&(speech, flow.client, flow.server));
        self.keys.remove(&(speech, flow.server, flow.seen));
    }

    pub(crate) fn insert(&mut self, speech: Speech, flow: Flow, now: u64) {
        // Nobody else may own the external end towards this server.
        assert_eq!(self.find((speech, flow.server, flow.seen), now), None, "{flow:?}");
        self.next += 1;
        self.keys.insert((speech, flow.client, flow.server), self.next);
        self.keys.insert((speech, flow.server, flow.seen), self.next);
        self.flows.insert(self.next, flow);
    }
}

pub(crate) const HOSTS: [(Via, &str); 5] = [
    (Via::In0, "10.1.0.5"),
    (Via::In0, "10.1.0.6"),
    (Via::In0, "10.1.0.7"),
    (Via::In1, "10.2.0.5"),
    (Via::In1, "10.2.0.6"),
];
pub(crate) const REMOTES: [&str; 3] = ["198.51.100.7", "198.51.100.8", "198.51.101.9"];

/// Web is 10.1.0.5, and may ask one block for names and pages.
const POLICY: &str = r#"
apiVersion: v1
kind: Namespace
metadata: {name: shop}
---
apiVersion: v1
kind: Pod
metadata: {name: web, namespace: shop, labels: {tier: web}}
status: {podIP: 10.1.0.5, podIPs: [{ip: 10.1.0.5}]}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: web, namespace: shop}
spec:
  podSelector: {matchLabels: {tier: web}}
  policyTypes: [Egress]
  egress:
    - to: [{ipBlock: {cidr: 198.51.100.0/24}}]
      ports: [{protocol: TCP, port: 443}, {protocol: UDP, port: 53}]
"#;

/// The three configurations that reloads choose from.
pub(crate) fn setup(variant: u32) -> Setup {
    match variant {
        0 => Setup::default(),
        1 => Setup::default().policy(POLICY),
        _ => Setup::default().policy(POLICY).unmatched_deny(),
    }
}

/// The same three in the words of the reference.
pub(crate) fn denied(
    variant: u32,
    speech: Speech,
    client: End,
    server: End,
) -> Option<&'static str> {
    let web = client.addr.octets() == [10, 1, 0, 5];
    let block = server.addr.octets()[..3] == [198, 51, 100];
    let named = matches!((speech, server.port), (Speech::Tcp, 443) | (Speech::Udp, 53));
    match variant {
        0 => None,
        _ if web => (!(block && named)).then_some("policy.networkpolicy"),
        1 => None,
        _ => Some("policy.unmatched"),
    }
}

pub(crate) fn inside(addr: End) -> Option<Via> {
    HOSTS.iter().find(|(_, host)| end(host, 0).addr == addr.addr).map(|(via, _)| *via)
}

pub(crate) fn via(at: End) -> Via {
    inside(at).unwrap_or(Via::Out0)
}
