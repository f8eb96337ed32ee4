//! Asks the DNS for servers.
//!
//! Owns: how names become addresses: /etc/hosts, then the resolvers of the configuration or of the system.
//! Assumes: whoever asks keeps the answers until they are over; nothing is kept here, so that an answer is never older than it says.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use hickory_resolver::TokioResolver;
use hickory_resolver::config::{ConnectionConfig, NameServerConfig, ResolverConfig};
use hickory_resolver::lookup::Lookup;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::net::{DnsError, NetError};
use hickory_resolver::proto::op::ResponseCode;
use hickory_resolver::proto::rr::{Name, RData};
use tokio::runtime::Builder;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::config::{Answer, Discovery, Found, Question};

/// Targets of a service that are asked for; an answer that fits into the largest message has no more.
const TARGETS: usize = 1024;

/// Servers, and for how long that holds.
type Holding = (Vec<Found>, Duration);

/// Why there are none.
enum NoServers {
    /// The DNS says so.
    Known(String),
    /// Nobody says anything that can be understood; there may be some.
    Unknown(String),
}

impl NoServers {
    fn why(self) -> String {
        match self {
            NoServers::Known(why) | NoServers::Unknown(why) => why,
        }
    }
}

/// Asks the DNS, on a tokio loop.
#[derive(Clone)]
pub(super) struct Resolver {
    dns: Arc<TokioResolver>,
    discovery: Discovery,
}

impl Resolver {
    /// As the configuration says; reads `/etc/resolv.conf` and `/etc/hosts`.
    ///
    /// # Errors
    /// They cannot be understood.
    pub(super) fn new(discovery: &Discovery) -> Result<Resolver, String> {
        let mut builder = match &discovery.resolvers[..] {
            [] => TokioResolver::builder_tokio().map_err(|error| format!("/etc/resolv.conf: {error}"))?,
            servers => {
                let servers = servers.iter().map(|server| {
                    let mut connections = [ConnectionConfig::udp(), ConnectionConfig::tcp()];
                    connections.iter_mut().for_each(|connection| connection.port = server.port());
                    NameServerConfig::new(server.ip(), true, connections.into())
                });
                let config = ResolverConfig::from_parts(None, Vec::new(), servers.collect());
                TokioResolver::builder_with_config(config, TokioRuntimeProvider::default())
            }
        };
        let options = builder.options_mut();
        options.timeout = discovery.timeout / 2; // so that a second try fits
        options.attempts = 2;
        options.cache_size = 0;
        let dns = builder.build().map_err(|error| error.to_string())?;
        Ok(Resolver { dns: Arc::new(dns), discovery: discovery.clone() })
    }

    /// What is answered, within `discovery.timeout`.
    ///
    /// # Errors
    /// Nothing that can be believed, in words that hold nothing of the question: it may be a secret.
    pub(super) async fn ask(&self, question: &Question) -> Result<Answer, String> {
        let asked = async {
            match question {
                Question::Host(host, port) => self.host(host, *port).await,
                Question::Service(name) => self.service(name).await,
                Question::File(_) => Err(NoServers::Unknown("a file is not asked of the DNS".into())),
            }
        };
        let no_answer = |_| format!("no answer within {:.1} s", self.discovery.timeout.as_secs_f64());
        let (found, ttl) =
            timeout(self.discovery.timeout, asked).await.map_err(no_answer)?.map_err(NoServers::why)?;
        Answer::new(found, ttl, &self.discovery)
    }

    async fn host(&self, host: &str, port: u16) -> Result<Holding, NoServers> {
        let answer = match self.dns.ipv4_lookup(host).await {
            Ok(answer) => Ok(answer),
            Err(error) if is_denial(&error) => self.dns.ipv6_lookup(host).await,
            Err(error) => Err(error), // that nobody knows of IPv4 does not mean that there is none
        };
        let answer = answer.map_err(|error| no_servers(&error))?;
        let found = |ip| Found { address: (ip, port).into(), host: format!("{host}:{port}").into() };
        Ok((addresses(&answer).map(found).collect(), left(answer.valid_until())))
    }

