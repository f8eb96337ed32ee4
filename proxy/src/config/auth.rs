//! `[auth]`: ways to prove who one is.
//!
//! Owns: reading them with the files they name, and which go on from the configuration before: a keyring with the keys that were
//! fetched for it, and whatever means the same keeps its number, by which workers remember what they have verified.
//! Refuses: to show any of it. Messages name places, not secrets.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use http::Uri;
use ringgate_core::auth::{
    self, ApiKeys, Authenticator, ClaimNames, External, Jwt, Keyring, Known, Passwords, Way,
};
use ringgate_core::caller::{self, Caller, Identity};
use ringgate_core::chunked::is_token;
use ringgate_core::field::Name;
use ringgate_core::limits::KEYS_BYTES;
use ringgate_core::token::{BadKey, Key, Keys, Provenance, Rules};
use toml::Spanned;

use super::codes::Mistake;
use super::diagnostic::Problem;
use super::file::{self, OneOrMore, Text};
use super::files::Files;
use super::policy::{duration_within, timeout};
use super::pools::Pools;
use super::rates::choice;
use super::settings::check_name;
use super::sources::Place;
use super::words::Words;

/// How often keys are fetched, and how much time lies between two fetches that unknown keys bring about, unless told otherwise.
const REFRESH: Duration = Duration::from_secs(300);
const COOLDOWN: Duration = Duration::from_secs(10);
/// How far clocks may be apart: more than that is no clock.
const LEEWAY: std::ops::RangeInclusive<Duration> = Duration::ZERO..=Duration::from_secs(300);
/// Bytes of a file that holds a key or a secret.
const KEY_FILE_BYTES: u64 = 64 * 1024;

/// Where the keys of an issuer are fetched.
#[derive(Clone)]
pub struct KeySource {
    /// What the configuration calls the way that they are for.
    pub name: Box<str>,
    /// Where they are put.
    pub keyring: Arc<Keyring>,
    /// Where they are.
    pub url: Uri,
    /// Certificates that vouch for the server, in PEM; those that this machine trusts if there are none.
    pub authorities: Option<Arc<[u8]>>,
    /// How often they are fetched,
    pub refresh: Duration,
    /// and how much time lies between two fetches that unknown keys bring about.
    pub cooldown: Duration,
}

impl std::fmt::Debug for KeySource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("KeySource").field(&self.name).finish()
    }
}

/// All ways, and where keys come from.
#[derive(Default)]
pub(super) struct Ways {
    pub(super) by_name: BTreeMap<String, Arc<Authenticator>>,
    pub(super) sources: Vec<KeySource>,
}

impl Ways {
    /// Pools of services that judge.
    pub(super) fn pools(&self) -> impl Iterator<Item = usize> {
        self.by_name.values().filter_map(|way| match &way.way {
            Way::External(service) => Some(service.pool.0),
            _ => None,
        })
    }
}

/// What is known beyond the file.
pub(super) struct Context<'a> {
    pub(super) folder: &'a Path,
    pub(super) earlier: &'a [Arc<Authenticator>],
    pub(super) identity: &'a Arc<Identity>,
}

/// Of the last authenticator that was compiled.
static LAST_ID: AtomicU64 = AtomicU64::new(0);

