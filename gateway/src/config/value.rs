//! Values of the configuration that are words with a shape of their own: durations, ports, devices, networks.
//!
//! Each parser takes the text alone and answers with a value or with what is wrong and what would do.
//! It knows no YAML and no place.

use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use ipnet::IpNet;

/// Why a word is not the value it should be.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Complaint {
    pub(super) message: String,
    pub(super) help: Option<String>,
}

impl Complaint {
    pub(super) fn new(message: impl Into<String>) -> Complaint {
        Complaint { message: message.into(), help: None }
    }

    pub(super) fn help(mut self, help: impl Into<String>) -> Complaint {
        self.help = Some(help.into());
        self
    }
}

pub(super) type Parsed<T> = Result<T, Complaint>;

/// The longest name a device can have: IFNAMSIZ without its terminator.
const DEVICE_NAME_MAX: usize = 15;

/// A device name, or a shell pattern for several.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Device(String);

impl Device {
    /// The name or pattern.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.0
    }

    /// Whether it may stand for several devices.
    #[must_use]
    pub fn is_pattern(&self) -> bool {
        self.0.contains(['*', '?', '['])
    }

    /// A pattern, or the name of one device.
    pub(super) fn parse_pattern(text: &str) -> Parsed<Device> {
        let bad = |c: char| c.is_whitespace() || c.is_control() || c == '/' || c == ':';
        if text.is_empty() || text == "." || text == ".." || text.contains(bad) {
            return Err(Complaint::new(format!("`{text}` is no device name"))
                .help("a device name has 1 to 15 bytes, no spaces, slashes or colons"));
        }
        let device = Device(text.to_owned());
        if !device.is_pattern() && text.len() > DEVICE_NAME_MAX {
            return Err(Complaint::new(format!("device name `{text}` is too long"))
                .help(format!("device names have at most {DEVICE_NAME_MAX} bytes")));
        }
        let opened = text.matches('[').count();
        if opened != text.matches(']').count() || text.find(']') < text.find('[') {
            return Err(Complaint::new(format!("`{text}` has an unbalanced bracket"))
                .help("write a set of characters as in `veth[0-9]`"));
        }
        Ok(device)
    }

    /// The name of one device.
    pub(super) fn parse_name(text: &str) -> Parsed<Device> {
        let device = Device::parse_pattern(text)?;
        if device.is_pattern() {
            return Err(Complaint::new(format!(
                "`{text}` is a pattern, one device is wanted here"
            ))
            .help("write the device's own name"));
        }
        Ok(device)
    }
}

impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// An Ethernet address of one station.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Mac(pub [u8; 6]);

impl Mac {
    pub(super) fn parse(text: &str) -> Parsed<Mac> {
        let bad = || {
            Complaint::new(format!("`{text}` is no MAC address"))
                .help("write six pairs of hexadecimal digits, as in \"02:00:00:00:01:01\"")
        };
        let separator = if text.contains('-') { '-' } else { ':' };
        let mut bytes = [0; 6];
        let mut pairs = text.split(separator);
        for byte in &mut bytes {
            let pair = pairs.next().ok_or_else(bad)?;
            let is_hex = pair.len() == 2 && pair.bytes().all(|digit| digit.is_ascii_hexdigit());
            *byte = is_hex.then(|| u8::from_str_radix(pair, 16).ok()).flatten().ok_or_else(bad)?;
        }
        if pairs.next().is_some() {
            return Err(bad());
        }
        if bytes == [0; 6] {
            return Err(Complaint::new("the all-zero MAC address is no station's")
                .help("write the address that `ip link` shows for the device"));
        }
        if bytes[0] & 1 == 1 {
            return Err(Complaint::new(format!("`{text}` is a group address, no station's"))
                .help("the first byte of a station's MAC address is even"));
        }
        Ok(Mac(bytes))
    }
}

impl fmt::Display for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

/// Ports from the first to the last, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PortRange {
    /// The first port, at least 1.
    pub first: u16,
    /// The last port, not below the first.
    pub last: u16,
}

impl Default for PortRange {
    fn default() -> PortRange {
        PortRange { first: 1024, last: u16::MAX }
    }
}

