//! TLS from a pod to the internet, by programs nobody here wrote: curl and OpenSSL's server.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use kit::layout::{DNS, SNAT, Seat};
use kit::servers::{Authority, DnsServer, TlsServer, pattern};
use kit::{Config, Finished, Gateway, Namespace, Plan, Result, World};

const API: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 7);
const OPENSSL: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 8);
const DENIED: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 66);
const BODY: usize = 1_000_000;
const SOON: Duration = Duration::from_secs(20);
/// The exit code of curl when a connection takes longer than `--connect-timeout`.
const CURL_TIMEOUT: i32 = 28;

fn curl(pod: &Namespace, arguments: &[&str]) -> Result<Finished> {
    let fixed = ["curl", "-sS", "--cacert", "/run/ca.pem", "--connect-timeout", "3", "-m", "15"];
    pod.output(&[&fixed, arguments].concat(), SOON)
}

#[test]
fn curl_reaches_what_policy_allows_and_nothing_else() -> Result<()> {
    let programs = ["ip", "curl", "openssl"];
    if kit::skip::skipped("web::curl_reaches_what_policy_allows_and_nothing_else", &programs) {
        return Ok(());
    }
    let world = World::build(&Plan::new(&["shop/web"]))?;
    let authority = Authority::new()?;
    let zone: [(&str, &[Ipv4Addr]); 3] = [
        ("api.example.test", &[API]),
        ("openssl.example.test", &[OPENSSL]),
        ("evil.example.test", &[DENIED]),
    ];
    let _dns = DnsServer::start(&world.internet, DNS, &zone)?;
    let names: Vec<&str> = zone.iter().map(|(name, _)| *name).collect();
    let api = TlsServer::start(&world.internet, (API, 443), &authority, &names)?;
    let other_port = TlsServer::start(&world.internet, (API, 8443), &authority, &names)?;
    let evil = TlsServer::start(&world.internet, (DENIED, 443), &authority, &names)?;
    let _openssl = start_openssl(&world, &authority)?;
    let policies = kit::policies(
        &world,
        &[(
            "shop/web",
            "[{to: [{ipBlock: {cidr: 198.51.100.0/28}}], ports: [{port: 443}]}, \
             {to: [{ipBlock: {cidr: 203.0.113.53/32}}], ports: [{port: 53, protocol: UDP}]}]",
        )],
    );
    let gateway = Gateway::start(&world, &Config::default().text(&world), &policies)?;

    let pod = &world.pod("shop/web").inside;
    pod.write("/run/ca.pem", authority.pem())?;
    let whoami = curl(pod, &["https://api.example.test/whoami"])?.success()?;
    assert!(whoami.stdout.starts_with(&format!("{SNAT} ")), "{}", whoami.stdout);
    for url in ["https://api.example.test/bytes/1000000", "https://openssl.example.test/body"] {
        curl(pod, &[url, "-o", "/run/body"])?.success()?;
        let body = std::fs::read(pod.outside("/run/body")).unwrap_or_default();
        assert!(body == pattern(BODY), "{url}: {} bytes, not those sent", body.len());
    }
    for url in ["https://evil.example.test/whoami", "https://api.example.test:8443/whoami"] {
        let denied = curl(pod, &[url])?;
        assert_eq!(denied.status.code(), Some(CURL_TIMEOUT), "{url}: {denied:?}");
    }

    let ledger = gateway.settle(&world, SOON)?;
    assert!(ledger.drops_of("policy.networkpolicy") >= 2, "{ledger:?}");
    assert_eq!(api.log().peers.into_keys().collect::<Vec<_>>(), [IpAddr::V4(SNAT)]);
    assert_eq!((other_port.log().connections, evil.log().connections), (0, 0));
    let seen = world.observer.seen();
    assert_eq!(seen.sources().into_keys().collect::<Vec<_>>(), [SNAT]);
    let denied = |kind: &kit::observer::Kind| {
        kind.arrived && (kind.destination == DENIED || kind.destination_port == 8443)
    };
    assert_eq!(seen.sum(denied).packets, 0);
    assert!(seen.sum(|kind| kind.pod() == Some(Seat::new(0))).packets > 100);
    let end = gateway.stop()?;
    assert!(end.status.success(), "{end:?}");
    Ok(())
}

/// OpenSSL's own server with the file `body`, as a web server for one connection at a time.
fn start_openssl(world: &World, authority: &Authority) -> Result<kit::Process> {
    let pair = authority.issue(&["openssl.example.test"])?;
    let internet = &world.internet;
    internet.write("/run/web/cert.pem", &pair.certificate)?;
    internet.write("/run/web/key.pem", &pair.key)?;
    std::fs::write(internet.outside("/run/web/body"), pattern(BODY)).expect("a tmpfs has room");
    let serve = format!(
        "cd /run/web && exec openssl s_server -accept {OPENSSL}:443 -cert cert.pem -key key.pem -WWW"
    );
    let mut server = internet.spawn(&["sh", "-c", &serve])?;
    server.wait_for(SOON, |line| line.contains("ACCEPT"))?;
    Ok(server)
}