    /// The targets of the best priority that has addresses. If one of them is unknown so is the answer: that the resolver is out of
    /// order must not look like a service that has shrunk.
    async fn service(&self, name: &str) -> Result<Holding, NoServers> {
        let answer = self.dns.srv_lookup(absolute(name)?).await.map_err(|error| no_servers(&error))?;
        let mut ttl = left(answer.valid_until());
        let targets = answer.answers().iter().filter_map(|record| match &record.data {
            RData::SRV(target) => Some((target.priority, target.target.to_utf8(), target.port)),
            _ => None,
        });
        let mut targets: Vec<(u16, String, u16)> = targets.take(TARGETS).collect();
        targets.sort_unstable();
        let mut why = "the answer is empty".to_owned();
        for targets in targets.chunk_by(|first, other| first.0 == other.0) {
            let mut asked = JoinSet::new();
            for (_, target, port) in targets.iter().cloned() {
                let own = self.clone();
                asked.spawn(async move { own.host(target.trim_end_matches('.'), port).await });
            }
            let mut found = Vec::new();
            while let Some(answer) = asked.join_next().await {
                match answer.unwrap_or_else(|_| Err(NoServers::Unknown("a defect".into()))) {
                    Ok((more, holds)) => {
                        found.extend(more);
                        ttl = ttl.min(holds);
                    }
                    Err(NoServers::Known(error)) => why = error,
                    Err(unknown) => return Err(unknown),
                }
            }
            if !found.is_empty() {
                return Ok((found, ttl));
            }
        }
        Err(NoServers::Known(why))
    }
}

fn addresses(answer: &Lookup) -> impl Iterator<Item = IpAddr> {
    answer.answers().iter().filter_map(|record| record.data.ip_addr())
}

/// A name as it stands, without the domains that are searched for short ones.
fn absolute(name: &str) -> Result<Name, NoServers> {
    let wrong = |_| NoServers::Known("no name that the DNS could have".into());
    let mut name = Name::from_utf8(name).map_err(wrong)?;
    name.set_fqdn(true);
    Ok(name)
}

fn left(until: Instant) -> Duration {
    until.saturating_duration_since(Instant::now())
}

/// Why there is no answer, in words of our own: those of the library hold the name that was asked for.
fn no_servers(error: &NetError) -> NoServers {
    if is_denial(error) { NoServers::Known(say(error)) } else { NoServers::Unknown(say(error)) }
}

/// Whether the DNS says that there is nothing, as opposed to nothing that helps.
fn is_denial(error: &NetError) -> bool {
    matches!(error, NetError::Dns(DnsError::NoRecordsFound(nothing))
        if matches!(nothing.response_code, ResponseCode::NXDomain | ResponseCode::NoError))
}

fn say(error: &NetError) -> String {
    match error {
        NetError::Dns(DnsError::NoRecordsFound(nothing)) => match nothing.response_code {
            ResponseCode::NXDomain => "there is no such name (NXDOMAIN)".into(),
            ResponseCode::NoError => "the answer is empty".into(),
            code => format!("the resolver answered {code}"),
        },
        NetError::Dns(DnsError::ResponseCode(code)) => format!("the resolver answered {code}"),
        NetError::Timeout => "no answer in time".into(),
        NetError::NoConnections => "no resolver can be reached".into(),
        NetError::Io(error) => format!("no resolver can be asked: {}", error.kind()),
        _ => "the resolver did not answer in a way that can be understood".into(),
    }
}

/// Asks all these questions at once, and waits on the calling thread, which has no loop.
pub(crate) fn ask_and_wait(discovery: &Discovery, questions: &[Question]) -> Vec<Result<Answer, String>> {
    let all = || async {
        let resolver = Resolver::new(discovery)?;
        let mut asked = JoinSet::new();
        for (place, question) in questions.iter().cloned().enumerate() {
            let resolver = resolver.clone();
            asked.spawn(async move { (place, resolver.ask(&question).await) });
        }
        let mut answers: Vec<_> = questions.iter().map(|_| Err("a defect".into())).collect();
        while let Some(Ok((place, answer))) = asked.join_next().await {
            answers[place] = answer;
        }
        Ok(answers)
    };
    let runtime = Builder::new_current_thread().enable_all().build().map_err(|error| error.to_string());
    let answers = runtime.and_then(|runtime| runtime.block_on(all()));
    answers.unwrap_or_else(|why: String| questions.iter().map(|_| Err(why.clone())).collect())
}
