//! From a loaded configuration to the parts of a data plane: policy, flow table, ports, workers.

use crate::config::{self, Config, Loaded, PortRange};
use crate::diagnostic::{Diagnostic, Report};
use crate::pipeline::Worker;
use crate::pipeline::ledger::Ledger;
use crate::snapshot::{HopGeneration, NetworkMode, Parts, Snapshot, Topology};
use flowtable::key::{Addr, Generation, Millis, WorkerId};
use flowtable::ports::{PoolId, PoolSpec, Pools, PoolsError, PortShard};
use flowtable::rng::Rng;
use flowtable::table::{FlowTable, TableConfig, TableError};
use flowtable::track::Timeouts;
use ipnet::IpNet;
use rules::{Policy, Unmatched};
use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// A configuration that can be run, with its policy compiled.
#[derive(Debug)]
pub struct Plan {
    /// The configuration.
    pub config: Config,
    /// The policy of its files.
    pub policy: Arc<Policy>,
    /// What `check` would warn of.
    pub warnings: Report,
}

/// A pool address that the machine itself has.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error(
    "snat.pools: {address} is an address of this machine, which would get the answers; sharing one is not \
     built in this version, so choose an address that no interface holds"
)]
pub struct SharedAddress {
    address: Ipv4Addr,
}

/// The pool that leaving traffic uses; this version has one.
pub const POOL: PoolId = PoolId(0);

impl Plan {
    /// Reads a configuration and everything it names, and refuses what this version does not enforce.
    ///
    /// # Errors
    /// Everything wrong with it.
    pub fn load(path: &Path) -> Result<Self, Report> {
        Self::load_without(path, config::unbuilt)
    }

    /// The same for asking only: refuses what this version could not answer for.
    ///
    /// # Errors
    /// Everything wrong with it.
    pub fn load_to_explain(path: &Path) -> Result<Self, Report> {
        Self::load_without(path, config::unexplained)
    }

    fn load_without(path: &Path, refused: fn(&Config) -> Vec<Diagnostic>) -> Result<Self, Report> {
        let plan = Self::from_loaded(config::load(path)?)?;
        let mut report = Report::new();
        report.extend(refused(&plan.config));
        if report.is_empty() { Ok(plan) } else { Err(report) }
    }

    /// Compiles the policies of a configuration that was read.
    ///
    /// # Errors
    /// Everything wrong with them.
    pub fn from_loaded(loaded: Loaded) -> Result<Self, Report> {
        let Loaded { config, policy_sources, mut warnings } = loaded;
        let rules::Loaded { objects, diagnostics } = rules::load(&policy_sources);
        for diagnostic in &diagnostics {
            warnings.push(Diagnostic::of_policy(diagnostic, &policy_sources));
        }
        if warnings.has_errors() {
            return Err(warnings);
        }
        let policy = rules::compile(&objects, &policy_settings(&config)).map_err(|errors| {
            let mut report = Report::new();
            for error in &errors {
                report.push(Diagnostic::of_policy(error, &policy_sources));
            }
            report
        })?;
        Ok(Self { config, policy: Arc::new(policy), warnings })
    }

    /// How leaving IPv4 traffic is treated.
    #[must_use]
    pub fn mode(&self) -> NetworkMode {
        match *self.config.network.ipv4 {
            config::NetworkMode::Overlay => NetworkMode::Overlay,
            config::NetworkMode::Flat => NetworkMode::Flat,
        }
    }

    /// What flows and ports are made from, and so cannot change under them: pools, limits and timeouts.
    #[must_use]
    pub fn lasting(&self) -> Lasting {
        let pools = self.config.snat.pools.iter();
        let limits = &self.config.limits;
        Lasting {
            pools: pools.map(|pool| (pool_addresses(pool), pool.ports.value)).collect(),
            flows: *limits.flows,
            frames: *limits.frames,
            timeouts: timeouts(&self.config.timeouts),
        }
    }

    /// The networks of all inside interfaces.
    pub fn inside_networks(&self) -> impl Iterator<Item = IpNet> {
        inside(&self.config)
    }

    /// The IPv4 addresses of the pool.
    #[must_use]
    pub fn pool_addresses(&self) -> Vec<u32> {
        self.config.snat.pools.first().map(pool_addresses).unwrap_or_default()
    }

