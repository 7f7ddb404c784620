//! The steering program in the kernel, on crafted frames and with no device: `BPF_PROG_TEST_RUN`.

use std::mem::size_of;

use libxdp_sys::{bpf_prog_test_run_opts, bpf_test_run_opts};

use super::*;

const DROP: u32 = 1;
const PASS: u32 = 2;

const POD_MAC: [u8; 6] = [2, 0, 0, 0, 1, 5];
const POD: [u8; 4] = [10, 1, 0, 5];
const GATEWAY: [u8; 4] = [10, 1, 0, 1];
const OUTSIDE: [u8; 4] = [198, 18, 0, 9];

fn load(side: Side) -> Option<Steer> {
    if !nix::unistd::geteuid().is_root() {
        drop(std::io::Write::write_all(
            &mut std::io::stdout(),
            b"\nskipped: steer: needs root to load a BPF program\n",
        ));
        return None;
    }
    let spec = LinkSpec {
        id: InterfaceId(0),
        device: "none".into(),
        side,
        networks: vec!["10.1.0.0/24".parse().expect("a network")],
        host_addresses: vec![GATEWAY.into(), Ipv4Addr::new(10, 1, 0, 255)],
        mode: XdpMode::Native,
    };
    Some(Steer::load(&spec).expect("the verifier accepts the program"))
}

/// Runs the program on one frame; its verdict.
fn run(steer: &Steer, frame: &[u8]) -> u32 {
    let mut options = bpf_test_run_opts {
        sz: size_of::<bpf_test_run_opts>(),
        data_in: frame.as_ptr().cast(),
        data_size_in: u32::try_from(frame.len()).expect("a short frame"),
        repeat: 1,
        // SAFETY: a C structure of integers and pointers, for which all zero means "not given".
        ..unsafe { std::mem::zeroed() }
    };
    // SAFETY: a program of ours; the options and the frame they point at live over the call.
    let result = unsafe { bpf_prog_test_run_opts(steer.program.as_raw_fd(), &raw mut options) };
    assert_eq!(result, 0, "the kernel runs it: {}", io::Error::last_os_error());
    options.retval
}

/// What the program counted on queue 0 beside `seen`, and the verdict.
#[track_caller]
fn assert_action(side: Side, frame: &[u8], action: SteerAction, verdict: u32, label: &str) {
    let Some(steer) = load(side) else { return };
    assert_eq!(run(&steer, frame), verdict, "{label}");
    let counts = steer.counts(0).expect("our own map");
    for (counted, n) in counts.iter() {
        let expected = u64::from(counted == action || counted == SteerAction::Seen);
        assert_eq!(n, expected, "{label}: {}", counted.name());
    }
    assert!(counts.balanced(), "{label}");
}

fn ethernet(kind: u16, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![0xff; 6];
    frame.extend(POD_MAC);
    frame.extend(kind.to_be_bytes());
    frame.extend(payload);
    frame
}

fn arp(operation: u16, sender_mac: [u8; 6], sender: [u8; 4]) -> Vec<u8> {
    let mut arp = vec![0, 1, 8, 0, 6, 4];
    arp.extend(operation.to_be_bytes());
    arp.extend(sender_mac);
    arp.extend(sender);
    arp.extend([0; 6]);
    arp.extend(GATEWAY);
    ethernet(0x0806, &arp)
}

/// An IPv4 packet with no checksum, which the program does not read, and UDP ports if `ports` are given.
fn ipv4(protocol: u8, to: [u8; 4], ports: (u16, u16)) -> Vec<u8> {
    let mut ip = vec![0x45, 0, 0, 28, 0, 0, 0, 0, 64, protocol, 0, 0];
    ip.extend(POD);
    ip.extend(to);
    ip.extend(ports.0.to_be_bytes());
    ip.extend(ports.1.to_be_bytes());
    ip.extend([0, 8, 0, 0]);
    ethernet(0x0800, &ip)
}

