//! The rig: pods, a gateway's place and an internet, each a namespace of its own, wired by veth pairs.
//!
//! The gateway's namespace has devices and addresses but forwards nothing itself; a
//! [`crate::gateway::Gateway`] started there does. Neighbours are permanent and IPv6 is off, so that
//! no packet crosses a wire but those a test sends: device counters can be compared to the packet.
//! Offloads are left as the kernel sets them.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::Ipv4Addr;

use crate::counters::{Device, devices};
use crate::error::Result;
use crate::layout::{
    DNS, GATEWAY_OUTSIDE, INTERNET_DEVICE, INTERNET_MAC, INTERNET_TTL, NEXT_HOP, OUTSIDE_DEVICE,
    OUTSIDE_MAC, POD_DEVICE, SNAT, Seat,
};
use crate::namespace::Namespace;
use crate::observer::Observer;

/// What a rig shall have.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The pods, as `NAMESPACE/NAME`, in the order of their seats.
    pub pods: Vec<String>,
    /// Addresses of the internet's servers beside the DNS server's.
    pub servers: Vec<Ipv4Addr>,
    /// Queues of every veth end.
    pub queues: u16,
}

impl Plan {
    /// These pods, the servers 198.51.100.7, 198.51.100.8, 198.51.100.66 and 192.0.2.9, one queue.
    #[must_use]
    pub fn new(pods: &[&str]) -> Self {
        Self {
            pods: pods.iter().map(ToString::to_string).collect(),
            servers: vec![
                Ipv4Addr::new(198, 51, 100, 7),
                Ipv4Addr::new(198, 51, 100, 8),
                Ipv4Addr::new(198, 51, 100, 66),
                Ipv4Addr::new(192, 0, 2, 9),
            ],
            queues: 1,
        }
    }
}

/// A pod: a namespace with one device and a default route to the gateway.
#[derive(Debug)]
pub struct Pod {
    /// `NAMESPACE/NAME`.
    pub name: String,
    /// Its addresses and marks.
    pub seat: Seat,
    /// Where its programs run.
    pub inside: Namespace,
}

/// A rig that stands. Dropping it takes everything in it away.
#[derive(Debug)]
pub struct World {
    /// The pods by seat.
    pub pods: Vec<Pod>,
    /// Where the gateway runs.
    pub gateway: Namespace,
    /// Where the servers run.
    pub internet: Namespace,
    /// Sees every packet on the internet's end of the link, since before the link was up.
    pub observer: Observer,
}

impl World {
    /// Builds the rig of `plan`.
    ///
    /// # Errors
    /// Without root's capabilities, or when `ip` refuses a step.
    pub fn build(plan: &Plan) -> Result<Self> {
        let gateway = Namespace::new("gateway")?;
        prepare(&gateway, INTERNET_TTL)?;
        let internet = Namespace::new("internet")?;
        prepare(&internet, INTERNET_TTL)?;
        let observer = Observer::start(&internet)?;
        wire_internet(&gateway, &internet, plan)?;
        let mut pods = Vec::with_capacity(plan.pods.len());
        for (index, name) in plan.pods.iter().enumerate() {
            let seat = Seat::new(index);
            let inside = Namespace::new(name)?;
            prepare(&inside, seat.ttl())?;
            inside.set_resolver(DNS)?;
            wire_pod(&gateway, &inside, seat, plan.queues)?;
            pods.push(Pod { name: name.clone(), seat, inside });
        }
        Ok(Self { pods, gateway, internet, observer })
    }

    /// The pod called `name`.
    ///
    /// # Panics
    /// When the plan had no such pod.
    #[must_use]
    pub fn pod(&self, name: &str) -> &Pod {
        self.pods.iter().find(|pod| pod.name == name).expect("the plan names this pod")
    }

    /// The kernel's counters of every device of the rig, loopbacks left out: pods by
    /// `NAMESPACE/NAME`, the gateway's and the internet's by device name.
    ///
    /// # Errors
    /// When the kernel's table cannot be read.
    pub fn devices(&self) -> Result<BTreeMap<String, Device>> {
        let mut all = BTreeMap::new();
        for pod in &self.pods {
            let device = devices(&pod.inside)?.remove(POD_DEVICE);
            all.extend(device.map(|device| (pod.name.clone(), device)));
        }
        for namespace in [&self.gateway, &self.internet] {
            all.extend(devices(namespace)?);
        }
        Ok(all)
    }
}

