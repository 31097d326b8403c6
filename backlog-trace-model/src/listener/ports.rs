//! `--port`: numbers, ranges and names of services, as people write them in
//! firewall rules. Names are looked up in the text of /etc/services and nowhere
//! else.

use std::fmt;
use std::ops::RangeInclusive;

/// Where the names of ports are kept.
pub const SERVICES: &str = "/etc/services";

/// One port, or several that follow each other.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Ports(RangeInclusive<u16>);

impl Ports {
    /// Whether a port is one of them.
    pub fn contains(&self, port: u16) -> bool {
        self.0.contains(&port)
    }

    /// Parses `80`, `8000-8100` or `http`; `services` is the text of /etc/services.
    ///
    /// # Errors
    /// What is wrong with it, for a person.
    pub fn parse(text: &str, services: impl FnOnce() -> Option<String>) -> Result<Self, String> {
        let is_number = |text: &str| text.chars().all(|c| c.is_ascii_digit()) && !text.is_empty();
        let number = |digits: &str| {
            digits.parse::<u16>().map_err(|_| format!("'{digits}' is no port: ports end at 65535"))
        };
        if is_number(text) {
            return number(text).map(Self::from);
        }
        if let Some((from, to)) = text.split_once('-')
            && is_number(from)
            && is_number(to)
        {
            let (from, to) = (number(from)?, number(to)?);
            return if from <= to {
                Ok(Self(from..=to))
            } else {
                Err(format!("the range '{text}' is empty: write {to}-{from}"))
            };
        }
        let Some(services) = services() else {
            return Err(format!("'{text}' is no number, and names need {SERVICES}, which cannot be read"));
        };
        service(&services, text).map(Self::from).ok_or_else(|| {
            format!(
                "'{text}' is no port: write a number, a range such as 8000-8100, or a name of a TCP service in {SERVICES}"
            )
        })
    }
}

impl From<u16> for Ports {
    fn from(port: u16) -> Self {
        Self(port..=port)
    }
}

/// `port 80`, `ports 8000-8100`.
impl fmt::Display for Ports {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (from, to) = (self.0.start(), self.0.end());
        if from == to { write!(f, "port {from}") } else { write!(f, "ports {from}-{to}") }
    }
}

/// The TCP port of a name or an alias: services(5).
fn service(services: &str, name: &str) -> Option<u16> {
    services.lines().find_map(|line| {
        let line = line.split('#').next().unwrap_or_default();
        let mut words = line.split_whitespace();
        let (official, port) = (words.next()?, words.next()?);
        let port = port.strip_suffix("/tcp")?.parse().ok()?;
        std::iter::once(official).chain(words).any(|known| known == name).then_some(port)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "\
# the usual ones
http\t\t80/tcp\t\twww\t# WorldWideWeb HTTP
https\t443/udp
https\t443/tcp
odd
";

    #[track_caller]
    fn check(text: &str, expected: Result<&str, &str>) {
        let parsed = Ports::parse(text, || Some(TEXT.to_owned())).map(|ports| ports.to_string());
        match (&parsed, expected) {
            (Ok(ports), Ok(expected)) => assert_eq!(ports, expected),
            (Err(said), Err(words)) => assert!(said.contains(words), "{said}"),
            _ => panic!("{text}: {parsed:?}"),
        }
    }

    #[test]
    fn ports_as_people_write_them() {
        check("80", Ok("port 80"));
        check("0", Ok("port 0"));
        check("65535", Ok("port 65535"));
        check("8000-8100", Ok("ports 8000-8100"));
        check("8000-8000", Ok("port 8000"));
        check("http", Ok("port 80"));
        check("www", Ok("port 80"));
        check("https", Ok("port 443"));
        check("65536", Err("'65536' is no port: ports end at 65535"));
        check("8100-8000", Err("write 8000-8100"));
        check("80-70000", Err("'70000'"));
        check("htp", Err("'htp' is no port: write a number, a range"));
        check("odd", Err("'odd'"));
        check("", Err("''"));
        check("-5", Err("'-5'"));
        assert!(Ports::parse("http", || None).unwrap_err().contains("cannot be read"));
    }
}