impl PortRange {
    pub(super) fn parse(text: &str) -> Parsed<PortRange> {
        let (first, last) = text.split_once('-').unwrap_or((text, text));
        let port = |word: &str| {
            let number = word.trim().parse::<u16>().ok();
            number.filter(|_| word.trim().bytes().all(|digit| digit.is_ascii_digit())).ok_or_else(
                || {
                    Complaint::new(format!("`{text}` is no range of ports"))
                        .help("write ports from 1 to 65535, as in 1024-65535")
                },
            )
        };
        let (first, last) = (port(first)?, port(last)?);
        if first == 0 {
            return Err(Complaint::new(format!("port 0 in `{text}` cannot be translated to"))
                .help(format!("write 1-{last}")));
        }
        if first > last {
            return Err(Complaint::new(format!("the range of ports `{text}` is reversed"))
                .help(format!("write {last}-{first}")));
        }
        Ok(PortRange { first, last })
    }

    /// Whether the two have a port in common.
    #[must_use]
    pub fn overlaps(self, other: PortRange) -> bool {
        self.first <= other.last && other.first <= self.last
    }
}

impl fmt::Display for PortRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.first, self.last)
    }
}

/// Addresses of one family from the first to the last, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct AddressRange {
    first: IpAddr,
    last: IpAddr,
}

/// A pool's state is per address; more than this in one entry is a slip of the prefix length.
const RANGE_MAX: u128 = 65_536;

impl AddressRange {
    /// The first address.
    #[must_use]
    pub fn first(&self) -> IpAddr {
        self.first
    }

    /// The last address, of the same family and not below the first.
    #[must_use]
    pub fn last(&self) -> IpAddr {
        self.last
    }

    /// Whether they are IPv4.
    #[must_use]
    pub fn is_ipv4(&self) -> bool {
        self.first.is_ipv4()
    }

    /// Whether the two have an address in common.
    #[must_use]
    pub fn overlaps(&self, other: &AddressRange) -> bool {
        self.is_ipv4() == other.is_ipv4() && self.first <= other.last && other.first <= self.last
    }

    /// Whether `network` has any of the addresses.
    #[must_use]
    pub fn meets(&self, network: &IpNet) -> bool {
        self.overlaps(&AddressRange { first: network.network(), last: network.broadcast() })
    }

    /// The addresses, in order.
    pub fn iter(&self) -> impl Iterator<Item = IpAddr> + use<> {
        let (v4, first) = (self.is_ipv4(), number(self.first));
        (first..=number(self.last)).map(move |at| address(at, v4))
    }

    /// An address, a prefix, or two addresses with a dash.
    pub(super) fn parse(text: &str) -> Parsed<AddressRange> {
        let range = if let Some((first, last)) = text.split_once('-') {
            let (first, last) = (parse_address(first.trim())?, parse_address(last.trim())?);
            if first.is_ipv4() != last.is_ipv4() {
                return Err(Complaint::new(format!("`{text}` mixes IPv4 and IPv6")));
            }
            if first > last {
                return Err(Complaint::new(format!("the range of addresses `{text}` is reversed"))
                    .help(format!("write {last}-{first}")));
            }
            AddressRange { first, last }
        } else if text.contains('/') {
            let network = parse_network(text)?;
            AddressRange { first: network.network(), last: network.broadcast() }
        } else {
            let one = parse_address(text)?;
            AddressRange { first: one, last: one }
        };
        if number(range.last) - number(range.first) >= RANGE_MAX {
            return Err(Complaint::new(format!("`{text}` has more than {RANGE_MAX} addresses"))
                .help("list the addresses that are really routed to this gateway"));
        }
        Ok(range)
    }
}

impl fmt::Display for AddressRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.first == self.last {
            return write!(f, "{}", self.first);
        }
        write!(f, "{}-{}", self.first, self.last)
    }
}

fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(v4) => u128::from(u32::from(v4)),
        IpAddr::V6(v6) => u128::from(v6),
    }
}

