//! The configuration as the gateway uses it: every value typed, every default filled in.
//!
//! A value that a later check or message refers to keeps its place in the text ([`At`]). Nothing here reads
//! text; nothing past here parses strings.

mod policy;
mod tables;

use std::net::{IpAddr, SocketAddr};
use std::ops::Deref;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;

use super::value::{AddressRange, Device, Mac, PortRange};
use crate::diagnostic::{Place, SourceText};
pub use policy::{
    Azure, DenyAction, Enforce, Names, NsgAttachment, NsgTarget, PrivateAnswer, Sees, Unmatched,
};
pub use tables::{StaticInterface, StaticNeighbor, StaticRoute, StaticTables};

/// A value with its place in the configuration text; the place is unknown for a default.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct At<T> {
    /// The value.
    pub value: T,
    /// Where it is written.
    pub place: Place,
}

impl<T> At<T> {
    /// A value written at `place`.
    #[must_use]
    pub const fn new(value: T, place: Place) -> At<T> {
        At { value, place }
    }

    /// Whether the text says so, rather than the default.
    #[must_use]
    pub fn is_written(&self) -> bool {
        self.place.is_known()
    }
}

impl<T> From<T> for At<T> {
    fn from(value: T) -> At<T> {
        At { value, place: Place::default() }
    }
}

impl<T: Default> Default for At<T> {
    fn default() -> At<T> {
        T::default().into()
    }
}

impl<T> Deref for At<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

/// One gateway's configuration.
#[derive(Clone, Debug)]
pub struct Config {
    /// The text it was read from.
    pub source: Arc<SourceText>,
    /// `interfaces`
    pub interfaces: Interfaces,
    /// `workers.cpus`: the CPUs to pin workers to; `None` is one worker per queue on any CPU allowed.
    pub cpus: Option<At<Vec<At<u16>>>>,
    /// `network`
    pub network: Network,
    /// `snat`
    pub snat: Snat,
    /// `dns.resolvers`
    pub dns: Option<At<Vec<At<IpAddr>>>>,
    /// `names`
    pub names: Names,
    /// `policies`: files and folders, relative ones already joined to the configuration's folder.
    pub policies: Vec<At<PathBuf>>,
    /// `nsg`: where network security groups apply.
    pub nsg: Vec<At<NsgAttachment>>,
    /// `azure`
    pub azure: Option<At<Azure>>,
    /// `unmatched`
    pub unmatched: At<Unmatched>,
    /// `deny`
    pub deny: At<DenyAction>,
    /// `on_failure`
    pub on_failure: At<OnFailure>,
    /// `limits`
    pub limits: Limits,
    /// `timeouts`
    pub timeouts: Timeouts,
    /// `tcp_mss_clamp`
    pub tcp_mss_clamp: At<MssClamp>,
    /// `control.socket`
    pub control_socket: At<PathBuf>,
    /// `metrics.listen`
    pub metrics: Option<At<SocketAddr>>,
    /// `static`: tables used instead of the kernel's.
    pub static_tables: Option<At<StaticTables>>,
}

/// The interfaces, in the order that gives them their numbers: inside first.
#[derive(Clone, Debug, Default)]
pub struct Interfaces {
    /// Towards pods and hosts behind the gateway.
    pub inside: Vec<Interface>,
    /// Towards everyone else.
    pub outside: Vec<Interface>,
}

impl Interfaces {
    /// All of them, inside first.
    pub fn all(&self) -> impl Iterator<Item = &Interface> + Clone {
        self.inside.iter().chain(&self.outside)
    }
}

/// One interface.
#[derive(Clone, Debug)]
pub struct Interface {
    /// The device, or a pattern for several.
    pub device: At<Device>,
    /// Sources allowed here; on an outside interface empty, which allows every source that is not inside.
    pub networks: Vec<At<IpNet>>,
    /// Hosts the networks are narrowed to; empty where they are not.
    pub bind: Vec<At<Bind>>,
    /// The VLAN whose frames are ours.
    pub vlan: Option<At<u16>>,
    /// Whether checksums that local senders left unfinished are completed; `None` is "on veth".
    pub local_veth: Option<At<bool>>,
    /// Whether a source must be known by name.
    pub identity: At<Identity>,
}

