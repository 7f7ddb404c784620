//! A DNS server for a handful of names, over UDP.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, UdpSocket};

use simple_dns::rdata::{A, RData};
use simple_dns::{CLASS, Packet, PacketFlag, QTYPE, RCODE, ResourceRecord, TYPE};

use super::{LOOK, Log, SharedLog};
use crate::error::{Context as _, Result};
use crate::namespace::Namespace;
use crate::service::Service;

const TTL: u32 = 30;

/// Answers A questions from a fixed zone; any other name does not exist.
#[derive(Debug)]
pub struct DnsServer {
    log: SharedLog,
    _service: Service,
}

impl DnsServer {
    /// Serves `zone` on port 53 of `address`.
    ///
    /// # Errors
    /// When the address is not one of the namespace's, or the port is taken.
    pub fn start(
        namespace: &Namespace,
        address: Ipv4Addr,
        zone: &[(&str, &[Ipv4Addr])],
    ) -> Result<Self> {
        let what = || format!("serve DNS on {address}");
        let socket = namespace.run(move || UdpSocket::bind((address, 53))).context(what)?;
        socket.set_read_timeout(Some(LOOK)).context(what)?;
        let zone: BTreeMap<String, Vec<Ipv4Addr>> =
            zone.iter().map(|(name, all)| (name.to_string(), all.to_vec())).collect();
        let log = SharedLog::default();
        let shared = log.clone();
        let service = Service::start(namespace, move |stop| {
            let mut buffer = [0; 1500];
            while !stop.is_set() {
                let Ok((length, peer)) = socket.recv_from(&mut buffer) else { continue };
                shared.peer(peer);
                // What is no question gets no answer; a send that fails is a lost datagram.
                if let Some(answer) = answer(&buffer[..length], &zone, &shared) {
                    drop(socket.send_to(&answer, peer));
                }
            }
        });
        Ok(Self { log, _service: service })
    }

    /// What it was asked so far; `requests` are questions answered with an address.
    #[must_use]
    pub fn log(&self) -> Log {
        self.log.lock().clone()
    }
}

fn answer(
    query: &[u8],
    zone: &BTreeMap<String, Vec<Ipv4Addr>>,
    log: &SharedLog,
) -> Option<Vec<u8>> {
    let query = Packet::parse(query).ok()?;
    let question = query.questions.first()?.clone();
    let name = question.qname.to_string().to_lowercase();
    let mut reply = Packet::new_reply(query.id());
    reply.set_flags(PacketFlag::AUTHORITATIVE_ANSWER);
    *log.lock().names.entry(name.clone()).or_default() += 1;
    match zone.get(&name) {
        None => *reply.rcode_mut() = RCODE::NameError,
        Some(addresses) if question.qtype == QTYPE::TYPE(TYPE::A) => {
            reply.answers.extend(addresses.iter().map(|address| {
                let data = RData::A(A { address: (*address).into() });
                ResourceRecord::new(question.qname.clone(), CLASS::IN, TTL, data)
            }));
            log.lock().requests += 1;
        }
        // The name exists, but has nothing of that type.
        Some(_) => {}
    }
    reply.questions.push(question);
    reply.build_bytes_vec_compressed().ok()
}
