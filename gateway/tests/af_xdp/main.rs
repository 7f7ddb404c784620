//! The AF_XDP driver on real sockets: two hosts, each behind a veth pair, and a forwarder between them.
//!
//! Needs root, `ip` and `ethtool`. All traffic stays inside network namespaces that have no name and are
//! held by descriptors of this process only, so nothing is left however a test ends.

#![cfg(feature = "af-xdp")]

mod rig;

use std::net::{IpAddr, Ipv4Addr, UdpSocket};
use std::thread;
use std::time::{Duration, Instant};

use gateway::io::InterfaceId;
use gateway::io::af_xdp::{
    CopyMode, Monitor, OpenError, Opened, Options, QueueReport, SteerAction, XdpMode, open,
};
use gateway::kernel::{KernelView, resolve_neighbor};
use rig::{CLIENT, INSIDE, OPTIONS, OUTSIDE, PORT, Rig, SERVER};

fn report(monitor: &Monitor, id: InterfaceId) -> QueueReport {
    let reports = monitor.read().expect("our own counters");
    reports.into_iter().find(|report| report.interface == id).expect("an open interface")
}

/// The identities that hold with nothing under way.
fn assert_exact(report: &QueueReport) {
    assert!(report.steer.balanced(), "{report:#?}");
    let to_socket = report.steer.get(SteerAction::ToSocket);
    assert_eq!(to_socket, report.port.received + report.kernel.dropped(), "{report:#?}");
    assert_eq!(report.port.transmitted, report.port.completed, "{report:#?}");
    assert_eq!(report.kernel.tx_invalid_descs + report.kernel.rx_invalid_descs, 0, "{report:#?}");
}

/// Sends `count` datagrams and takes the echoes, a window at a time; how many came back.
fn echo(client: &UdpSocket, server: &UdpSocket, count: u64, size: usize) -> u64 {
    let (mut back, mut buffer) = (0, vec![0; 2_048]);
    let payload = vec![0x5a; size];
    for _ in 0..count / 32 {
        for _ in 0..32 {
            client.send_to(&payload, (SERVER, PORT)).expect("the route is there");
        }
        for _ in 0..32 {
            let Ok((length, from)) = server.recv_from(&mut buffer) else { return back };
            assert_eq!(length, size);
            server.send_to(&buffer[..length], from).expect("the route is there");
        }
        for _ in 0..32 {
            match client.recv(&mut buffer) {
                Ok(length) => assert_eq!(length, size),
                Err(_) => return back,
            }
            back += 1;
        }
    }
    back
}

fn forwards_and_counts(mode: XdpMode) {
    let Some(rig) = Rig::new() else { return };
    rig.no_arp();
    let (monitor, mut io) = rig.open(mode);
    let mut forwarder = rig.forwarder();
    let (client, server) = (rig.bind(&rig.client, CLIENT), rig.bind(&rig.server, SERVER));
    let before = rig.counters();

    let count = 6_400;
    let small = forwarder.during(&mut io, || echo(&client, &server, count, 18));
    let large = forwarder.during(&mut io, || echo(&client, &server, count, 1_472));
    assert_eq!((small, large), (count, count), "every datagram comes back");
    assert_eq!(forwarder.stats.received, 4 * count);
    assert_eq!(forwarder.stats.transmitted, 4 * count);

    let after = rig.counters();
    for (id, before, after) in [(INSIDE, before.0, after.0), (OUTSIDE, before.1, after.1)] {
        let report = report(&monitor, id);
        assert_eq!(report.xdp_mode, mode);
        assert_eq!(report.copy_mode, CopyMode::Copy);
        assert_exact(&report);
        assert_eq!(report.steer.get(SteerAction::Seen), 2 * count, "{report:#?}");
        assert_eq!(report.port.received, 2 * count, "{report:#?}");
        assert_eq!(report.port.transmitted, 2 * count, "{report:#?}");
        assert_eq!(after.tx_packets - before.tx_packets, 2 * count, "{after:?}");
        assert_eq!(after.tx_dropped - before.tx_dropped, 0, "{after:?}");
    }
    let audit = io.audit();
    assert!(audit.balanced() && audit.out == 0, "{audit:?}");
    assert_eq!(audit.total, 4_096);
}

#[test]
fn native_mode_forwards_and_counts_every_packet() {
    forwards_and_counts(XdpMode::Native);
}

#[test]
fn generic_mode_forwards_and_counts_every_packet() {
    forwards_and_counts(XdpMode::Generic);
}

