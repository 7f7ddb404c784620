//! Valid frames of every kind, cut at every length and with every header byte changed.

use super::{Traffic, Witness};
use crate::kit::frame::{L3, fix_ip, fix_l4};
use crate::kit::{Outcome, Setup};
use flowtable::rng::Rng;

/// Bytes of Ethernet, IPv4 and the longest transport header among the frames.
const HEADERS: usize = 14 + 20 + 32;

#[test]
fn every_frame_cut_at_every_length_goes_to_one_place() {
    let Traffic { mut world, frames } = Traffic::new(&Setup::default());
    for (via, frame) in &frames {
        for len in 0..frame.len() {
            let _witness = Witness(*via, &frame[..len]);
            let outcome = world.pass(*via, &frame[..len]);
            if len < 14 {
                assert!(matches!(&outcome, Outcome::Dropped(r) if r.name() == "l2.short"));
            }
            assert!(!matches!(outcome, Outcome::Sent(_)), "a cut frame left: {len}");
        }
    }
}

/// The cut is hidden: the IP header states the shorter length, with its checksum right.
#[test]
fn every_packet_cut_at_every_length_goes_to_one_place() {
    let Traffic { mut world, frames } = Traffic::new(&Setup::default());
    for (via, frame) in frames.iter().filter(|(_, frame)| frame[12..14] == [8, 0]) {
        for len in 0..=frame.len() - L3 {
            let mut cut = frame[..L3 + len.max(20)].to_vec();
            let total = u16::try_from(len).expect("short").to_be_bytes();
            cut[L3 + 2..L3 + 4].copy_from_slice(&total);
            fix_ip(&mut cut);
            for mended in [false, true] {
                if mended {
                    fix_l4(&mut cut);
                }
                let _witness = Witness(*via, &cut);
                let _ = world.pass(*via, &cut);
            }
        }
    }
}

#[test]
fn every_header_byte_at_its_extremes_goes_to_one_place() {
    let Traffic { mut world, frames } = Traffic::new(&Setup::default());
    let mut rng = Rng::from_seed(1);
    let mut passed = 0;
    for (via, frame) in &frames {
        for at in 0..frame.len().min(HEADERS) {
            let random = rng.next_u64().to_le_bytes()[0];
            for byte in [0, 1, 0x7f, 0x80, 0xff, random] {
                let mut changed = frame.clone();
                changed[at] = byte;
                for mend in 0..3 {
                    if mend > 0 {
                        fix_ip(&mut changed);
                    }
                    if mend > 1 {
                        fix_l4(&mut changed);
                    }
                    let _witness = Witness(*via, &changed);
                    if let Outcome::Sent(sent) = world.pass(*via, &changed) {
                        assert!(sent.bytes.len() <= changed.len());
                        passed += 1;
                    }
                }
            }
        }
        world.settle();
    }
    assert!(passed > 1_000, "most frames bear some change: {passed}");
}
