//! Who passes: each request's way through CORS, authentication, authorisation and rate limits, in this order, so that who is refused
//! early costs nothing that comes later.
//!
//! Owns: what one worker remembers of credentials it has judged, and the waits of those that cannot be judged here and now:
//! for keys that are being fetched, for a password ([`passwords`]), for another service ([`external`]).
//! Refuses: to wait without a bound, in time or in number; and to look at one more credential from an address that has sent too many
//! wrong ones.
//! Assumes: what is right and wrong is said by `ringgate_core::{auth, caller, access}`; here is only the order, and the waiting.

mod external;
mod passwords;

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use ringgate_core::access::{self, Access, Asked, Limited, whole_seconds};
use ringgate_core::answer::{Reject, Unauthorized};
use ringgate_core::auth::{ApiKeys, Authenticator, Jwt, Kind, Known, Verified, Way};
use ringgate_core::cache::Cache;
use ringgate_core::cors::Cors;
use ringgate_core::limit::Refused;
use ringgate_core::policy::Policy;
use ringgate_core::pool::Pool;
use ringgate_core::token::{Fingerprint, Refusal};
use ringgate_io::{TICK, Waker, now, sleep, wall};

pub(crate) use self::passwords::Checker;
use crate::client::Client;
use crate::epoch;
use crate::lease::{Held, Lease};
use crate::limits;
use crate::worker::Worker;

/// One worker's gate.
pub(crate) struct Gate {
    tokens: RefCell<Cache<Seen>>,
    /// What services and passwords have said.
    verdicts: RefCell<Cache<Verdict>>,
    checker: Checker,
    /// Rung for keys that are not here.
    keys: Arc<Waker>,
    /// Requests that wait for something.
    waiting: Cell<usize>,
}

/// A token that was verified.
struct Seen {
    known: Rc<Known>,
    /// From when and until when it is taken, in seconds since 1970.
    valid: (u64, u64),
    key: Fingerprint,
}

/// What was said of a credential.
struct Verdict {
    said: Result<Rc<Known>, Unauthorized>,
    /// By the clock of the event loop.
    until: Instant,
}

/// What is known of who asks.
enum Judgement {
    /// There is no credential.
    Nobody,
    Known(Rc<Known>),
    Refused(Unauthorized),
    /// Who would know does not answer, and requests shall pass all the same.
    Unjudged,
    /// It has to be asked for.
    Later(Question),
}

/// What has to be asked for; a verdict is remembered by the digest.
enum Question {
    /// Keys that are not here: perhaps they are, soon.
    Keys(Arc<Authenticator>),
    Password(Arc<Authenticator>, Digest),
    Service(Arc<Authenticator>, Arc<Pool>, Digest),
}

type Digest = [u8; 32];

/// Lets a request pass whose route is this one, or none: who asks, if that is known. What goes with its answer is noted with the
/// client.
///
/// # Errors
/// It does not pass: 204 for a preflight, 400, 401, 403, 429, 503.
pub(crate) async fn admit(
    worker: &Worker,
    client: &Client,
    held: Rc<Held>,
    route: Option<&Lease>,
) -> Result<Option<Rc<Known>>, Reject> {
    if let Some(cors) = &held.clients.cors {
        greet(cors, client)?;
    }
    let policy = policy_of(&held, route);
    if policy.access.is_none() {
        return Ok(None);
    }
    let visit = Visit { worker, client };
    match visit.judge(&policy.access, &held)? {
        Judgement::Later(question) => {
            drop(held); // what follows may take long
            let judgement = Box::pin(visit.wait(question)).await?; // rare, and large
            let held = worker.held();
            visit.decide(judgement, policy_of(&held, route), &held, route)
        }
        judgement => visit.decide(judgement, policy, &held, route),
    }
}

fn policy_of<'a>(held: &'a Held, route: Option<&'a Lease>) -> &'a Policy {
    route.map_or(&held.strangers, |route| &route.policy)
}

/// Notes what pages of other origins may do with the answer; a preflight has its answer here.
fn greet(cors: &Cors, client: &Client) -> Result<(), Reject> {
    let (head, bytes) = (client.head(), client.head_bytes());
    let (fields, mut lines) = (head.fields(bytes), client.lines());
    if Cors::is_preflight(head.method(bytes), fields) {
        cors.put_preflight(&mut lines, fields);
        return Err(Reject::Preflight);
    }
    cors.put_answer(&mut lines, fields);
    Ok(())
}