pub(super) fn read(
    written: &BTreeMap<Text, file::Auth>,
    known: &Context<'_>,
    pools: &Pools<'_>,
    files: &mut Files,
) -> Result<Ways, Problem> {
    let mut ways = Ways::default();
    for (name, auth) in written {
        check_name(name)?;
        let earlier = known.earlier.iter().find(|earlier| *earlier.name == **name.get_ref());
        let way = match (&auth.jwt, &auth.api_key, &auth.basic, &auth.external) {
            (Some(jwt), None, None, None) => {
                Way::Jwt(self::jwt(name, jwt, known, earlier, files, &mut ways.sources)?)
            }
            (None, Some(keys), None, None) => Way::ApiKeys(api_keys(name, keys, known.identity)?),
            (None, None, Some(basic), None) => Way::Passwords(passwords(name, basic, known.identity)?),
            (None, None, None, Some(service)) => Way::External(external(service, pools)?),
            _ => {
                return Err(Problem::at(
                    Mistake::AuthKind,
                    name.span(),
                    format!("`{name}` has to be one of `jwt`, `api_key`, `basic` and `external`"),
                )
                .help(format!(
                    "write `[auth.{name}.jwt]`, for example; declare another name for each further way"
                )));
            }
        };
        let compiled =
            Authenticator { id: 0, name: (**name.get_ref()).into(), way, identity: known.identity.clone() };
        let id = match earlier.filter(|earlier| earlier.means_same(&compiled)) {
            Some(earlier) => earlier.id,
            None => LAST_ID.fetch_add(1, Ordering::Relaxed) + 1,
        };
        ways.by_name.insert(name.get_ref().to_string(), Arc::new(Authenticator { id, ..compiled }));
    }
    Ok(ways)
}

/// The ways that a policy names.
pub(super) fn named(written: &[Text], ways: &Ways) -> Result<Vec<Arc<Authenticator>>, Problem> {
    let find = |name: &Text| {
        ways.by_name.get(&**name.get_ref()).cloned().ok_or_else(|| {
            Problem::at(
                Mistake::UnknownAuth,
                name.span(),
                format!("there is no way to authenticate called `{name}`"),
            )
            .suggest(name.get_ref(), ways.by_name.keys().map(String::as_str))
            .help(format!("declare it, as in `[auth.{name}.jwt]`"))
        })
    };
    written.iter().map(find).collect()
}

fn jwt(
    name: &Text,
    written: &Spanned<file::Jwt>,
    known: &Context<'_>,
    earlier: Option<&Arc<Authenticator>>,
    files: &mut Files,
    sources: &mut Vec<KeySource>,
) -> Result<Jwt, Problem> {
    let file = written.get_ref();
    let rules = rules(file)?;
    let claim = |text: &Option<Text>, default: &str| match text {
        None => Ok(caller::path(default).unwrap_or_default()),
        Some(text) => caller::path(text.get_ref()).ok_or_else(|| {
            Problem::at(Mistake::BadClaim, text.span(), format!("`{text}` is not the name of a claim"))
                .help("write it as in `sub`, or `realm_access.roles` for a claim in a claim")
        }),
    };
    let named = ClaimNames {
        user: claim(&file.user, "sub")?,
        roles: claim(&file.roles, "roles")?,
        scopes: claim(&file.scopes, "scope")?,
    };
    let keys = match (&file.jwks, &file.jwks_file, &file.key_file, &file.secret, &file.secret_file) {
        (Some(url), None, None, None, None) => {
            let source = key_source(name, file, url, known, earlier, files)?;
            let keyring = source.keyring.clone();
            sources.push(source);
            keyring
        }
        (None, Some(path), None, None, None) => {
            let bytes = content(path, KEYS_BYTES as u64, known, files)?;
            fixed(
                Keys::from_set(&bytes, Provenance::Local)
                    .map_err(|bad| bad_key(path.span(), "this file", bad))?,
            )
        }
        (None, None, Some(path), None, None) => {
            let bytes = content(path, KEY_FILE_BYTES, known, files)?;
            one(Key::from_pem(&bytes).map_err(|bad| bad_key(path.span(), "this file", bad))?)
        }
        (None, None, None, Some(secret), None) => one(Key::from_secret(secret.get_ref().as_bytes())
            .map_err(|bad| bad_key(name.span(), "the secret", bad))?), // whose own line would be shown
        (None, None, None, None, Some(path)) => {
            let bytes = content(path, KEY_FILE_BYTES, known, files)?;
            one(Key::from_secret(bytes.trim_ascii_end())
                .map_err(|bad| bad_key(path.span(), "the secret", bad))?)
        }
        (None, None, None, None, None) => {
            return Err(keys_from(written, "nothing says which keys verify these tokens"));
        }
        _ => return Err(keys_from(written, "keys come from one place")),
    };
    let has_algorithm = |keys: &Keys| {
        let mut all = keys.all().iter().flat_map(Key::algorithms);
        keys.all().is_empty() || rules.algorithms.is_empty() || all.any(|own| rules.algorithms.contains(own))
    };
    if !has_algorithm(&keys.keys()) {
        let place = file.algorithms.first().map_or(written.span(), Spanned::span);
        return Err(bad_key(place, "the key", BadKey::Algorithm));
    }
    Ok(Jwt { keys, rules, named })
}

