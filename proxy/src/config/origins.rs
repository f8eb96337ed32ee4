//! Where the servers of pools come from: written down, from the DNS, or from a file that somebody else writes.
//!
//! Owns: what is asked for servers ([`Question`]), which answers can be believed ([`Answer`]), and how a pool comes of them
//! ([`Origin`]): when it is compiled, and again whenever an answer changes.
//! Refuses: addresses that no server can have. Answers come from elsewhere, and one that is wrong must not empty a pool.

use std::collections::{BTreeMap, HashSet};
use std::fs::File;
use std::io::Read;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use ringgate_core::pool::Server;
use ringgate_core::target::is_host;

use super::words::Words;

/// Servers of a pool that an answer may name: more than one gateway can keep connections to.
pub(crate) const SERVERS: usize = 1024;
/// Bytes of a file of servers: so many lines of the longest address with a comment.
const FILE_BYTES: u64 = 256 * 1024;

/// Something that is asked for servers.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Question {
    /// The addresses of a host (A; AAAA if there are none), each with this port.
    Host(Box<str>, u16),
    /// The targets of a service (SRV, [RFC 2782](https://www.rfc-editor.org/rfc/rfc2782)), and their addresses.
    Service(Box<str>),
    /// The lines of a file.
    File(PathBuf),
}

/// A server that an answer names.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Found {
    /// Where it listens.
    pub address: SocketAddr,
    /// The Host it is asked for.
    pub host: Box<str>,
}

/// What was answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// In the order of their addresses, each once; 1 to 1,024.
    found: Vec<Found>,
    /// When to ask again.
    pub until: Instant,
}

/// All that is known.
pub type Answers = BTreeMap<Question, Answer>;

/// How the DNS is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Discovery {
    /// Whom; those of `/etc/resolv.conf` if there are none.
    pub resolvers: Vec<SocketAddr>,
    /// How long one question may take, all tries together.
    pub timeout: Duration,
    /// An answer holds for this long, whatever it says itself,
    pub min_ttl: Duration,
    /// and no longer than this.
    pub max_ttl: Duration,
}

impl Default for Discovery {
    fn default() -> Discovery {
        Discovery {
            resolvers: Vec::new(),
            timeout: Duration::from_secs(2),
            min_ttl: Duration::from_secs(1),
            max_ttl: Duration::from_secs(300),
        }
    }
}

/// Where the servers of all pools come from.
#[derive(Debug, Clone, Default)]
pub struct Origins {
    /// How it is asked for them.
    pub discovery: Discovery,
    /// In the order of the snapshot.
    pub pools: Vec<Origin>,
}

/// Where those of one pool come from.
#[derive(Debug, Clone, Default)]
pub struct Origin {
    /// Connections that each server may have.
    connections: usize,
    members: Vec<Member>,
}

#[derive(Debug, Clone)]
enum Member {
    Written(Server),
    /// With what it may be called in messages.
    Asked(Question, Box<str>),
}

impl Answer {
    /// Takes what can be believed; it holds for `ttl`, within the bounds of `discovery`.
    ///
    /// # Errors
    /// What is wrong with it, if nothing is left or too much.
    pub(crate) fn new(found: Vec<Found>, ttl: Duration, discovery: &Discovery) -> Result<Answer, String> {
        let is_empty = found.is_empty();
        let mut found: Vec<Found> = found.into_iter().filter(is_believable).collect();
        found.sort_unstable();
        found.dedup_by(|again, first| again.address == first.address);
        match found.len() {
            0 if is_empty => Err("the answer is empty".into()),
            0 => Err("the answer holds no address that a server can have".into()),
            1..=SERVERS => {
                Ok(Answer { found, until: Instant::now() + ttl.clamp(discovery.min_ttl, discovery.max_ttl) })
            }
            many => Err(format!("the answer has {many} servers, and a pool at most {SERVERS}")),
        }
    }

    /// The servers it names.
    pub fn found(&self) -> &[Found] {
        &self.found
    }
}