/// A request at the gate.
struct Visit<'a> {
    worker: &'a Worker,
    client: &'a Client,
}

impl<'a> Visit<'a> {
    /// Looks at the credential that counts: the first kind that the policy names and the request has. Of several ways that take this
    /// kind, as for the tokens of two issuers, one has to take it.
    fn judge(&self, access: &Access, held: &Held) -> Result<Judgement, Reject> {
        let fields = self.client.head().fields(self.client.head_bytes());
        let mut first: Option<(Kind<'_>, Judgement)> = None;
        for way in &access.ways {
            let kind = way.kind();
            if first.as_ref().is_some_and(|(first, _)| *first != kind) {
                continue;
            }
            let Some(credential) = kind.credential(fields)? else { continue };
            match (self.judge_credential(way, credential, held)?, &first) {
                (known @ Judgement::Known(_), _) => return Ok(known),
                (judgement @ Judgement::Later(_), Some((_, Judgement::Refused(_)))) | (judgement, None) => {
                    first = Some((kind, judgement));
                }
                (_, Some(_)) => {}
            }
        }
        Ok(first.map_or(Judgement::Nobody, |(_, judgement)| judgement))
    }

    fn judge_credential(
        &self,
        way: &Arc<Authenticator>,
        credential: &[u8],
        held: &Held,
    ) -> Result<Judgement, Reject> {
        match &way.way {
            Way::Jwt(jwt) => self.judge_token(way, jwt, credential, held),
            Way::ApiKeys(keys) => Ok(match keys.check(credential) {
                Ok(known) => Judgement::Known(Rc::new(known.clone())),
                Err(why) => Judgement::Refused(why),
            }),
            Way::Passwords(_) => {
                let digest = ApiKeys::digest(credential);
                self.remembered(way, digest, held, || Question::Password(way.clone(), digest))
            }
            Way::External(service) => {
                let (head, bytes) = (self.client.head(), self.client.head_bytes());
                let digest = external::digest(service, head, bytes);
                let pool = &held.pools[service.pool];
                self.remembered(way, digest, held, || Question::Service(way.clone(), pool.clone(), digest))
            }
        }
    }

    /// A token that this worker has verified is known as long as it is valid and its key has not been withdrawn.
    fn judge_token(
        &self,
        way: &Arc<Authenticator>,
        jwt: &Jwt,
        token: &[u8],
        held: &Held,
    ) -> Result<Judgement, Reject> {
        let now = self.worker.unix_seconds();
        if let Some(seen) = self.worker.gate.tokens.borrow_mut().get(way.id, token)
            && (seen.valid.0..seen.valid.1).contains(&now)
            && jwt.keys.keys().has(seen.key)
        {
            self.worker.counters.tokens_known.add(1);
            return Ok(Judgement::Known(seen.known.clone()));
        }
        self.check_failures(held)?;
        Ok(match self.verify(way, jwt, token) {
            Ok(known) => Judgement::Known(known),
            Err(Refusal::UnknownKey) if jwt.keys.is_fetched() => {
                Judgement::Later(Question::Keys(way.clone()))
            }
            Err(refusal) => Judgement::Refused(Unauthorized::Token(refusal)),
        })
    }

    fn verify(&self, way: &Authenticator, jwt: &Jwt, token: &[u8]) -> Result<Rc<Known>, Refusal> {
        let now = wall().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let Verified { caller, valid, key } = jwt.verify(token, now)?;
        self.worker.counters.tokens_verified.add(1);
        let known = Rc::new(Known::new(&way.name, caller, &way.identity));
        let seen = Seen { known: known.clone(), valid, key };
        self.worker.gate.tokens.borrow_mut().insert(way.id, token, seen);
        Ok(known)
    }

    /// What was said of a credential a moment ago, or the question that has to be asked.
    fn remembered(
        &self,
        way: &Authenticator,
        digest: Digest,
        held: &Held,
        question: impl FnOnce() -> Question,
    ) -> Result<Judgement, Reject> {
        let verdicts = &mut self.worker.gate.verdicts.borrow_mut();
        if let Some(verdict) = verdicts.get(way.id, &digest).filter(|verdict| verdict.until > now()) {
            return Ok(match &verdict.said {
                Ok(known) => Judgement::Known(known.clone()),
                Err(why) => Judgement::Refused(*why),
            });
        }
        self.check_failures(held)?;
        Ok(Judgement::Later(question()))
    }

    fn remember(
        &self,
        way: &Authenticator,
        digest: Digest,
        said: Result<Rc<Known>, Unauthorized>,
        life: Duration,
    ) {
        let verdict = Verdict { said, until: now() + life };
        self.worker.gate.verdicts.borrow_mut().insert(way.id, &digest, verdict);
    }

    /// Asks, and waits for an answer: for a bounded time, and only so many requests at once.
    async fn wait(&self, question: Question) -> Result<Judgement, Reject> {
        let waiting = &self.worker.gate.waiting;
        if waiting.get() >= limits::WAITING_AT_GATE {
            return Err(if matches!(question, Question::Keys(_)) { Reject::NoKeys } else { Reject::NoJudge });
        }
        waiting.set(waiting.get() + 1);
        let judgement = match question {
            Question::Keys(way) => self.wait_for_keys(&way).await,
            Question::Password(way, digest) => self.wait_for_password(&way, digest).await,
            Question::Service(way, pool, digest) => self.ask_service(&way, &pool, digest).await,
        };
        waiting.set(waiting.get() - 1);
        judgement
    }

    /// Looks at the keys at each tick: somebody fetches them, unless that was done a moment ago.
    async fn wait_for_keys(&self, way: &Authenticator) -> Result<Judgement, Reject> {
        let Way::Jwt(jwt) = &way.way else { return Ok(Judgement::Nobody) };
        let fields = self.client.head().fields(self.client.head_bytes());
        let token = way.kind().credential(fields)?.unwrap_or_default();
        let end = now() + limits::KEYS_WAIT;
        let mut refusal = Refusal::UnknownKey;
        while refusal == Refusal::UnknownKey && jwt.keys.may_be_fetched() && now() < end {
            if jwt.keys.want() {
                self.worker.gate.keys.wake();
            }
            sleep(TICK).await;
            match self.verify(way, jwt, token) {
                Ok(known) => return Ok(Judgement::Known(known)),
                Err(why) => refusal = why,
            }
        }
        match refusal {
            Refusal::UnknownKey if jwt.keys.is_stale() => Err(Reject::NoKeys), // it may be a good one, for all we know
            refusal => Ok(Judgement::Refused(Unauthorized::Token(refusal))),
        }
    }

    async fn wait_for_password(&self, way: &Arc<Authenticator>, digest: Digest) -> Result<Judgement, Reject> {
        let fields = self.client.head().fields(self.client.head_bytes());
        let credential = way.kind().credential(fields)?.unwrap_or_default();
        let answer = self.worker.gate.checker.ask(way, credential).ok_or(Reject::NoJudge)?;
        let end = now() + limits::PASSWORD_WAIT;
        while now() < end {
            sleep(TICK).await;
            if let Some(said) = answer.get() {
                let said = said.clone().map(|known| Rc::new((*known).clone()));
                self.remember(way, digest, said.clone(), limits::PASSWORD_LIFE);
                return Ok(said.map_or_else(Judgement::Refused, Judgement::Known));
            }
        }
        Err(Reject::NoJudge)
    }

    async fn ask_service(
        &self,
        way: &Authenticator,
        pool: &Pool,
        digest: Digest,
    ) -> Result<Judgement, Reject> {
        let Way::External(service) = &way.way else { return Ok(Judgement::Nobody) };
        match external::ask(self.worker, self.client, service, pool).await {
            Ok(said) => {
                let known = |caller| Rc::new(Known::new(&way.name, caller, &way.identity));
                let said = said.map(known);
                if !service.cache.is_zero() {
                    self.remember(way, digest, said.clone(), service.cache);
                }
                Ok(said.map_or_else(Judgement::Refused, Judgement::Known))
            }
            Err(reject @ Reject::ClientGone) => Err(reject),
            Err(_) if service.fails_open => Ok(Judgement::Unjudged),
            Err(_) => Err(Reject::NoJudge),
        }
    }

    /// What becomes of the request, now that it is known who asks.
    fn decide(
        &self,
        judgement: Judgement,
        policy: &Policy,
        held: &Held,
        route: Option<&Lease>,
    ) -> Result<Option<Rc<Known>>, Reject> {
        let access = &policy.access;
        let known = match judgement {
            Judgement::Known(known) => Some(known),
            Judgement::Unjudged if policy.requirement.is_none() => None,
            Judgement::Unjudged => return Err(Reject::NoJudge), // whether the caller meets it nobody knows
            Judgement::Nobody if access.ways.is_empty() || access.allows_anonymous => None,
            Judgement::Nobody | Judgement::Later(_) => {
                return Err(self.challenge(access, Unauthorized::Missing));
            }
            Judgement::Refused(why) => {
                self.count_failure(held)?;
                return Err(self.challenge(access, why));
            }
        };
        match &known {
            _ if policy.requirement.is_none() => {}
            None => return Err(self.challenge(access, Unauthorized::Missing)),
            Some(known) if policy.requirement.is_met_by(&known.caller) => {}
            Some(_) => {
                let error = (
                    "insufficient_scope",
                    "The caller lacks a role, a scope or a claim that is needed here.",
                );
                access.put_challenges(&mut self.client.lines(), Some(error));
                return Err(Reject::Forbidden);
            }
        }
        if !access.limits.is_empty() {
            self.charge(policy, known.as_deref(), held, route)?;
        }
        Ok(known)
    }

    fn charge(
        &self,
        policy: &Policy,
        known: Option<&Known>,
        held: &Held,
        route: Option<&Lease>,
    ) -> Result<(), Reject> {
        let asked = Asked {
            caller: known.map(|known| (&*known.way, &known.caller)),
            route: route.map(|route| &*route.name),
            ..self.asked()
        };
        let (fields, now) = (held.clients.limit_fields, epoch::until(now()));
        let outcome =
            access::admit(&policy.access.limits, asked, policy.cost, now, fields, &mut self.client.lines());
        outcome.map_err(|Limited(seconds)| Reject::RateLimited(seconds))
    }

    fn asked(&self) -> Asked<'_> {
        let (head, bytes) = (self.client.head(), self.client.head_bytes());
        Asked { head, bytes, caller: None, address: self.client.ip(), route: None }
    }

