//! Two hosts, each behind a veth pair, and a forwarder between them.

use std::fs::File;
use std::net::{Ipv4Addr, UdpSocket};
use std::os::fd::AsRawFd;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use gateway::io::af_xdp::{
    AfXdpIo, CopyMode, LinkSpec, Monitor, OpenError, Opened, Options, XdpMode, open,
};
use gateway::io::{BATCH, Frame, InterfaceId, PacketIo, Side};
use gateway::kernel::{DeviceCounters, KernelView, Link};
use nix::sched::{CloneFlags, setns, unshare};

pub(super) const INSIDE: InterfaceId = InterfaceId(0);
pub(super) const OUTSIDE: InterfaceId = InterfaceId(1);
pub(super) const CLIENT: Ipv4Addr = Ipv4Addr::new(10, 1, 0, 2);
pub(super) const SERVER: Ipv4Addr = Ipv4Addr::new(198, 18, 0, 2);
pub(super) const PORT: u16 = 4_000;

/// A network namespace that lives as long as the value.
pub(super) struct Namespace(File);

impl Namespace {
    fn new() -> Self {
        let make = || {
            unshare(CloneFlags::CLONE_NEWNET).expect("root may make a network namespace");
            File::open("/proc/thread-self/ns/net").expect("/proc is mounted")
        };
        let namespace = Self(thread::spawn(make).join().expect("the thread makes a namespace"));
        namespace.run(|| {
            // Router solicitations would come and go between two readings of a counter.
            let _no_ipv6 = std::fs::write("/proc/sys/net/ipv6/conf/all/disable_ipv6", "1");
            let _no_ipv6 = std::fs::write("/proc/sys/net/ipv6/conf/default/disable_ipv6", "1");
        });
        namespace
    }

    /// Runs a closure on a thread inside the namespace.
    pub(super) fn run<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        thread::scope(|scope| {
            let inside = scope.spawn(|| {
                setns(&self.0, CloneFlags::CLONE_NEWNET).expect("root may enter a namespace");
                work()
            });
            inside.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    }

    /// Runs commands, one a line.
    pub(super) fn sh(&self, lines: &str) {
        self.run(|| {
            for line in lines.lines().map(str::trim).filter(|line| !line.is_empty()) {
                let mut words = line.split(' ');
                let program = words.next().expect("the line is not empty");
                let output = Command::new(program).args(words).output().expect("the tool is there");
                let stderr = String::from_utf8_lossy(&output.stderr);
                assert!(output.status.success(), "{line}: {stderr}");
            }
        });
    }

    /// How another process finds it.
    fn path(&self) -> String {
        format!("/proc/{}/fd/{}", std::process::id(), self.0.as_raw_fd())
    }

    pub(super) fn link(&self, name: &str) -> Link {
        let view = self.run(|| KernelView::dump().expect("anyone may list devices"));
        view.link(name).expect("the rig made this device").clone()
    }
}

/// `client c0 -- in0 gateway out0 -- s0 server`
pub(super) struct Rig {
    pub(super) gateway: Namespace,
    pub(super) client: Namespace,
    pub(super) server: Namespace,
}

impl Rig {
    pub(super) fn new() -> Option<Self> {
        Self::with_queues(1)
    }