fn keys_from(written: &Spanned<file::Jwt>, title: &str) -> Problem {
    Problem::at(Mistake::KeysFrom, written.span(), title).help(
        "write one of `jwks = \"https://id.example.com/keys\"`, `jwks_file`, `key_file`, `secret = \"${JWT_SECRET}\"` and `secret_file`",
    )
}

fn bad_key(place: Place, what: &str, bad: BadKey) -> Problem {
    Problem::at(Mistake::BadKey, place, format!("{what} cannot verify tokens: {}", bad.description()))
        .help("ask the issuer for its public key, or make a secret with `openssl rand -base64 48`")
}

fn fixed(keys: Keys) -> Arc<Keyring> {
    Arc::new(Keyring::new(keys))
}

fn one(key: Key) -> Arc<Keyring> {
    fixed(Keys::new(vec![key]))
}

fn rules(file: &file::Jwt) -> Result<Rules, Problem> {
    let texts = |texts: &Option<Spanned<OneOrMore>>| {
        let all = texts.iter().flat_map(|texts| texts.get_ref().all());
        all.map(|text: &Words| (**text).into()).collect::<Vec<Box<str>>>()
    };
    let default = Rules::default();
    let algorithms = file.algorithms.iter().map(|name| {
        name.get_ref().parse().map_err(|_| {
            Problem::at(Mistake::UnknownAlgorithm, name.span(), format!("there is no algorithm `{name}` here"))
                .suggest(name.get_ref(), super::kinds::ALGORITHMS)
                .help("write one of HS256, HS384, HS512, RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384, EdDSA")
        })
    });
    let plain = |kind: &Text| {
        let lower = kind.get_ref().to_ascii_lowercase();
        lower.strip_prefix("application/").unwrap_or(&lower).into()
    };
    Ok(Rules {
        algorithms: algorithms.collect::<Result<_, _>>()?,
        issuers: texts(&file.issuer),
        audiences: texts(&file.audience),
        types: file.types.iter().map(plain).collect(),
        required: file.required.iter().map(|claim| (**claim.get_ref()).into()).collect(),
        leeway: duration_within(&file.leeway, default.leeway, &LEEWAY, "from `0s` up to `5m`")?,
        longest_life: match &file.longest_life {
            None => None,
            longest => Some(timeout(longest, Duration::ZERO)?),
        },
    })
}

fn key_source(
    name: &Text,
    file: &file::Jwt,
    written: &Text,
    known: &Context<'_>,
    earlier: Option<&Arc<Authenticator>>,
    files: &mut Files,
) -> Result<KeySource, Problem> {
    let bad = || {
        Problem::at(Mistake::BadUrl, written.span(), format!("`{written}` is not an address of the web"))
            .help("write it as in `https://id.example.com/.well-known/jwks.json`")
    };
    let url: Uri = written.get_ref().parse().map_err(|_| bad())?;
    let has_host = url.host().is_some_and(|host| !host.is_empty());
    if !matches!(url.scheme_str(), Some("http" | "https"))
        || !has_host
        || url.authority().is_some_and(|all| all.as_str().contains('@'))
    {
        return Err(bad());
    }
    let before = earlier.and_then(|earlier| match &earlier.way {
        Way::Jwt(jwt) if jwt.keys.place() == written.get_ref().as_bytes() => Some(jwt.keys.clone()),
        _ => None,
    });
    let authorities =
        file.jwks_ca_file.as_ref().map(|path| content(path, 1 << 20, known, files)).transpose()?;
    if let (Some(pem), Some(path)) = (&authorities, &file.jwks_ca_file)
        && !has_certificate(pem)
    {
        return Err(Problem::at(Mistake::BadKey, path.span(), "this file holds no certificate in PEM")
            .help("give the certificate of whoever vouches for the issuer's server"));
    }
    Ok(KeySource {
        name: name.to_string().into(),
        keyring: before.unwrap_or_else(|| Arc::new(Keyring::fetched(written.get_ref().as_bytes()))),
        url,
        authorities: authorities.map(Into::into),
        refresh: timeout(&file.refresh, REFRESH)?,
        cooldown: timeout(&file.cooldown, COOLDOWN)?,
    })
}

