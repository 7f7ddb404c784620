//! Writes the gateway configuration that fits a rig.

use std::fmt::Write as _;

use crate::layout::{
    DNS, GATEWAY_OUTSIDE, INTERNET_MAC, NEXT_HOP, OUTSIDE_DEVICE, OUTSIDE_MAC, SNAT, Seat,
};
use crate::world::World;

/// What a rig's gateway shall do beside forwarding. The rest of its configuration follows from the rig.
#[derive(Debug, Clone)]
pub struct Config {
    /// `overlay` translates sources, `flat` keeps them.
    pub network: String,
    /// The verdict where no policy speaks.
    pub unmatched: String,
    /// Ports of the pool.
    pub ports: String,
    /// Further top-level keys, as YAML text.
    pub more: String,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            network: "overlay".to_owned(),
            unmatched: "deny".to_owned(),
            ports: "1024-65535".to_owned(),
            more: String::new(),
        }
    }
}

impl Config {
    /// The configuration of the gateway of `world`; policies are read from `policies/` beside it.
    #[must_use]
    pub fn text(&self, world: &World) -> String {
        let seats: Vec<Seat> = world.pods.iter().map(|pod| pod.seat).collect();
        self.for_seats(&seats)
    }

    fn for_seats(&self, seats: &[Seat]) -> String {
        let (mut inside, mut devices, mut neighbors) =
            (String::new(), String::new(), String::new());
        for seat in seats {
            let (device, network) = (seat.device(), seat.network());
            let (mac, router) = (seat.gateway_mac(), seat.gateway());
            // Writing to a String cannot fail.
            let _ = writeln!(inside, "    - {{device: {device}, networks: [{network}]}}");
            let _ = writeln!(devices, "    {device}: {{mac: \"{mac}\", addresses: [{router}/24]}}");
            let _ = writeln!(
                neighbors,
                "    - {{address: {}, mac: \"{}\", device: {device}}}",
                seat.address(),
                seat.mac()
            );
        }
        let Self { network, unmatched, ports, more } = self;
        format!(
            "interfaces:\n  inside:\n{inside}  outside:\n    - {{device: {OUTSIDE_DEVICE}}}\n\
             network: {network}\n\
             snat:\n  pools:\n    - {{name: default, addresses: [{SNAT}], ports: {ports}}}\n\
             policies: [policies/]\n\
             unmatched: {unmatched}\n\
             {more}\
             static:\n  interfaces:\n{devices}    \
             {OUTSIDE_DEVICE}: {{mac: \"{OUTSIDE_MAC}\", addresses: [{GATEWAY_OUTSIDE}/24], mtu: 1500}}\n  \
             routes:\n    - {{to: 0.0.0.0/0, via: {NEXT_HOP}, device: {OUTSIDE_DEVICE}}}\n  \
             neighbors:\n{neighbors}    \
             - {{address: {NEXT_HOP}, mac: \"{INTERNET_MAC}\", device: {OUTSIDE_DEVICE}}}\n    \
             - {{address: {DNS}, mac: \"{INTERNET_MAC}\", device: {OUTSIDE_DEVICE}}}\n"
        )
    }
}

/// A policy file with the Namespace and Pod objects of `world` and, for every pod, what it may reach:
/// `rules` are the items of a NetworkPolicy's `egress` as YAML flow text; `[]` isolates the pod.
#[must_use]
pub fn policies(world: &World, rules: &[(&str, &str)]) -> String {
    let mut text = String::new();
    for pod in &world.pods {
        let (namespace, name) = split(&pod.name);
        let address = pod.seat.address();
        let _ = write!(
            text,
            "apiVersion: v1\nkind: Namespace\nmetadata: {{name: {namespace}, labels: \
             {{kubernetes.io/metadata.name: {namespace}}}}}\n---\n\
             apiVersion: v1\nkind: Pod\nmetadata: {{namespace: {namespace}, name: {name}, labels: \
             {{app: {name}}}}}\nspec: {{containers: [{{name: main, image: none}}]}}\n\
             status: {{podIP: {address}, podIPs: [{{ip: {address}}}]}}\n---\n"
        );
    }
    for (pod, egress) in rules {
        let (namespace, name) = split(pod);
        let _ = write!(
            text,
            "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\n\
             metadata: {{namespace: {namespace}, name: {name}-egress}}\nspec:\n  \
             podSelector: {{matchLabels: {{app: {name}}}}}\n  policyTypes: [Egress]\n  \
             egress: {egress}\n---\n"
        );
    }
    // A Namespace object may stand there once only.
    let mut seen = std::collections::BTreeSet::new();
    text.split("---\n").filter(|object| seen.insert(*object)).collect::<Vec<_>>().join("---\n")
}

fn split(pod: &str) -> (&str, &str) {
    pod.split_once('/').expect("pods are named NAMESPACE/NAME")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_the_contracts_keys() {
        let text = Config::default().for_seats(&[Seat::new(0), Seat::new(1)]);
        for wanted in [
            "    - {device: in1, networks: [10.1.1.0/24]}\n",
            "  outside:\n    - {device: out0}\n",
            "    - {name: default, addresses: [203.0.113.1], ports: 1024-65535}\n",
            "static:\n  interfaces:\n    in0: {mac: \"02:00:00:01:00:01\", addresses: [10.1.0.1/24]}\n",
            "  routes:\n    - {to: 0.0.0.0/0, via: 203.0.113.254, device: out0}\n",
            "    - {address: 10.1.1.5, mac: \"02:00:00:01:01:05\", device: in1}\n",
        ] {
            assert!(text.contains(wanted), "{wanted} is not in\n{text}");
        }
    }
}
