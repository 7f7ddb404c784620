//! Plain servers: TCP that sends back what comes, UDP that does, and UDP that only counts.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, UdpSocket};

use super::{LOOK, Log, SharedLog, listen};
use crate::error::{Context as _, Result};
use crate::namespace::Namespace;
use crate::service::Service;

/// Sends back what comes, over TCP and UDP, on one address and port.
#[derive(Debug)]
pub struct EchoServer {
    tcp: SharedLog,
    udp: SharedLog,
    _services: [Service; 2],
}

impl EchoServer {
    /// Serves on `address`.
    ///
    /// # Errors
    /// When the address is not one of the namespace's, or a port is taken.
    pub fn start(namespace: &Namespace, address: (Ipv4Addr, u16)) -> Result<Self> {
        let (tcp, udp) = (SharedLog::default(), SharedLog::default());
        let shared = tcp.clone();
        let over_tcp = listen(namespace, address, &tcp, move |mut stream, _| {
            let mut buffer = [0; 16 << 10];
            loop {
                let length = stream.read(&mut buffer)?;
                if length == 0 {
                    return Ok(());
                }
                stream.write_all(&buffer[..length])?;
                shared.lock().bytes += length as u64;
            }
        })?;
        let over_udp = datagrams(namespace, address, &udp, true)?;
        Ok(Self { tcp, udp, _services: [over_tcp, over_udp] })
    }

    /// What came over TCP.
    #[must_use]
    pub fn tcp(&self) -> Log {
        self.tcp.lock().clone()
    }

    /// What came over UDP.
    #[must_use]
    pub fn udp(&self) -> Log {
        self.udp.lock().clone()
    }
}

/// Receives datagrams and counts them.
#[derive(Debug)]
pub struct UdpSink {
    log: SharedLog,
    _service: Service,
}

impl UdpSink {
    /// Receives on `address`.
    ///
    /// # Errors
    /// When the address is not one of the namespace's, or the port is taken.
    pub fn start(namespace: &Namespace, address: (Ipv4Addr, u16)) -> Result<Self> {
        let log = SharedLog::default();
        let service = datagrams(namespace, address, &log, false)?;
        Ok(Self { log, _service: service })
    }

    /// What came; `connections` are datagrams.
    #[must_use]
    pub fn log(&self) -> Log {
        self.log.lock().clone()
    }
}

fn datagrams(
    namespace: &Namespace,
    address: (Ipv4Addr, u16),
    log: &SharedLog,
    reply: bool,
) -> Result<Service> {
    let what = || format!("receive datagrams on {}:{}", address.0, address.1);
    let socket = namespace.run(move || UdpSocket::bind(address)).context(what)?;
    socket.set_read_timeout(Some(LOOK)).context(what)?;
    let log = log.clone();
    Ok(Service::start(namespace, move |stop| {
        let mut buffer = [0; 65_536];
        while !stop.is_set() {
            let Ok((length, peer)) = socket.recv_from(&mut buffer) else { continue };
            log.peer(peer);
            log.lock().bytes += length as u64;
            if reply {
                // A datagram that cannot be sent is lost, as datagrams may be.
                drop(socket.send_to(&buffer[..length], peer));
            }
        }
    }))
}