/// Whether somebody can listen there and be asked by that name, which goes into requests: a name of the DNS can hold any bytes.
fn is_believable(found: &Found) -> bool {
    is_possible(found.address) && is_host(found.host.as_bytes())
}

/// Whether somebody can listen there.
fn is_possible(address: SocketAddr) -> bool {
    let is_nobody = match address.ip() {
        IpAddr::V4(ip) => ip.octets()[0] == 0 || ip.is_broadcast() || ip.is_multicast(),
        IpAddr::V6(ip) => ip.is_unspecified() || ip.is_multicast(),
    };
    !is_nobody && address.port() != 0
}

impl Origin {
    /// That of a pool without servers yet; each may have so many connections.
    pub(super) fn new(connections: usize) -> Origin {
        Origin { connections, members: Vec::new() }
    }

    /// A server that is written down. It is called as it is written, or by its address if that came from the environment.
    pub(super) fn add(&mut self, written: &Words, address: SocketAddr) {
        self.members.push(Member::Written(match written.plain() {
            Some(name) => Server::new(name, address),
            None => Server::found(address, written),
        }));
    }

    /// All that an answer names. `shown` is what the question may be called in messages.
    pub(super) fn add_answer(&mut self, question: Question, shown: String) {
        self.members.push(Member::Asked(question, shown.into()));
    }

    /// What has to be asked, and what that may be called in messages.
    pub fn questions(&self) -> impl Iterator<Item = (&Question, &str)> {
        self.members.iter().filter_map(|member| match member {
            Member::Asked(question, shown) => Some((question, &**shown)),
            Member::Written(_) => None,
        })
    }

    /// What it says, server by server, as it may be shown.
    pub fn written(&self) -> impl ExactSizeIterator<Item = &str> {
        self.members.iter().map(|member| match member {
            Member::Written(server) => &*server.name,
            Member::Asked(_, shown) => &**shown,
        })
    }

    /// Its servers by what is known, each once, and no more than a pool may have. Servers that were found are called by their
    /// addresses: one name can stand for many.
    pub fn servers(&self, answers: &Answers) -> Vec<Server> {
        let mut seen = HashSet::new();
        let mut servers = Vec::new();
        for member in &self.members {
            match member {
                Member::Written(server) => servers.push(server.clone()),
                Member::Asked(question, _) => {
                    let found = answers.get(question).into_iter().flat_map(Answer::found);
                    servers.extend(found.map(|found| Server::found(found.address, &found.host)));
                }
            }
        }
        servers.retain(|server| seen.insert(server.address));
        servers.truncate(SERVERS.max(self.members.len()));
        servers.into_iter().map(|server| server.at_most(self.connections)).collect()
    }
}