/// A host bound to an interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bind {
    /// Its address.
    pub address: IpAddr,
    /// Its link address, where that is bound too.
    pub mac: Option<Mac>,
}

/// Whether the sources of an interface must be known by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Identity {
    /// A source nobody names is an ordinary host, judged by its address.
    #[default]
    Optional,
    /// A source nobody names is denied.
    Required,
}

/// What happens to source addresses, per family.
#[derive(Clone, Copy, Debug, Default)]
pub struct Network {
    /// For IPv4.
    pub ipv4: At<NetworkMode>,
    /// For IPv6.
    pub ipv6: At<NetworkMode>,
}

/// What happens to the source address of traffic that leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum NetworkMode {
    /// It becomes a pool's; without a pool the packet is dropped.
    #[default]
    Overlay,
    /// It stays.
    Flat,
}

/// Source translation.
#[derive(Clone, Debug, Default)]
pub struct Snat {
    /// Addresses and ports to translate to.
    pub pools: Vec<Pool>,
    /// An ip-masq-agent configuration: destinations that are not translated to.
    pub ip_masq_agent: Option<At<PathBuf>>,
}

/// A pool of source addresses.
#[derive(Clone, Debug)]
pub struct Pool {
    /// Its name in messages and counters.
    pub name: At<String>,
    /// Its addresses.
    pub addresses: Vec<At<AddressRange>>,
    /// The ports it owns on every address.
    pub ports: At<PortRange>,
    /// What a mapping depends on.
    pub mapping: At<Mapping>,
    /// Whose answers a mapping admits.
    pub filtering: At<Filtering>,
}

/// What a pool's port is chosen for (RFC 4787 section 4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Mapping {
    /// One port serves many flows, as long as their far ends differ.
    #[default]
    EndpointDependent,
    /// One port for one inside address and port, whatever the far end.
    EndpointIndependent,
}

/// Who may answer through a mapping (RFC 4787 section 5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Filtering {
    /// Only the address and port that was written to.
    #[default]
    AddressAndPortDependent,
    /// Any port of an address that was written to.
    AddressDependent,
    /// Anyone.
    EndpointIndependent,
}

/// What becomes of traffic while no worker runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum OnFailure {
    /// It is dropped.
    #[default]
    Block,
    /// The kernel forwards it, unfiltered.
    Pass,
}

/// Sizes fixed at start.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Flows at once.
    pub flows: At<u32>,
    /// Frames in the memory shared with the devices.
    pub frames: At<u32>,
    /// Flows of one client at once; 0 is no limit of its own.
    pub flows_per_client: At<u32>,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits { flows: 1_048_576.into(), frames: 16_384.into(), flows_per_client: 0.into() }
    }
}

/// How long a flow is kept without a packet.
#[derive(Clone, Copy, Debug)]
pub struct Timeouts {
    /// TCP, established.
    pub tcp_established: At<Duration>,
    /// TCP, closing.
    pub tcp_transitory: At<Duration>,
    /// TCP, not yet established.
    pub tcp_half_open: At<Duration>,
    /// UDP with packets both ways.
    pub udp: At<Duration>,
    /// UDP without an answer.
    pub udp_unreplied: At<Duration>,
    /// ICMP echo.
    pub icmp: At<Duration>,
}

impl Default for Timeouts {
    fn default() -> Timeouts {
        let seconds = |seconds| Duration::from_secs(seconds).into();
        Timeouts {
            tcp_established: seconds(7440),
            tcp_transitory: seconds(240),
            tcp_half_open: seconds(30),
            udp: seconds(300),
            udp_unreplied: seconds(120),
            icmp: seconds(60),
        }
    }
}

/// What becomes of the segment size that TCP ends announce.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum MssClamp {
    /// It stays.
    #[default]
    Off,
    /// It is lowered to what the path takes.
    PathMtu,
    /// It is lowered to this.
    Bytes(u16),
}