#[test]
fn a_flood_is_accounted_to_the_packet() {
    let Some(rig) = Rig::new() else { return };
    rig.no_arp();
    let (monitor, mut io) = rig.open(XdpMode::Native);
    let mut forwarder = rig.forwarder();
    // The server never reads; without a socket it would answer with ICMP errors.
    let (client, _server) = (rig.bind(&rig.client, CLIENT), rig.bind(&rig.server, SERVER));
    let (sent, before, arrived) = (200_000, rig.counters(), rig.server.link("s0").counters);
    forwarder.during(&mut io, || {
        // A sender on each core, so that rings do fill.
        thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    for _ in 0..sent / 2 {
                        let _full = client.send_to(&[0; 18], (SERVER, PORT));
                    }
                });
            }
        });
    });

    let (inside, outside) = (report(&monitor, INSIDE), report(&monitor, OUTSIDE));
    assert_exact(&inside);
    assert_exact(&outside);
    let (_, after) = rig.counters();
    let dropped = after.tx_dropped - before.1.tx_dropped;
    let on_wire = after.tx_packets - before.1.tx_packets;
    assert_eq!(outside.port.transmitted, on_wire + dropped, "{after:?}");
    assert_eq!(outside.port.transmitted, forwarder.stats.transmitted);
    assert_eq!(outside.port.refused, forwarder.stats.refused);
    assert_eq!(forwarder.stats.received, forwarder.stats.transmitted + forwarder.stats.refused);
    let at_server = rig.server.link("s0").counters;
    let arrived = at_server.rx_packets - arrived.rx_packets;
    assert_eq!(arrived, on_wire, "{at_server:?}");
    let audit = io.audit();
    assert!(audit.balanced() && audit.out == 0, "{audit:?}");
}

#[test]
fn two_workers_share_the_frames_but_not_one_frame() {
    let Some(rig) = Rig::with_queues(2) else { return };
    rig.no_arp();
    let options = Options { workers: 2, ..OPTIONS };
    let Opened { monitor, mut workers } =
        rig.try_open(XdpMode::Native, options).expect("two queues");
    let (client, server) = (rig.bind(&rig.client, CLIENT), rig.bind(&rig.server, SERVER));
    let second = rig.client.run(|| UdpSocket::bind((CLIENT, PORT + 1)).expect("a free port"));
    let before = rig.counters().1;
    let count = 3_200;
    let [one, two] = workers.as_mut_slice() else { panic!("two workers") };
    let (mut for_one, mut for_two) = (rig.forwarder(), rig.forwarder());
    let echoes = || {
        for client in [&client, &second] {
            client.set_read_timeout(Some(Duration::from_secs(2))).expect("a timeout");
            assert_eq!(echo(client, &server, count, 18), count, "every datagram comes back");
        }
    };
    for_one.during(one, || for_two.during(two, echoes));
    let reports = monitor.read().expect("our own counters");
    let order: Vec<_> = reports.iter().map(|report| (report.interface.0, report.queue)).collect();
    assert_eq!(order, [(0, 0), (0, 1), (1, 0), (1, 1)]);
    reports.iter().for_each(assert_exact);
    let transmitted = |id| {
        let of_id = reports.iter().filter(|report| report.interface == id);
        of_id.map(|report| report.port.transmitted).sum::<u64>()
    };
    assert_eq!((transmitted(INSIDE), transmitted(OUTSIDE)), (2 * count, 2 * count));
    assert_eq!(rig.counters().1.tx_packets - before.tx_packets, 2 * count);
    for io in &mut workers {
        let audit = io.audit();
        assert!(audit.balanced() && audit.out == 0 && audit.total == 2_048, "{audit:?}");
    }
}

#[test]
fn a_peer_that_is_down_costs_only_counted_packets() {
    let Some(rig) = Rig::new() else { return };
    rig.no_arp();
    let (monitor, mut io) = rig.open(XdpMode::Native);
    let mut forwarder = rig.forwarder();
    let client = rig.bind(&rig.client, CLIENT);
    rig.server.sh("ip link set s0 down");
    let before = rig.counters().1;
    forwarder.during(&mut io, || {
        for _ in 0..300 {
            client.send_to(&[0; 18], (SERVER, PORT)).expect("the route is there");
        }
    });
    let (outside, after) = (report(&monitor, OUTSIDE), rig.counters().1);
    assert_exact(&outside);
    assert_eq!(outside.port.transmitted, 300);
    assert_eq!(after.tx_dropped - before.tx_dropped, 300, "{after:?}");
    assert!(outside.port.kick_errors.busy > 0, "{outside:#?}");
    assert!(io.audit().balanced());
}

