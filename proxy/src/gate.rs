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
    /// Requests that wait for keys, and those that wait for something else: the one kind takes no room from the other.
    waiting: [Cell<usize>; 2],
}

/// What is known of a token that somebody we trust has signed.
enum Seen {
    /// It is good, from and until these seconds since 1970, while this key is there.
    Good(Rc<Known>, (u64, u64), Fingerprint),
    /// It never will be: too old, or meant for somebody else.
    Useless(Refusal),
}

/// What was said of a credential.
struct Verdict {
    said: Said,
    /// By the clock of the event loop.
    until: Instant,
}

/// Who asks, or nobody in particular; or why the request does not pass.
type Said = Result<Option<Rc<Known>>, Unauthorized>;

/// What is known of who asks.
enum Judgement {
    /// There is no credential.
    Nobody,
    Known(Rc<Known>),
    /// It was good, and says nobody's name.
    Unnamed,
    Refused(Unauthorized),
    /// Who would know does not answer, and requests shall pass all the same.
    Unjudged,
    /// It has to be asked for.
    Later(Question),
}

/// What has to be asked for; a verdict is remembered by the digest.
enum Question {
    /// Keys that are not here: perhaps one of these issuers has them, soon.
    Keys(Vec<Arc<Authenticator>>),
    Password(Arc<Authenticator>, Digest),
    Service(Arc<Authenticator>, Arc<Pool>, Digest),
}

type Digest = [u8; 32];