fn has_certificate(pem: &[u8]) -> bool {
    use rustls::pki_types::CertificateDer;
    use rustls::pki_types::pem::PemObject;
    let mut all = CertificateDer::pem_slice_iter(pem).peekable();
    let mut roots = rustls::RootCertStore::empty();
    all.peek().is_some() && all.all(|one| one.is_ok_and(|certificate| roots.add(certificate).is_ok()))
}

/// What a file holds, which is then watched.
fn content(path: &Text, most: u64, known: &Context<'_>, files: &mut Files) -> Result<Vec<u8>, Problem> {
    use std::io::Read;
    let full: PathBuf = known.folder.join(&**path.get_ref());
    files.add(&full);
    let unreadable = |why: String| {
        Problem::at(Mistake::UnreadableKey, path.span(), format!("`{path}` cannot be read: {why}"))
            .help("give the path of a file that the user who runs ringgate may read; relative ones begin at the configuration's folder")
    };
    let opened = std::fs::File::open(&full).map_err(|error| unreadable(error.to_string()))?;
    opened.metadata().into_iter().for_each(|metadata| files.opened(&full, &metadata));
    let mut bytes = Vec::new();
    opened.take(most + 1).read_to_end(&mut bytes).map_err(|error| unreadable(error.to_string()))?;
    match bytes.len() as u64 > most {
        true => Err(unreadable(format!("it has more than {most} bytes"))),
        false => Ok(bytes),
    }
}

fn texts(written: &[Text]) -> Vec<Box<str>> {
    written.iter().map(|text| (**text.get_ref()).into()).collect()
}

/// A caller of the configuration itself.
fn known(
    way: &Text,
    user: &Text,
    roles: &[Text],
    scopes: &[Text],
    identity: &Identity,
) -> Result<Known, Problem> {
    check_name(user)?;
    let caller = Caller { roles: texts(roles), scopes: texts(scopes), ..Caller::named(user.get_ref()) };
    Ok(Known::new(way.get_ref(), caller, identity))
}

fn api_keys(way: &Text, written: &Spanned<file::ApiKey>, identity: &Identity) -> Result<ApiKeys, Problem> {
    let file = written.get_ref();
    let field = match &file.header {
        None => "x-api-key".to_owned(),
        Some(name) => field_name(name)?,
    };
    let mut keys = BTreeMap::new();
    for key in &file.keys {
        let file::Key { user, digest, roles, scopes } = key.get_ref();
        let bytes = self::digest(digest.get_ref()).ok_or_else(|| {
            Problem::at(Mistake::BadDigest, digest.span(), "this is no digest of a key").help(
                "`ringgate hash-key` makes a key and writes its digest: `sha256:` and 64 hexadecimal digits",
            )
        })?;
        if keys.insert(bytes, known(way, user, roles, scopes, identity)?).is_some() {
            return Err(Problem::at(Mistake::DuplicateKey, digest.span(), "two callers have the same key")
                .help("give each its own: `ringgate hash-key` makes one"));
        }
    }
    match keys.is_empty() {
        true => Err(nobody(written.span())),
        false => Ok(ApiKeys::new(&field, keys)),
    }
}

fn nobody(place: Place) -> Problem {
    Problem::at(Mistake::NobodyKnown, place, "nobody could ever prove anything in this way")
        .help("add a caller: `keys = [{ user = \"acme\", digest = \"sha256:...\" }]`, or `users` with a password's hash")
}