/// Settings that keep a namespace's kernel from sending or forwarding on its own account.
fn prepare(namespace: &Namespace, ttl: u8) -> Result<()> {
    for (name, value) in [
        ("net.ipv4.ip_forward", "0"),
        ("net.ipv4.conf.all.rp_filter", "0"),
        ("net.ipv4.conf.default.rp_filter", "0"),
        ("net.ipv6.conf.all.disable_ipv6", "1"),
        ("net.ipv6.conf.default.disable_ipv6", "1"),
    ] {
        // A kernel without IPv6 has nothing to turn off.
        let absent =
            name.starts_with("net.ipv6") && !std::path::Path::new("/proc/sys/net/ipv6").exists();
        if !absent {
            namespace.sysctl(name, value)?;
        }
    }
    namespace.sysctl("net.ipv4.ip_default_ttl", &ttl.to_string())?;
    namespace.ip("link set dev lo up\n")
}

/// The line that makes a veth pair with its first end in the namespace that runs it.
fn veth(near: [&str; 2], far: [&str; 2], far_namespace: &Namespace, queues: u16) -> String {
    let queues = format!("numtxqueues {queues} numrxqueues {queues}");
    format!(
        "link add name {} address {} {queues} type veth peer name {} address {} {queues} netns {}\n",
        near[0],
        near[1],
        far[0],
        far[1],
        far_namespace.net().display()
    )
}

fn wire_internet(gateway: &Namespace, internet: &Namespace, plan: &Plan) -> Result<()> {
    let near = [OUTSIDE_DEVICE, OUTSIDE_MAC];
    gateway.ip(&(veth(near, [INTERNET_DEVICE, INTERNET_MAC], internet, plan.queues)
        + &format!(
            "address add {GATEWAY_OUTSIDE}/24 dev {OUTSIDE_DEVICE}\n\
             neighbour add {NEXT_HOP} lladdr {INTERNET_MAC} dev {OUTSIDE_DEVICE} nud permanent\n\
             neighbour add {DNS} lladdr {INTERNET_MAC} dev {OUTSIDE_DEVICE} nud permanent\n\
             link set dev {OUTSIDE_DEVICE} up\n\
             route add default via {NEXT_HOP}\n"
        )))?;
    let mut lines = format!("address add {DNS}/32 dev lo\n");
    for server in &plan.servers {
        // Writing to a String cannot fail.
        let _ = writeln!(lines, "address add {server}/32 dev lo");
    }
    // Pods have a way back without translation too: a gateway that forgets SNAT is seen, not stopped.
    internet.ip(&(lines
        + &format!(
            "address add {NEXT_HOP}/24 dev {INTERNET_DEVICE}\n\
             neighbour add {SNAT} lladdr {OUTSIDE_MAC} dev {INTERNET_DEVICE} nud permanent\n\
             neighbour add {GATEWAY_OUTSIDE} lladdr {OUTSIDE_MAC} dev {INTERNET_DEVICE} nud permanent\n\
             link set dev {INTERNET_DEVICE} up\n\
             route add 10.1.0.0/16 via {GATEWAY_OUTSIDE}\n"
        )))
}

fn wire_pod(gateway: &Namespace, pod: &Namespace, seat: Seat, queues: u16) -> Result<()> {
    let (device, mac, gateway_mac) = (seat.device(), seat.mac(), seat.gateway_mac());
    let (address, router) = (seat.address(), seat.gateway());
    gateway.ip(&(veth([&device, &gateway_mac], [POD_DEVICE, &mac], pod, queues)
        + &format!(
            "address add {router}/24 dev {device}\n\
             neighbour add {address} lladdr {mac} dev {device} nud permanent\n\
             link set dev {device} up\n"
        )))?;
    pod.ip(&format!(
        "address add {address}/24 dev {POD_DEVICE}\n\
         neighbour add {router} lladdr {gateway_mac} dev {POD_DEVICE} nud permanent\n\
         link set dev {POD_DEVICE} up\n\
         route add default via {router}\n"
    ))
}