/// Lets a request pass whose route is this one, or none. Who asks is noted as soon as it is known, and what goes with the answer is noted
/// with the client.
///
/// # Errors
/// It does not pass: 204 for a preflight, 400, 401, 403, 429, 503.
pub(crate) async fn admit(
    worker: &Worker,
    client: &Client,
    held: Rc<Held>,
    route: Option<&Lease>,
    caller: &mut Option<Rc<Known>>,
) -> Result<(), Reject> {
    if let Some(cors) = &held.clients.cors {
        greet(cors, client)?;
    }
    let policy = policy_of(&held, route);
    if policy.access.is_none() {
        return Ok(());
    }
    let visit = Visit { worker, client };
    match visit.judge(&policy.access, &held)? {
        Judgement::Later(question) => {
            drop(held); // what follows may take long
            let judgement = Box::pin(visit.wait(question)).await?; // rare, and large
            let held = worker.held();
            *caller = visit.identify(judgement, policy_of(&held, route), &held)?;
            visit.authorise(caller.as_deref(), policy_of(&held, route), &held, route)
        }
        judgement => {
            *caller = visit.identify(judgement, policy, &held)?;
            visit.authorise(caller.as_deref(), policy, &held, route)
        }
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
        let mut of_kind = Vec::new();
        let mut counting: Option<(Kind<'_>, &[u8])> = None;
        for way in &access.ways {
            match counting {
                Some((kind, _)) if kind == way.kind() => of_kind.push(way),
                Some(_) => {}
                None => {
                    counting = way.kind().credential(fields)?.map(|credential| (way.kind(), credential));
                    of_kind.extend(counting.map(|_| way));
                }
            }
        }
        let Some((_, credential)) = counting else { return Ok(Judgement::Nobody) };
        if let Some(known) = of_kind.iter().find_map(|way| self.remembered_token(way, credential)) {
            return Ok(known);
        }
        let (mut first, mut issuers) = (None, Vec::new());
        for way in of_kind {
            match self.judge_credential(way, credential, held)? {
                Judgement::Later(Question::Keys(ways)) => issuers.extend(ways),
                Judgement::Refused(why) => drop(first.get_or_insert(Judgement::Refused(why))),
                judgement => return Ok(judgement),
            }
        }
        match (issuers.is_empty(), first) {
            (true, Some(refused)) => Ok(refused),
            _ => Ok(Judgement::Later(Question::Keys(issuers))),
        }
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
                let digest = external::digest(service, self.client);
                let pool = &held.pools[service.pool.0];
                self.remembered(way, digest, held, || Question::Service(way.clone(), pool.clone(), digest))
            }
        }
    }

    /// What this worker knows of a token whose signature it has seen.
    fn remembered_token(&self, way: &Authenticator, token: &[u8]) -> Option<Judgement> {
        let Way::Jwt(jwt) = &way.way else { return None };
        let mut tokens = self.worker.gate.tokens.borrow_mut();
        let (now, keys) = (self.worker.unix_seconds(), jwt.keys.keys());
        let judgement = match tokens.get(way.id, token)? {
            Seen::Good(_, (_, until), _) if now >= *until => {
                Judgement::Refused(Unauthorized::Token(Refusal::Expired))
            }
            Seen::Good(known, (from, _), key) if now >= *from && keys.has(*key) => {
                Judgement::Known(known.clone())
            }
            Seen::Good(..) => return None, // its key was withdrawn, or the clock was set
            Seen::Useless(refusal) => Judgement::Refused(Unauthorized::Token(*refusal)),
        };
        self.worker.counters.tokens_known.add(1);
        Some(judgement)
    }

    fn judge_token(
        &self,
        way: &Arc<Authenticator>,
        jwt: &Jwt,
        token: &[u8],
        held: &Held,
    ) -> Result<Judgement, Reject> {
        self.check_failures(held)?;
        Ok(match self.verify(way, jwt, token) {
            Ok(known) => Judgement::Known(known),
            Err(Refusal::UnknownKey) if jwt.keys.is_fetched() => {
                Judgement::Later(Question::Keys(vec![way.clone()]))
            }
            Err(refusal) => {
                // Somebody we trust has signed it, and looking at it again costs as much as the first time.
                if !refusal.is_forged() && ![Refusal::UnknownKey, Refusal::NotYet].contains(&refusal) {
                    self.worker.gate.tokens.borrow_mut().insert(way.id, token, Seen::Useless(refusal));
                }
                Judgement::Refused(Unauthorized::Token(refusal))
            }
        })
    }

    fn verify(&self, way: &Authenticator, jwt: &Jwt, token: &[u8]) -> Result<Rc<Known>, Refusal> {
        let now = wall().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let Verified { caller, valid, key } = jwt.verify(token, now)?;
        self.worker.counters.tokens_verified.add(1);
        let known = Rc::new(Known::new(&way.name, caller, &way.identity));
        let seen = Seen::Good(known.clone(), valid, key);
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
            return Ok(Judgement::of(verdict.said.clone()));
        }
        self.check_failures(held)?;
        Ok(Judgement::Later(question()))
    }

    fn remember(&self, way: &Authenticator, digest: Digest, said: Said, life: Duration) {
        let verdict = Verdict { said, until: now() + life };
        self.worker.gate.verdicts.borrow_mut().insert(way.id, &digest, verdict);
    }

    /// Asks, and waits for an answer: for a bounded time, and only so many requests at once.
    async fn wait(&self, question: Question) -> Result<Judgement, Reject> {
        let [for_keys, for_others] = &self.worker.gate.waiting;
        let (waiting, full) = match &question {
            Question::Keys(_) => (for_keys, Reject::NoKeys),
            _ => (for_others, Reject::NoJudge),
        };
        let _place = Waiting::begin(waiting).ok_or(full)?;
        match question {
            Question::Keys(ways) => self.wait_for_keys(&ways).await,
            Question::Password(way, digest) => self.wait_for_password(&way, digest).await,
            Question::Service(way, pool, digest) => self.ask_service(&way, &pool, digest).await,
        }
    }

    /// Looks at the keys of each of these issuers at each tick: somebody fetches them, unless that was done a moment ago.
    async fn wait_for_keys(&self, ways: &[Arc<Authenticator>]) -> Result<Judgement, Reject> {
        let fields = self.client.head().fields(self.client.head_bytes());
        let token = Kind::Bearer.credential(fields)?.unwrap_or_default();
        let end = now() + limits::KEYS_WAIT;
        let issuers = || {
            ways.iter().filter_map(|way| if let Way::Jwt(jwt) = &way.way { Some((way, jwt)) } else { None })
        };
        let mut refusal = Refusal::UnknownKey;
        while issuers().any(|(_, jwt)| jwt.keys.may_be_fetched()) && now() < end {
            if issuers().filter(|(_, jwt)| jwt.keys.may_be_fetched() && jwt.keys.want()).count() > 0 {
                self.worker.gate.keys.wake();
            }
            sleep(TICK).await;
            for (way, jwt) in issuers() {
                match self.verify(way, jwt, token) {
                    Ok(known) => return Ok(Judgement::Known(known)),
                    Err(Refusal::UnknownKey) => {}
                    Err(why) => refusal = why,
                }
            }
            if refusal != Refusal::UnknownKey {
                break; // the key is there, and the token is none
            }
        }
        match refusal {
            // It may be a good one, for all we know.
            Refusal::UnknownKey if issuers().any(|(_, jwt)| jwt.keys.is_stale()) => Err(Reject::NoKeys),
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
                let said = said.clone().map(|known| Some(Rc::new((*known).clone())));
                self.remember(way, digest, said.clone(), limits::PASSWORD_LIFE);
                return Ok(Judgement::of(said));
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
                let said: Said = said.map(|caller| caller.map(known));
                if !service.cache.is_zero() {
                    self.remember(way, digest, said.clone(), service.cache);
                }
                Ok(Judgement::of(said))
            }
            Err(reject @ Reject::ClientGone) => Err(reject),
            Err(_) if service.fails_open => Ok(Judgement::Unjudged),
            Err(_) => Err(Reject::NoJudge),
        }
    }

    /// Who asks; nobody in particular, where that is allowed.
    fn identify(
        &self,
        judgement: Judgement,
        policy: &Policy,
        held: &Held,
    ) -> Result<Option<Rc<Known>>, Reject> {
        let access = &policy.access;
        match judgement {
            Judgement::Known(known) => Ok(Some(known)),
            Judgement::Unnamed if policy.requirement.is_none() => Ok(None),
            Judgement::Unnamed => Err(Reject::Forbidden), // nobody is nothing
            Judgement::Unjudged if policy.requirement.is_none() => Ok(None),
            Judgement::Unjudged => Err(Reject::NoJudge), // whether the caller meets it nobody knows
            Judgement::Nobody if access.ways.is_empty() || access.allows_anonymous => Ok(None),
            Judgement::Nobody | Judgement::Later(_) => Err(self.challenge(access, Unauthorized::Missing)),
            Judgement::Refused(why) => {
                self.count_failure(why, held)?;
                Err(self.challenge(access, why))
            }
        }
    }

    /// Whether this caller may, and may now.
    fn authorise(
        &self,
        caller: Option<&Known>,
        policy: &Policy,
        held: &Held,
        route: Option<&Lease>,
    ) -> Result<(), Reject> {
        let access = &policy.access;
        match caller {
            _ if policy.requirement.is_none() => {}
            None => return Err(self.challenge(access, Unauthorized::Missing)),
            Some(known) if policy.requirement.is_met_by(&known.caller) => {}
            Some(_) => {
                let what = "The caller lacks a role, a scope or a claim that is needed here.";
                access.put_challenges(&mut self.client.lines(), Some(("insufficient_scope", what)));
                return Err(Reject::Forbidden);
            }
        }
        if access.limits.is_empty() { Ok(()) } else { self.charge(policy, caller, held, route) }
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

    /// Counts a wrong one, unless whoever has sent it may just be late.
    fn count_failure(&self, why: Unauthorized, held: &Held) -> Result<(), Reject> {
        let Some(failures) = held.clients.failures.as_ref().filter(|_| why.counts()) else { return Ok(()) };
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

impl Judgement {
    /// What somebody else has said.
    fn of(said: Said) -> Judgement {
        match said {
            Ok(Some(known)) => Judgement::Known(known),
            Ok(None) => Judgement::Unnamed,
            Err(why) => Judgement::Refused(why),
        }
    }
}

/// A place among those that wait.
struct Waiting<'a>(&'a Cell<usize>);

impl<'a> Waiting<'a> {
    fn begin(count: &'a Cell<usize>) -> Option<Waiting<'a>> {
        let has_room = count.get() < limits::WAITING_AT_GATE;
        has_room.then(|| {
            count.set(count.get() + 1);
            Waiting(count)
        })
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.set(self.0.get() - 1);
    }
}

impl Gate {
    pub(crate) fn new(checker: Checker, keys: Arc<Waker>) -> Gate {
        Gate {
            tokens: RefCell::new(Cache::new(limits::TOKEN_CACHE_BYTES)),
            verdicts: RefCell::new(Cache::new(limits::VERDICT_CACHE_BYTES)),
            checker,
            keys,
            waiting: Default::default(),
        }
    }
}
