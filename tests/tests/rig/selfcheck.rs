//! The rig itself, with the kernel as the gateway.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use kit::clients::{Flood, Session, ask_udp, resolve};
use kit::layout::{DNS, SNAT, Seat};
use kit::servers::{Authority, DnsServer, EchoServer, TlsServer, UdpSink};
use kit::{Plan, Result, World, until};

use crate::kernel;

const API: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 7);
const DENIED: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 66);
const SOON: Duration = Duration::from_secs(5);

#[test]
fn every_server_client_and_witness_works() -> Result<()> {
    if kit::skip::skipped("selfcheck::every_server_client_and_witness_works", &["ip", "nft"]) {
        return Ok(());
    }
    let world = World::build(&Plan::new(&["shop/web", "shop/batch"]))?;
    kernel::forward(&world, true, &DENIED.to_string())?;
    let authority = Authority::new()?;
    let dns = DnsServer::start(&world.internet, DNS, &[("api.example.test", &[API])])?;
    let tls = TlsServer::start(&world.internet, (API, 443), &authority, &["api.example.test"])?;
    let echo = EchoServer::start(&world.internet, (API, 7))?;
    let sink = UdpSink::start(&world.internet, (DENIED, 9))?;

    let trust = authority.client()?;
    let web = &world.pod("shop/web").inside;
    let (whoami, local) = web.run(move || {
        assert_eq!(resolve(DNS, "api.example.test", SOON).unwrap(), [API]);
        assert!(resolve(DNS, "other.example.test", SOON).is_err());
        let mut session = Session::open(&trust, "api.example.test", (API, 443), SOON).unwrap();
        session.get_bytes(100_000).unwrap();
        assert_eq!(ask_udp((API, 7), b"hello", SOON).unwrap(), b"hello");
        (session.get("/whoami").unwrap(), session.local())
    });
    assert!(String::from_utf8_lossy(&whoami).starts_with(&format!("{SNAT} ")), "{whoami:?}");
    assert_eq!(local.ip(), IpAddr::V4(Seat::new(0).address()));

    let batch = &world.pod("shop/batch").inside;
    let flood = Flood {
        to: (DENIED, 9),
        packets: 500,
        over: Duration::from_secs(2),
        flows: 7,
        payload: 40,
    };
    assert_eq!(batch.run(move || flood.send()).unwrap(), 500);
    assert_eq!(sink.log().connections, 0);
    assert_eq!(batch.run(move || ask_udp((API, 7), b"again", SOON)).unwrap(), b"again");

    assert_eq!((dns.log().requests, dns.log().connections), (1, 2));
    assert_eq!((tls.log().requests, tls.log().names["api.example.test"]), (2, 1));
    assert_eq!((echo.udp().bytes, echo.tcp().connections), (10, 0));
    assert_eq!(tls.log().peers.keys().collect::<Vec<_>>(), [&IpAddr::V4(SNAT)]);

    // The witness agrees with the servers, with the kernel and with the marks of the pods.
    let up = until("a quiet link", SOON, || {
        let up = world.devices().ok()?["up0"];
        (up.rx == world.observer.with(|seen| seen.arrived)).then_some(up)
    })?;
    let seen = world.observer.seen();
    assert_eq!((seen.arrived, seen.left, seen.other), (up.rx, up.tx, 0));
    assert_eq!(seen.sources().into_iter().collect::<Vec<_>>(), [(SNAT, up.rx)]);
    let of =
        |seat| seen.sum(move |kind| kind.arrived && kind.pod() == Some(Seat::new(seat))).packets;
    assert_eq!((of(1), of(0)), (1, up.rx - 1));
    assert_eq!(seen.sum(|kind| kind.destination == DENIED).packets, 0);
    let devices = world.devices()?;
    assert_eq!((devices["shop/batch"].tx, devices["in1"].rx), (501, 501));
    Ok(())
}

#[test]
fn the_witness_sees_a_gateway_that_forgets_its_work() -> Result<()> {
    if kit::skip::skipped(
        "selfcheck::the_witness_sees_a_gateway_that_forgets_its_work",
        &["ip", "nft"],
    ) {
        return Ok(());
    }
    let world = World::build(&Plan::new(&["shop/web"]))?;
    kernel::forward(&world, false, "192.0.2.1")?;
    let capture = world.gateway.outside("/run/witness.pcap");
    world.observer.capture(&capture)?;
    let _echo = EchoServer::start(&world.internet, (DENIED, 7))?;
    let web = &world.pod("shop/web").inside;
    assert_eq!(web.run(|| ask_udp((DENIED, 7), b"hello", SOON)).unwrap(), b"hello");
    let pod = Seat::new(0).address();
    until("the witness", SOON, || {
        world.observer.with(|seen| (seen.sources().get(&pod) == Some(&1)).then_some(()))
    })?;
    assert_eq!(world.observer.seen().sum(|kind| kind.destination == DENIED).packets, 1);
    let size = std::fs::metadata(&capture).map(|file| file.len()).unwrap_or_default();
    assert!(size == 0 || size >= 24, "the capture is written in whole blocks: {size}");
    Ok(())
}