    /// None, with a line that says why, where the test cannot run.
    pub(super) fn with_queues(queues: u16) -> Option<Self> {
        if !nix::unistd::geteuid().is_root() {
            drop(std::io::Write::write_all(
                &mut std::io::stdout(),
                b"\nskipped: af_xdp: needs root for network namespaces and AF_XDP\n",
            ));
            return None;
        }
        if Command::new("ip").arg("-V").output().is_err()
            || Command::new("ethtool").arg("--version").output().is_err()
        {
            drop(std::io::Write::write_all(
                &mut std::io::stdout(),
                b"\nskipped: af_xdp: needs ip (iproute2) and ethtool\n",
            ));
            return None;
        }
        let rig =
            Self { gateway: Namespace::new(), client: Namespace::new(), server: Namespace::new() };
        for (ours, theirs, host) in [("in0", "c0", &rig.client), ("out0", "s0", &rig.server)] {
            let queues = format!("numrxqueues {queues} numtxqueues {queues}");
            rig.gateway
                .sh(&format!("ip link add {ours} {queues} type veth peer name {theirs} {queues}"));
            rig.gateway.sh(&format!("ip link set {theirs} netns {}", host.path()));
        }
        rig.gateway.sh("ip address add 10.1.0.1/24 dev in0
                        ip address add 198.18.0.1/24 dev out0
                        ip link set in0 up
                        ip link set out0 up");
        // Frames pass as they are, so the hosts must finish their checksums themselves.
        rig.client.sh("ip address add 10.1.0.2/24 dev c0
                       ip link set c0 up
                       ip route add default via 10.1.0.1
                       ethtool -K c0 tx off");
        rig.server.sh("ip address add 198.18.0.2/24 dev s0
                       ip link set s0 up
                       ip route add default via 198.18.0.1
                       ethtool -K s0 tx off");
        Some(rig)
    }

    /// Gives every neighbour by hand, so that no ARP disturbs the counters.
    pub(super) fn no_arp(&self) {
        for (here, device, there, peer, address) in [
            (&self.client, "c0", &self.gateway, "in0", "10.1.0.1"),
            (&self.gateway, "in0", &self.client, "c0", "10.1.0.2"),
            (&self.server, "s0", &self.gateway, "out0", "198.18.0.1"),
            (&self.gateway, "out0", &self.server, "s0", "198.18.0.2"),
        ] {
            let mac = there.link(peer).mac.map(|byte| format!("{byte:02x}")).join(":");
            here.sh(&format!(
                "ip neighbor replace {address} lladdr {mac} dev {device} nud permanent"
            ));
        }
    }

    pub(super) fn specs(&self, mode: XdpMode) -> [LinkSpec; 2] {
        let own = self.gateway.run(|| {
            KernelView::dump().expect("anyone may list addresses").own_ipv4().collect::<Vec<_>>()
        });
        let link = |id, device: &str, side, network: &str| LinkSpec {
            id,
            device: device.into(),
            side,
            networks: vec![network.parse().expect("a network")],
            host_addresses: own.clone(),
            mode,
        };
        [
            link(INSIDE, "in0", Side::Inside, "10.1.0.0/24"),
            link(OUTSIDE, "out0", Side::Outside, "0.0.0.0/0"),
        ]
    }

    pub(super) fn try_open(&self, mode: XdpMode, options: Options) -> Result<Opened, OpenError> {
        let specs = self.specs(mode);
        self.gateway.run(move || open(&specs, &options))
    }

    pub(super) fn open(&self, mode: XdpMode) -> (Monitor, AfXdpIo) {
        let mut opened = self.try_open(mode, OPTIONS).expect("veth can do this");
        (opened.monitor, opened.workers.pop().expect("one worker for one queue"))
    }

    pub(super) fn forwarder(&self) -> Forwarder {
        Forwarder {
            to_inside: header(&self.client.link("c0"), &self.gateway.link("in0")),
            to_outside: header(&self.server.link("s0"), &self.gateway.link("out0")),
            stats: Forwarded::default(),
        }
    }

    pub(super) fn bind(&self, host: &Namespace, address: Ipv4Addr) -> UdpSocket {
        let socket = host.run(|| UdpSocket::bind((address, PORT)).expect("a free port"));
        socket.set_read_timeout(Some(Duration::from_secs(2))).expect("a timeout");
        socket
    }

    pub(super) fn counters(&self) -> (DeviceCounters, DeviceCounters) {
        (self.gateway.link("in0").counters, self.gateway.link("out0").counters)
    }
}

pub(super) const OPTIONS: Options = Options { frames: 4_096, workers: 1, copy: CopyMode::Copy };

/// The Ethernet addresses of a frame to `to` from `from`.
fn header(to: &Link, from: &Link) -> [u8; 12] {
    let mut header = [0; 12];
    header[..6].copy_from_slice(&to.mac);
    header[6..].copy_from_slice(&from.mac);
    header
}

#[derive(Clone, Copy, Default, Debug)]
pub(super) struct Forwarded {
    pub(super) received: u64,
    pub(super) transmitted: u64,
    pub(super) refused: u64,
}

/// Ends a forwarder, also when what it forwards for fails.
struct Ends<'a>(&'a AtomicBool);

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Release);
    }
}

/// Sends what comes in at one interface out at the other.
pub(super) struct Forwarder {
    to_inside: [u8; 12],
    to_outside: [u8; 12],
    pub(super) stats: Forwarded,
}

impl Forwarder {
    /// One batch; whether there was any.
    fn turn(&mut self, io: &mut AfXdpIo) -> bool {
        let mut batch = Vec::with_capacity(BATCH);
        let received = io.receive(BATCH, |received| batch.push(received));
        self.stats.received += received as u64;
        for received in batch {
            let (egress, header) = match received.ingress {
                INSIDE => (OUTSIDE, self.to_outside),
                _ => (INSIDE, self.to_inside),
            };
            let mut frame = received.frame;
            frame.bytes_mut()[..12].copy_from_slice(&header);
            match io.transmit(egress, frame) {
                Ok(()) => self.stats.transmitted += 1,
                Err(frame) => {
                    self.stats.refused += 1;
                    io.release(frame);
                }
            }
        }
        io.flush();
        received > 0
    }

    /// Forwards while `work` runs and until nothing moves any more.
    pub(super) fn during<T>(&mut self, io: &mut AfXdpIo, work: impl FnOnce() -> T) -> T {
        let done = AtomicBool::new(false);
        thread::scope(|scope| {
            let ends = Ends(&done);
            let forwarder = scope.spawn(|| {
                let mut last = Instant::now();
                while !done.load(Ordering::Acquire) || last.elapsed() < Duration::from_millis(100) {
                    if self.turn(io) || io.wait(Duration::from_millis(5)) || under_way(io) {
                        last = Instant::now();
                    }
                }
            });
            let result = work();
            drop(ends);
            forwarder.join().expect("the forwarder does not panic");
            result
        })
    }
}

/// Whether a frame is queued or on its way out.
fn under_way(io: &mut AfXdpIo) -> bool {
    let audit = io.audit();
    audit.transmit + audit.kernel_transmit + audit.completion > 0
}
