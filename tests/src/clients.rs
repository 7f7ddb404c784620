//! The pods' clients: a resolver, a TLS client and senders of datagrams, each with a time limit.
//!
//! They use the namespace of the thread that calls them: run them by [`crate::Namespace::run`] or on
//! a thread of [`crate::Namespace::thread`].

use std::io::{self, BufRead as _, BufReader, ErrorKind, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpStream, UdpSocket};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, StreamOwned};
use simple_dns::rdata::RData;
use simple_dns::{CLASS, Name, Packet, PacketFlag, Question, TYPE};

use crate::servers::pattern;

/// Asks `server` for the IPv4 addresses of `name`, once.
///
/// # Errors
/// When no answer comes within `limit`, or it names no address.
pub fn resolve(server: Ipv4Addr, name: &str, limit: Duration) -> io::Result<Vec<Ipv4Addr>> {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?;
    socket.connect((server, 53))?;
    socket.set_read_timeout(Some(limit))?;
    // The port is the kernel's random choice; taking the id from it spares a random source here.
    let id = socket.local_addr()?.port();
    let mut query = Packet::new_query(id);
    query.set_flags(PacketFlag::RECURSION_DESIRED);
    let qname = Name::new(name).map_err(io::Error::other)?;
    query.questions.push(Question::new(qname, TYPE::A.into(), CLASS::IN.into(), false));
    socket.send(&query.build_bytes_vec().map_err(io::Error::other)?)?;
    let mut buffer = [0; 1500];
    let length = socket.recv(&mut buffer)?;
    let reply = Packet::parse(&buffer[..length]).map_err(io::Error::other)?;
    let addresses: Vec<Ipv4Addr> = reply
        .answers
        .iter()
        .filter_map(|record| match &record.rdata {
            RData::A(a) => Some(Ipv4Addr::from(a.address)),
            _ => None,
        })
        .collect();
    if reply.id() != id || addresses.is_empty() {
        return Err(io::Error::other(format!("{name}: {:?}", reply.rcode())));
    }
    Ok(addresses)
}

/// An open TLS connection to one of the rig's [`crate::servers::TlsServer`]s.
#[derive(Debug)]
pub struct Session {
    stream: BufReader<StreamOwned<ClientConnection, TcpStream>>,
    local: SocketAddr,
}

impl Session {
    /// Connects and shakes hands, naming `name`; reads and writes wait at most `limit` each from then on.
    ///
    /// # Errors
    /// When the connection or the handshake fails or takes longer than `limit`.
    pub fn open(
        config: &Arc<ClientConfig>,
        name: &str,
        address: (Ipv4Addr, u16),
        limit: Duration,
    ) -> io::Result<Self> {
        let mut socket = TcpStream::connect_timeout(&address.into(), limit)?;
        socket.set_nodelay(true)?;
        socket.set_read_timeout(Some(limit))?;
        socket.set_write_timeout(Some(limit))?;
        let local = socket.local_addr()?;
        let name = ServerName::try_from(name.to_owned()).map_err(io::Error::other)?;
        let mut connection =
            ClientConnection::new(Arc::clone(config), name).map_err(io::Error::other)?;
        connection.complete_io(&mut socket)?;
        Ok(Self { stream: BufReader::new(StreamOwned::new(connection, socket)), local })
    }

    /// This end's address and port, before any translation.
    #[must_use]
    pub const fn local(&self) -> SocketAddr {
        self.local
    }

    /// Asks for `path` and returns the answer's content.
    ///
    /// # Errors
    /// When the peer goes away, is silent for the limit, or does not answer 200.
    pub fn get(&mut self, path: &str) -> io::Result<Vec<u8>> {
        let request = format!("GET {path} HTTP/1.1\r\nHost: rig\r\n\r\n");
        self.stream.get_mut().write_all(request.as_bytes())?;
        self.stream.get_mut().flush()?;
        let mut length = None;
        let mut line = String::new();
        let mut status = String::new();
        loop {
            line.clear();
            if self.stream.read_line(&mut line)? == 0 {
                return Err(ErrorKind::UnexpectedEof.into());
            }
            if status.is_empty() {
                line.trim().clone_into(&mut status);
            } else if line.trim().is_empty() {
                break;
            } else if let Some(value) = line.strip_prefix("Content-Length: ") {
                length = value.trim().parse().ok();
            }
        }
        let length = length.filter(|_| status.contains(" 200 "));
        let mut body = vec![0; length.ok_or_else(|| io::Error::other(status))?];
        self.stream.read_exact(&mut body)?;
        Ok(body)
    }

    /// Fetches `length` bytes and compares every one with the pattern they must have.
    ///
    /// # Errors
    /// As [`Session::get`], and when a byte differs.
    pub fn get_bytes(&mut self, length: usize) -> io::Result<()> {
        if self.get(&format!("/bytes/{length}"))? == pattern(length) {
            Ok(())
        } else {
            Err(io::Error::other("the bytes received are not those sent"))
        }
    }
}

/// Sends `message` over UDP and waits for an answer.
///
/// # Errors
/// When none comes within `limit`.
pub fn ask_udp(address: (Ipv4Addr, u16), message: &[u8], limit: Duration) -> io::Result<Vec<u8>> {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?;
    socket.connect(address)?;
    socket.set_read_timeout(Some(limit))?;
    socket.send(message)?;
    let mut buffer = vec![0; 65_536];
    let length = socket.recv(&mut buffer)?;
    buffer.truncate(length);
    Ok(buffer)
}

/// A flood of datagrams, bounded in number and time.
#[derive(Debug, Clone, Copy)]
pub struct Flood {
    /// Where to.
    pub to: (Ipv4Addr, u16),
    /// How many at most.
    pub packets: u64,
    /// For how long at most; the packets are spread evenly over it.
    pub over: Duration,
    /// Source ports used in turn, so that as many flows are asked for.
    pub flows: usize,
    /// Bytes of each payload.
    pub payload: usize,
}

impl Flood {
    /// Sends it and returns how many packets left the socket. A full device queue makes a send fail:
    /// such a packet is not counted, as it never left.
    ///
    /// # Errors
    /// When the sockets cannot be made.
    pub fn send(self) -> io::Result<u64> {
        let sockets = (0..self.flows.max(1))
            .map(|_| {
                let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?;
                socket.connect(self.to).map(|()| socket)
            })
            .collect::<io::Result<Vec<_>>>()?;
        let payload = pattern(self.payload);
        let start = Instant::now();
        let (mut sent, mut tried) = (0, 0_u64);
        for socket in sockets.iter().cycle() {
            let elapsed = start.elapsed();
            if tried >= self.packets || elapsed >= self.over {
                break;
            }
            // An ICMP error of an earlier packet shows as an error of this call: it says nothing about
            // this packet, so it is sent again.
            tried += 1;
            let gone = socket.send(&payload).or_else(|_| socket.send(&payload)).is_ok();
            sent += u64::from(gone);
            let due = self.over.mul_f64(tried as f64 / self.packets as f64);
            if due > elapsed + Duration::from_millis(2) {
                thread::sleep(due - elapsed);
            }
        }
        Ok(sent)
    }
}