/// Reads a file of servers: an IP address with a port on each line; `#` begins a comment.
///
/// # Errors
/// It cannot be read, or a line of it is no address; with the line, and what to do.
pub(crate) fn read_file(path: &Path, discovery: &Discovery) -> Result<Answer, String> {
    let mut text = String::new();
    let read = File::open(path).and_then(|file| file.take(FILE_BYTES + 1).read_to_string(&mut text));
    read.map_err(|error| error.to_string())?;
    if text.len() as u64 > FILE_BYTES {
        return Err(format!("it has more than {FILE_BYTES} bytes; is this the right file?"));
    }
    let mut found = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let line = line.split('#').next().unwrap_or_default().trim();
        if !line.is_empty() {
            let address = line.parse::<SocketAddr>().ok().filter(|address| is_possible(*address));
            let advice = "write an IP address with a port on each line, as in `10.0.0.11:80` or `[::1]:80`";
            let address = address.ok_or_else(|| format!("line {} is no server: {advice}", number + 1))?;
            found.push(Found { address, host: address.to_string().into() });
        }
    }
    Answer::new(found, Duration::ZERO, discovery)
        .map_err(|_| format!("it names no server, or more than {SERVERS}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(addresses: &[&str]) -> Vec<Found> {
        let found = |address: &&str| Found { address: address.parse().unwrap(), host: "h:1".into() };
        addresses.iter().map(found).collect()
    }

    fn answer(addresses: &[&str]) -> Result<Vec<String>, String> {
        let answer = Answer::new(found(addresses), Duration::from_secs(9), &Discovery::default())?;
        Ok(answer.found().iter().map(|found| found.address.to_string()).collect())
    }

    #[test]
    fn an_answer_is_believed_as_far_as_it_can_be_true() {
        let list = |list: &[&str]| Ok(list.iter().map(ToString::to_string).collect());
        assert_eq!(answer(&["10.0.0.2:1", "10.0.0.1:1", "10.0.0.2:1"]), list(&["10.0.0.1:1", "10.0.0.2:1"]));
        let lies = [
            "0.0.0.0:1",
            "0.1.2.3:1",
            "255.255.255.255:1",
            "224.0.0.1:1",
            "[::]:1",
            "[ff02::1]:1",
            "1.2.3.4:0",
        ];
        assert_eq!(answer(&[&lies[..], &["[::1]:1"]].concat()), list(&["[::1]:1"]));
        assert!(answer(&lies).unwrap_err().contains("no address that a server can have"));
        assert!(answer(&[]).unwrap_err().contains("empty"));
        let many: Vec<String> = (1..=1025).map(|port| format!("10.0.0.1:{port}")).collect();
        let many: Vec<&str> = many.iter().map(|address| &**address).collect();
        assert!(answer(&many).unwrap_err().contains("1025"));
        assert_eq!(answer(&many[1..]).unwrap().len(), 1024);
    }

    #[test]
    fn a_name_that_would_write_into_a_request_is_no_server() {
        let named = |host: &str| Found { address: "10.0.0.1:1".parse().unwrap(), host: host.into() };
        for host in ["h:1\r\nX-Evil: 1", "h h:1", "h\\013\\010:1", "", "h\0:1"] {
            assert!(
                Answer::new(vec![named(host)], Duration::ZERO, &Discovery::default()).is_err(),
                "{host:?}"
            );
        }
        for host in ["a-b.c_d.test:81", "10.0.0.1:1", "[::1]:80"] {
            assert!(
                Answer::new(vec![named(host)], Duration::ZERO, &Discovery::default()).is_ok(),
                "{host:?}"
            );
        }
    }

    #[test]
    fn an_answer_holds_within_bounds_whatever_it_says() {
        let discovery = Discovery::default();
        for (ttl, holds) in [(0, 1), (60, 60), (86_400 * 365, 300)] {
            let answer = Answer::new(found(&["10.0.0.1:1"]), Duration::from_secs(ttl), &discovery).unwrap();
            let left = answer.until - Instant::now();
            assert!(
                left <= Duration::from_secs(holds) && left > Duration::from_secs(holds - 1),
                "{ttl} {left:?}"
            );
        }
    }

    #[test]
    fn a_pool_has_what_is_written_and_what_is_known_each_once() {
        let mut origin = Origin::new(7);
        let question = Question::Host("h".into(), 1);
        origin.members.push(Member::Written(Server::new("10.0.0.1:1", "10.0.0.1:1".parse().unwrap())));
        origin.add_answer(question.clone(), "h:1".into());
        let discovery = Discovery::default();
        let mut answers = Answers::new();
        let names = |answers: &Answers| -> Vec<String> {
            origin
                .servers(answers)
                .iter()
                .map(|server| format!("{} {}", server.name, server.capacity.most()))
                .collect()
        };
        assert_eq!(names(&answers), ["10.0.0.1:1 7"]);
        let both = Answer::new(found(&["10.0.0.1:1", "10.0.0.2:1"]), Duration::ZERO, &discovery).unwrap();
        answers.insert(question, both);
        assert_eq!(names(&answers), ["10.0.0.1:1 7", "10.0.0.2:1 7"]);
    }
}
