//! Keeps the keys of issuers as these publish them.
//!
//! Owns: when a set is fetched: at the start, each `refresh`, and when a worker has met a key that is not there, but not more often than
//! each `cooldown`. One fetch at a time for each set; the last good keys hold while there are no others.
//! Refuses: to follow a redirection, which would let whoever can bend one address choose our keys; an answer of more than a
//! megabyte, and one that takes long.
//! Assumes: workers look at the keyring by themselves.

use std::os::unix::net::UnixStream;
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use http::{Request, StatusCode};
use http_body_util::{BodyExt, Empty, Limited};
use hyper::body::Bytes;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use ringgate_core::limits::KEYS_BYTES;
use ringgate_core::token::{Keys, Provenance};
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use tokio::io::AsyncReadExt;
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::reload::Reloader;
use crate::config::KeySource;
use crate::operator::say;

/// How long a provider may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// After how long a fetch that failed is tried again, at most; it is `cooldown`, or `refresh` if that is shorter.
const RETRY: Duration = Duration::from_secs(10);

/// Fetches the keys of the configuration that holds, for ever.
pub(super) async fn follow(reloader: &Arc<Reloader>, bell: UnixStream) {
    let wishes = Arc::new(Notify::new());
    let mut tasks = JoinSet::new();
    let rung = wishes.clone();
    let listening = async move {
        let stream = bell.set_nonblocking(true).and_then(|()| tokio::net::UnixStream::from_std(bell));
        let Ok(mut stream) = stream else { return };
        while stream.read(&mut [0; 64]).await.is_ok_and(|count| count > 0) {
            rung.notify_waiters();
        }
    };
    let following = async {
        loop {
            let sources = reloader.key_sources();
            tasks.shutdown().await; // those of the configuration before
            for source in sources.iter().cloned() {
                tasks.spawn(follow_one(source, wishes.clone()));
            }
            reloader.until_other_key_sources(&sources).await;
        }
    };
    tokio::join!(listening, following);
}

async fn follow_one(source: KeySource, wishes: Arc<Notify>) {
    let name = source.name.clone();
    let client = match client(&source) {
        Ok(client) => client,
        Err(why) => return say(&format!("warning: keys of {name} cannot be fetched: {why}")),
    };
    source.keyring.rest(false); // whoever fetched for the configuration before may have been resting
    let mut trouble: Option<String> = None;
    loop {
        let begun = Instant::now();
        source.keyring.take_wish();
        match fetch(&client, &source).await {
            Ok(keys) => {
                if trouble.take().is_some() {
                    say(&format!("keys of {name}: they can be fetched again"));
                }
                match source.keyring.keys().are_same_as(&keys) {
                    true => source.keyring.is_up_to_date(),
                    false => {
                        say(&format!(
                            "keys of {name}: {} (there were {})",
                            keys.all().len(),
                            source.keyring.keys().all().len()
                        ));
                        source.keyring.replace(keys);
                    }
                }
            }
            Err(why) => {
                source.keyring.could_not_be_fetched();
                if trouble.as_ref() != Some(&why) {
                    say(&format!(
                        "warning: keys of {name} cannot be fetched: {why}; those that were there hold"
                    ));
                    trouble = Some(why);
                }
            }
        }
        let pause =
            if trouble.is_some() { source.cooldown.min(source.refresh).min(RETRY) } else { source.refresh };
        let rest = async {
            source.keyring.rest(true);
            sleep(source.cooldown.min(pause)).await;
            source.keyring.rest(false);
            until_wanted(&source, &wishes).await;
        };
        let _ = timeout(pause.saturating_sub(begun.elapsed().min(pause)), rest).await;
        source.keyring.rest(false);
    }
}

/// Waits until a worker has met a key of this issuer that is not there.
async fn until_wanted(source: &KeySource, wishes: &Notify) {
    loop {
        let mut rung = pin!(wishes.notified());
        rung.as_mut().enable(); // before the look, so that none is missed
        if source.keyring.take_wish() {
            return;
        }
        rung.await;
    }
}

type Https = Client<HttpsConnector<HttpConnector>, Empty<Bytes>>;

fn client(source: &KeySource) -> Result<Https, String> {
    let mut roots = RootCertStore::empty();
    match &source.authorities {
        Some(pem) => {
            for certificate in CertificateDer::pem_slice_iter(pem) {
                let certificate = certificate.map_err(|_| "jwks_ca_file holds no certificates in PEM")?;
                roots.add(certificate).map_err(|_| "jwks_ca_file holds a certificate that is none")?;
            }
        }
        None => {
            let _ = roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        }
    }
    let provider = Arc::new(aws_lc_rs::default_provider());
    let tls = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .with_root_certificates(roots)
        .with_no_client_auth();
    let mut connector = HttpConnector::new();
    connector.set_connect_timeout(Some(PATIENCE));
    connector.enforce_http(false);
    let connector = HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http().enable_http1();
    Ok(Client::builder(TokioExecutor::new()).build(connector.build()))
}

async fn fetch(client: &Https, source: &KeySource) -> Result<Keys, String> {
    let request =
        Request::get(source.url.clone()).header("accept", "application/jwk-set+json, application/json");
    let request = request.body(Empty::new()).map_err(|_| "the address cannot be asked")?;
    let exchange = async {
        let answer = client.request(request).await.map_err(|error| why(&error))?;
        if answer.status() != StatusCode::OK {
            return Err(format!("the provider answers {}", answer.status().as_u16()));
        }
        let body = Limited::new(answer.into_body(), KEYS_BYTES).collect().await;
        let body = body.map_err(|_| "its answer broke off, or has more than a megabyte")?.to_bytes();
        Keys::from_set(&body, Provenance::Published)
            .map_err(|bad| format!("its answer is of no use: {}", bad.description()))
    };
    timeout(PATIENCE, exchange)
        .await
        .map_err(|_| format!("the provider does not answer within {} s", PATIENCE.as_secs()))?
}

/// What lies at the bottom of an error, which says most: a certificate that nobody vouches for, a port that nobody listens at.
fn why(error: &dyn std::error::Error) -> String {
    let mut last = error;
    while let Some(source) = last.source() {
        last = source;
    }
    format!("the provider cannot be reached ({last})")
}