    /// The SNAT ports that all workers share.
    ///
    /// # Errors
    /// What is wrong with the pools.
    pub fn pools(&self, workers: u16, seed: u64) -> Result<Arc<Pools>, PoolsError> {
        let addresses = self.pool_addresses().into_iter().map(Addr::from_v4).collect::<Vec<_>>();
        let specs: Vec<PoolSpec> = self
            .config
            .snat
            .pools
            .first()
            .filter(|_| !addresses.is_empty())
            .map(|pool| PoolSpec {
                name: pool.name.value.clone(),
                addresses,
                ports: pool.ports.first..=pool.ports.last,
            })
            .into_iter()
            .collect();
        Pools::new(&specs, workers, seed).map(Arc::new)
    }

    /// The flow table that all workers share.
    ///
    /// # Errors
    /// More flows than fit into a table, or into memory.
    pub fn table(&self, workers: u16, seed: u64) -> Result<Arc<FlowTable>, TableError> {
        let flows = *self.config.limits.flows;
        FlowTable::new(TableConfig { flows, workers, seed }).map(Arc::new)
    }

    /// A pool address must be nobody's else: the machine's own stack would get the answers.
    ///
    /// # Errors
    /// The address that is both.
    pub fn check_pool(&self, topology: &Topology) -> Result<(), SharedAddress> {
        let own = |address: &u32| topology.host_addresses.contains(address);
        match self.pool_addresses().into_iter().find(own) {
            Some(address) => Err(SharedAddress { address: Ipv4Addr::from_bits(address) }),
            None => Ok(()),
        }
    }

    /// The snapshot of this plan over a topology.
    #[must_use]
    pub fn snapshot(
        &self,
        generation: Generation,
        hop_generation: HopGeneration,
        topology: Topology,
    ) -> Snapshot {
        let addresses = self.pool_addresses();
        let parts = Parts {
            generation,
            hop_generation,
            policy: Arc::clone(&self.policy),
            mode: self.mode(),
            pool: (!addresses.is_empty()).then_some((POOL, addresses)),
        };
        Snapshot::new(parts, topology)
    }

    /// The state of one worker.
    ///
    /// # Panics
    /// If the worker's part of the table or of the pools is taken, or was not made.
    #[must_use]
    pub fn worker(
        &self,
        id: WorkerId,
        table: &Arc<FlowTable>,
        pools: &Arc<Pools>,
        seed: u64,
        interfaces: usize,
    ) -> Worker {
        let flows = usize::try_from(*self.config.limits.flows).unwrap_or(usize::MAX);
        Worker {
            table: Arc::clone(table),
            shard: table.shard(id).expect("each worker is made once"),
            ports: PortShard::new(Arc::clone(pools), id, flows),
            timeouts: timeouts(&self.config.timeouts),
            rng: Rng::from_seed(seed ^ u64::from(id.0) << 48),
            ledger: Ledger::new(interfaces),
            unresolved: None,
        }
    }
}

/// What a reload leaves as it is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Lasting {
    pools: Vec<(Vec<u32>, PortRange)>,
    flows: u32,
    frames: u32,
    timeouts: Timeouts,
}

fn pool_addresses(pool: &config::Pool) -> Vec<u32> {
    let addresses = pool.addresses.iter().flat_map(|range| range.iter());
    let v4 = |address| match address {
        IpAddr::V4(address) => Some(address.to_bits()),
        IpAddr::V6(_) => None,
    };
    addresses.filter_map(v4).collect()
}

fn inside(config: &Config) -> impl Iterator<Item = IpNet> {
    let interfaces = config.interfaces.inside.iter();
    interfaces.flat_map(|interface| &interface.networks).map(|network| network.value)
}

/// What the policy's files do not say.
pub(crate) fn policy_settings(config: &Config) -> rules::Settings {
    rules::Settings {
        unmatched: match *config.unmatched {
            config::Unmatched::Allow => Unmatched::Allow,
            config::Unmatched::Deny => Unmatched::Deny,
        },
        inside: inside(config).collect(),
    }
}

fn timeouts(config: &config::Timeouts) -> Timeouts {
    let millis =
        |duration: Duration| Millis(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX));
    Timeouts {
        tcp_established: millis(*config.tcp_established),
        tcp_transitory: millis(*config.tcp_transitory),
        tcp_half_open: millis(*config.tcp_half_open),
        udp: millis(*config.udp),
        udp_unreplied: millis(*config.udp_unreplied),
        icmp: millis(*config.icmp),
    }
}