    /// 401, and what to send instead.
    fn challenge(&self, access: &Access, why: Unauthorized) -> Reject {
        // RFC 6750 section 3.1: who has sent no token has sent no wrong one.
        let is_of_token = matches!(why, Unauthorized::Token(_) | Unauthorized::Refused);
        let error = is_of_token.then(|| ("invalid_token", why.detail()));
        access.put_challenges(&mut self.client.lines(), error);
        why.into()
    }

    /// Whether another credential from this address is looked at.
    fn check_failures(&self, held: &Held) -> Result<(), Reject> {
        let Some(failures) = &held.clients.failures else { return Ok(()) };
        let key = failures.key(self.asked());
        barred(failures.limiter.look(key, 1, epoch::until(now())).map(drop))
    }

    /// Counts a wrong one.
    fn count_failure(&self, held: &Held) -> Result<(), Reject> {
        let Some(failures) = &held.clients.failures else { return Ok(()) };
        let key = failures.key(self.asked());
        barred(failures.limiter.charge(key, 1, epoch::until(now())).map(drop))
    }
}

fn barred(outcome: Result<(), Refused>) -> Result<(), Reject> {
    match outcome {
        Err(Refused::Over(_, wait)) => Err(Reject::TooManyFailures(whole_seconds(wait))),
        _ => Ok(()), // without room for its address nobody is barred
    }
}

impl Gate {
    pub(crate) fn new(checker: Checker, keys: Arc<Waker>) -> Gate {
        Gate {
            tokens: RefCell::new(Cache::new(limits::TOKEN_CACHE_BYTES)),
            verdicts: RefCell::new(Cache::new(limits::VERDICT_CACHE_BYTES)),
            checker,
            keys,
            waiting: Cell::new(0),
        }
    }
}