#[test]
fn arp_senders_on_inside_interfaces_speak_for_themselves() {
    use SteerAction::{ArpMalformed, ArpSpoof, PassArp};
    let malformed = |at: usize, value: u8| {
        let mut frame = arp(1, POD_MAC, POD);
        frame[14 + at] = value;
        frame
    };
    let inside = |frame: &[u8], action, label| {
        let verdict = if action == PassArp { PASS } else { DROP };
        assert_action(Side::Inside, frame, action, verdict, label);
    };
    inside(&arp(1, POD_MAC, POD), PassArp, "request");
    inside(&arp(2, POD_MAC, POD), PassArp, "reply");
    inside(&arp(1, POD_MAC, [0; 4]), PassArp, "probe");
    inside(&arp(2, POD_MAC, [0; 4]), ArpSpoof, "reply from nobody");
    inside(&arp(2, POD_MAC, GATEWAY), ArpSpoof, "claims the gateway");
    inside(&arp(2, POD_MAC, [10, 1, 0, 255]), ArpSpoof, "claims the broadcast address");
    inside(&arp(2, POD_MAC, [10, 2, 0, 5]), ArpSpoof, "not in the interface's networks");
    inside(
        &arp(2, [2, 0, 0, 0, 1, 6], POD),
        ArpMalformed,
        "another hardware address than the frame",
    );
    inside(&arp(3, POD_MAC, POD), ArpMalformed, "operation");
    inside(&malformed(1, 6), ArpMalformed, "hardware type");
    inside(&malformed(3, 6), ArpMalformed, "protocol type");
    inside(&malformed(4, 8), ArpMalformed, "hardware length");
    inside(&malformed(5, 16), ArpMalformed, "protocol length");
    inside(&malformed(8, 3), ArpMalformed, "group address");
    inside(&arp(1, POD_MAC, POD)[..14 + 27], ArpMalformed, "cut off");
}

#[test]
fn outside_the_kernel_judges_arp_itself() {
    use SteerAction::{ArpMalformed, PassArp};
    assert_action(Side::Outside, &arp(2, POD_MAC, [10, 2, 0, 5]), PassArp, PASS, "any sender");
    assert_action(Side::Outside, &arp(9, POD_MAC, POD), ArpMalformed, DROP, "operation");
}

#[test]
fn only_what_is_listed_reaches_the_host() {
    use SteerAction::{DhcpServer, NoSocket, PassHost, PassOther};
    const UDP: u8 = 17;
    let broadcast = [255; 4];
    for side in [Side::Inside, Side::Outside] {
        let pass = |frame: &[u8], action, label| assert_action(side, frame, action, PASS, label);
        pass(&ipv4(6, GATEWAY, (1, 2)), PassHost, "own address");
        pass(&ipv4(6, [10, 1, 0, 255], (1, 2)), PassHost, "own network's broadcast");
        pass(&ipv4(UDP, broadcast, (5, 6)), PassHost, "limited broadcast");
        pass(&ipv4(UDP, broadcast, (68, 67)), PassOther, "DHCP request");
        pass(&ipv4(112, [224, 0, 0, 18], (0, 0)), PassOther, "VRRP");
        pass(&ethernet(0x88cc, &[0; 46]), PassOther, "LLDP");
        pass(&ethernet(0x8809, &[0; 46]), PassOther, "LACP");
        // No socket is in the map here, so what would go to one is dropped: it fails closed.
        let own = |frame: &[u8], label| assert_action(side, frame, NoSocket, DROP, label);
        own(&ipv4(6, OUTSIDE, (1, 2)), "transit");
        own(&ipv4(UDP, OUTSIDE, (68, 67)), "transit between DHCP's ports");
        own(&ipv4(UDP, OUTSIDE, (67, 68)), "transit between DHCP's ports, back");
        own(&ipv4(112, OUTSIDE, (0, 0)), "VRRP to someone");
        own(&ipv4(2, [224, 0, 0, 22], (0, 0)), "IGMP");
        own(&ipv4(6, GATEWAY, (1, 2))[..14 + 19], "IPv4 header cut off");
        own(&ethernet(0x86dd, &[0; 40]), "IPv6");
        own(&ethernet(0x8100, &[0; 46]), "VLAN tag");
        own(&ethernet(0x0004, &[0; 46]), "no ethertype");
    }
    let answer = ipv4(UDP, broadcast, (67, 68));
    assert_action(Side::Inside, &answer, DhcpServer, DROP, "a pod as DHCP server");
    assert_action(Side::Outside, &answer, PassOther, PASS, "DHCP answer");
    let mut fragment = answer;
    fragment[14 + 7] = 1;
    assert_action(Side::Inside, &fragment, PassHost, PASS, "a later fragment has no ports");
}