fn digest(text: &str) -> Option<[u8; 32]> {
    let digits = text.strip_prefix("sha256:").filter(|digits| digits.len() == 64 && digits.is_ascii())?;
    let mut bytes = [0; 32];
    for (place, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&digits[2 * place..2 * place + 2], 16).ok()?;
    }
    Some(bytes)
}

fn passwords(way: &Text, written: &Spanned<file::Basic>, identity: &Identity) -> Result<Passwords, Problem> {
    let mut users: BTreeMap<&Words, (Box<str>, Known)> = BTreeMap::new();
    for user in &written.get_ref().users {
        let file::User { user: name, password, roles, scopes } = user.get_ref();
        if !auth::is_password_hash(password.get_ref()) {
            return Err(Problem::at(
                Mistake::BadPasswordHash,
                password.span(),
                "this is no hash of a password",
            )
            .help("write one of argon2 or bcrypt, in single quotes; `htpasswd -nB NAME` makes one"));
        }
        let hash: Box<str> = (**password.get_ref()).into();
        if users.insert(name.get_ref(), (hash, known(way, name, roles, scopes, identity)?)).is_some() {
            return Err(Problem::at(
                Mistake::DuplicateKey,
                name.span(),
                format!("`{name}` has two passwords"),
            )
            .help("keep one of them"));
        }
    }
    match users.is_empty() {
        true => Err(nobody(written.span())),
        false => Ok(Passwords::new(users.into_values())),
    }
}

fn external(written: &Spanned<file::External>, pools: &Pools<'_>) -> Result<External, Problem> {
    let file = written.get_ref();
    let pool = file.pool.as_ref().ok_or_else(|| {
        Problem::at(Mistake::NoServers, written.span(), "this does not say which service is asked")
            .help("add `pool` with a name declared under `[pools]`")
    })?;
    let name = |text: &Option<Text>, default: &str| -> Result<Box<str>, Problem> {
        text.as_ref().map_or(Ok(default.into()), |text| field_name(text).map(Into::into))
    };
    let fields = match &file.headers {
        None => vec!["authorization".into()],
        Some(names) => names.iter().map(|name| field_name(name).map(Into::into)).collect::<Result<_, _>>()?,
    };
    let cache = match &file.cache {
        Some(none) if **none.get_ref() == *"none" => Duration::ZERO,
        written => timeout(written, Duration::ZERO)?,
    };
    let path = file.path.as_ref().map_or("/", |path| path.get_ref());
    if !path.starts_with('/') || !path.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#') {
        let place = file.path.as_ref().map_or(written.span(), Spanned::span);
        return Err(Problem::at(Mistake::PathWithoutSlash, place, "this is not a path")
            .help("write it as in `/verify`"));
    }
    Ok(External {
        pool: (pools.named(pool)?, (**pool.get_ref()).into()),
        path: path.into(),
        fields,
        timeout: timeout(&file.timeout, Duration::from_secs(1))?,
        fails_open: choice(file.on_failure.as_ref(), &["refuse", "allow"])? == 1,
        cache,
        answers: [
            name(&file.user_header, "x-user-id")?,
            name(&file.roles_header, "x-user-roles")?,
            name(&file.scopes_header, "x-user-scopes")?,
        ],
    })
}

/// The name of a field that may be set, removed or shown: not one that the gateway itself lives by.
pub(super) fn field_name(written: &Text) -> Result<String, Problem> {
    let name = written.get_ref();
    if name.is_empty() || !name.bytes().all(is_token) {
        return Err(Problem::at(
            Mistake::BadFieldName,
            written.span(),
            format!("`{written}` is not the name of a header field"),
        )
        .help("write letters, digits and dashes, as in `x-version`"));
    }
    let known = Name::of(name.as_bytes());
    if known.is_hop_by_hop() || matches!(known, Name::Host | Name::Expect | Name::XRequestId | Name::Via) {
        return Err(Problem::at(
            Mistake::ConnectionField,
            written.span(),
            format!("`{written}` is written by the gateway itself"),
        )
        .help("leave it out"));
    }
    Ok(name.to_ascii_lowercase())
}