#[test]
fn arp_and_the_hosts_own_packets_go_to_the_host() {
    let Some(rig) = Rig::new() else { return };
    let (monitor, mut io) = rig.open(XdpMode::Native);
    let mut forwarder = rig.forwarder();
    let (client, server) = (rig.bind(&rig.client, CLIENT), rig.bind(&rig.server, SERVER));
    let host = rig.bind(&rig.gateway, Ipv4Addr::new(10, 1, 0, 1));
    forwarder.during(&mut io, || {
        assert_eq!(echo(&client, &server, 32, 18), 32, "neighbours are found through the kernel");
        client.send_to(b"hello", ("10.1.0.1", PORT)).expect("the link is up");
        host.recv(&mut [0; 8]).expect("the gateway's own address is the host's");
    });
    let inside = report(&monitor, INSIDE);
    assert_exact(&inside);
    assert!(inside.steer.get(SteerAction::PassArp) > 0, "{inside:#?}");
    assert_eq!(inside.steer.get(SteerAction::PassHost), 1, "{inside:#?}");
    assert_eq!(inside.steer.get(SteerAction::ArpSpoof), 0, "{inside:#?}");

    // The client now claims an address that is not of its network, then the gateway's own.
    rig.client.sh("ip address add 10.9.0.9/32 dev c0
                   ip address add 10.1.0.1/32 dev c0
                   ip neighbor flush dev c0");
    for address in ["10.9.0.9", "10.1.0.1"] {
        let liar = rig.client.run(|| UdpSocket::bind((address, 0)).expect("its own address now"));
        liar.send_to(b"x", ("10.1.0.3", PORT)).expect("asks for 10.1.0.3");
        let started = Instant::now();
        let before = report(&monitor, INSIDE).steer.get(SteerAction::ArpSpoof);
        while report(&monitor, INSIDE).steer.get(SteerAction::ArpSpoof) == before {
            assert!(started.elapsed() < Duration::from_secs(5), "the spoof is counted");
            thread::sleep(Duration::from_millis(20));
        }
    }
}

#[test]
fn the_kernel_resolves_a_neighbor_when_asked() {
    let Some(rig) = Rig::new() else { return };
    let index = rig.gateway.link("out0").index;
    rig.gateway.run(|| {
        resolve_neighbor(index, IpAddr::from(SERVER)).expect("root may ask");
        let started = Instant::now();
        let usable = |view: KernelView| {
            view.neighbors.iter().any(|found| found.address == SERVER && found.usable)
        };
        while !usable(KernelView::dump().expect("anyone may list neighbours")) {
            assert!(started.elapsed() < Duration::from_secs(5), "the server answers");
            thread::sleep(Duration::from_millis(20));
        }
    });
}

#[test]
fn what_cannot_work_is_refused_by_name() {
    let Some(rig) = Rig::new() else { return };
    let refused =
        |options: Options| rig.try_open(XdpMode::Native, options).expect_err("refused").to_string();
    let workers = refused(Options { workers: 2, ..OPTIONS });
    assert!(workers.starts_with("in0: 1 receive queues for 2 workers"), "{workers}");
    rig.gateway.sh("ip link add two numrxqueues 2 numtxqueues 2 type veth peer name owt");
    let mut specs = rig.specs(XdpMode::Native);
    specs[1].device = "two".into();
    let unequal = rig.gateway.run(|| open(&specs, &OPTIONS)).expect_err("refused").to_string();
    assert!(unequal.starts_with("unequal queue counts are not supported yet"), "{unequal}");
    let zero_copy = refused(Options { copy: CopyMode::ZeroCopy, ..OPTIONS });
    assert_eq!(zero_copy, "in0: device has no zero-copy AF_XDP; leave copy mode on");

    let (monitor, io) = rig.open(XdpMode::Native);
    let second = refused(OPTIONS);
    assert!(
        second.starts_with("in0: queue 0 is still in use by another AF_XDP socket"),
        "{second}"
    );
    drop((monitor, io));

    rig.gateway.sh("ip link set in0 mtu 9000");
    let mtu = refused(OPTIONS);
    assert!(mtu.starts_with("in0: MTU 9000 is above 3818"), "{mtu}");
    rig.gateway.sh("ip link set in0 mtu 1500
                    ip link delete out0");
    let gone = rig.try_open(XdpMode::Native, OPTIONS).expect_err("refused");
    assert!(matches!(gone, OpenError::NoSuchDevice { .. }), "{gone}");
    assert_eq!(gone.exit_code(), 5);
}

#[test]
fn closing_detaches_and_opening_again_works() {
    let Some(rig) = Rig::new() else { return };
    let socket = rig.bind(&rig.gateway, Ipv4Addr::new(10, 1, 0, 1));
    let client = rig.bind(&rig.client, CLIENT);
    for _ in 0..3 {
        drop(rig.open(XdpMode::Native));
        client.send_to(b"after", ("10.1.0.1", PORT)).expect("the link is up");
        socket.recv(&mut [0; 8]).expect("the kernel has the device back");
    }
}