fn address(number: u128, v4: bool) -> IpAddr {
    match u32::try_from(number) {
        Ok(bits) if v4 => IpAddr::V4(bits.into()),
        _ => IpAddr::V6(number.into()),
    }
}

pub(super) fn parse_address(text: &str) -> Parsed<IpAddr> {
    text.parse().map(unmapped).map_err(|_| {
        let complaint = Complaint::new(format!("`{text}` is no IP address"));
        match text.split_once('/') {
            Some((address, _)) if address.parse::<IpAddr>().is_ok() => {
                complaint.help(format!("one address is wanted here, without a prefix: {address}"))
            }
            _ => complaint.help("write an address such as 10.1.0.5 or \"fd00:1::5\""),
        }
    })?
}

/// An IPv4 address in IPv6 clothes never appears in a packet, so a rule about it would match nothing.
fn unmapped(address: IpAddr) -> Parsed<IpAddr> {
    match address {
        IpAddr::V6(v6) => match v6.to_ipv4_mapped() {
            Some(v4) => Err(Complaint::new(format!("`{v6}` is an IPv4 address written as IPv6"))
                .help(format!("write {v4}"))),
            None => Ok(address),
        },
        IpAddr::V4(_) => Ok(address),
    }
}

/// A prefix without host bits.
pub(super) fn parse_network(text: &str) -> Parsed<IpNet> {
    let network = parse_interface_address(text)?;
    if network.prefix_len() > 0 {
        unmapped(network.addr())?;
    }
    if network.addr() != network.network() {
        return Err(Complaint::new(format!("network {text} has host bits set")).help(format!(
            "did you mean {}, or the one host {}?",
            network.trunc(),
            { IpNet::from(network.addr()) }
        )));
    }
    Ok(network)
}

/// An address with the length of its prefix.
pub(super) fn parse_interface_address(text: &str) -> Parsed<IpNet> {
    text.parse().map_err(|_| {
        let complaint = Complaint::new(format!("`{text}` is no address with a prefix length"));
        match text.parse::<IpAddr>() {
            Ok(address) => complaint
                .help(format!("add the length of the prefix, as in {}", IpNet::from(address))),
            Err(_) => complaint.help("write a prefix such as 10.1.0.0/24 or \"fd00:1::/64\""),
        }
    })
}

/// Longer than any flow is worth keeping, and far from overflow.
const LONGEST: Duration = Duration::from_secs(30 * 24 * 3600);

/// A duration with units: `7440s`, `2h4m`, `500ms`.
pub(super) fn parse_duration(text: &str) -> Parsed<Duration> {
    let bad = || {
        let complaint = Complaint::new(format!("`{text}` is no duration"));
        if !text.is_empty() && text.bytes().all(|digit| digit.is_ascii_digit()) {
            return complaint.help(format!("add a unit, as in {text}s"));
        }
        complaint.help("write numbers with units d, h, m, s or ms, as in 90s or 2h4m")
    };
    let mut total = Duration::ZERO;
    let mut largest_left = Duration::MAX;
    let mut rest = text;
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let letters = rest[digits..].bytes().take_while(u8::is_ascii_lowercase).count();
        let (count, unit) = (&rest[..digits], &rest[digits..digits + letters]);
        let unit = match unit {
            "d" => Duration::from_secs(24 * 3600),
            "h" => Duration::from_secs(3600),
            "m" => Duration::from_secs(60),
            "s" => Duration::from_secs(1),
            "ms" => Duration::from_millis(1),
            _ => return Err(bad()),
        };
        if unit >= largest_left {
            return Err(bad());
        }
        largest_left = unit;
        let count = count.parse::<u32>().map_err(|_| bad())?;
        total = unit.checked_mul(count).and_then(|part| total.checked_add(part)).ok_or_else(bad)?;
        rest = &rest[digits + letters..];
    }
    if largest_left == Duration::MAX {
        return Err(bad());
    }
    if total.is_zero() {
        return Err(Complaint::new("a duration of zero would end everything at once")
            .help("write at least 1ms"));
    }
    if total > LONGEST {
        return Err(Complaint::new(format!("`{text}` is too long")).help("durations go up to 30d"));
    }
    Ok(total)
}
