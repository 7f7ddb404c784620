//! As much HTTP/1.1 as curl needs: `GET /bytes/N` gives N bytes of a known pattern, `GET /whoami` the
//! address and port the request came from. Connections stay open until the client closes.

use std::io::{self, BufRead as _, BufReader, Read, Write};
use std::net::SocketAddr;

use super::SharedLog;

/// Most bytes one answer has.
const LARGEST: usize = 64 << 20;

/// The pattern every `/bytes/N` answer has: a period that no packet size divides.
#[must_use]
pub fn pattern(length: usize) -> Vec<u8> {
    (0..=250_u8).cycle().take(length).collect()
}

pub(crate) fn serve(
    stream: impl Read + Write,
    peer: SocketAddr,
    log: &SharedLog,
) -> io::Result<()> {
    let mut stream = BufReader::new(stream);
    while let Some(path) = request(&mut stream)? {
        let (status, body) = answer(&path, peer);
        let head = format!(
            "HTTP/1.1 {status}\r\nContent-Length: {}\r\nContent-Type: application/octet-stream\r\n\r\n",
            body.len()
        );
        let stream = stream.get_mut();
        stream.write_all(head.as_bytes())?;
        stream.write_all(&body)?;
        stream.flush()?;
        let mut log = log.lock();
        log.requests += 1;
        log.bytes += body.len() as u64;
    }
    Ok(())
}

/// Reads a request's head; its path, or nothing at the end of the stream.
fn request(stream: &mut impl io::BufRead) -> io::Result<Option<String>> {
    let mut first = String::new();
    if stream.take(4096).read_line(&mut first)? == 0 {
        return Ok(None);
    }
    let mut line = String::new();
    while stream.take(4096).read_line(&mut line)? > 0 && !line.trim().is_empty() {
        line.clear();
    }
    Ok(Some(first.split(' ').nth(1).unwrap_or_default().to_owned()))
}

fn answer(path: &str, peer: SocketAddr) -> (&'static str, Vec<u8>) {
    let length = path.strip_prefix("/bytes/").and_then(|n| n.parse().ok());
    match (path, length) {
        ("/whoami", _) => ("200 OK", format!("{} {}\n", peer.ip(), peer.port()).into_bytes()),
        (_, Some(length)) if length <= LARGEST => ("200 OK", pattern(length)),
        _ => ("404 Not Found", b"no such thing here\n".to_vec()),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    #[test]
    fn answers_one_request_after_the_other() {
        let peer = "203.0.113.1:4711".parse().unwrap();
        let text =
            b"GET /whoami HTTP/1.1\r\nHost: a\r\n\r\nGET /bytes/3 HTTP/1.1\r\n\r\nGET /x\r\n\r\n";
        let log = SharedLog::default();
        let mut stream = Cursor::new(text.to_vec());
        stream.set_position(0);
        let mut both = Duplex { input: stream, output: Vec::new() };
        serve(&mut both, peer, &log).unwrap();
        let text = String::from_utf8_lossy(&both.output).into_owned();
        assert!(text.contains("203.0.113.1 4711\n"), "{text}");
        assert!(text.contains("Content-Length: 3\r\n"), "{text}");
        assert!(text.contains("404"), "{text}");
        assert_eq!(log.lock().requests, 3);
    }

    struct Duplex {
        input: Cursor<Vec<u8>>,
        output: Vec<u8>,
    }

    impl Read for Duplex {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            self.input.read(buffer)
        }
    }

    impl Write for Duplex {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.output.write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
}
