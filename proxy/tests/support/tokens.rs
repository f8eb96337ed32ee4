//! Tokens as an issuer signs them, and an issuer that publishes its keys.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{SystemTime, UNIX_EPOCH};

use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey};
use serde_json::{Value, json};

/// The public half of the key that signs most tokens here, as a path for configurations.
pub fn public_key() -> PathBuf {
    keys().join("ec256.pub.pem")
}

/// Where the keys of tests are.
pub fn keys() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("core/src/token/keys_of_tests")
}

pub fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

fn pem(name: &str) -> Vec<u8> {
    std::fs::read(keys().join(name)).unwrap()
}

/// A token for `user` with more claims, signed with the usual key.
pub fn token(user: &str, more: Value) -> String {
    let mut claims = json!({ "sub": user, "aud": "api", "exp": now() + 600 });
    for (name, value) in more.as_object().unwrap() {
        claims[name] = value.clone();
    }
    signed(&json!({ "alg": "ES256", "typ": "JWT" }), &claims)
}

/// A token with this header and these claims, whatever they are.
pub fn signed(header: &Value, claims: &Value) -> String {
    sign(&header.to_string(), &claims.to_string(), Algorithm::ES256, &usual())
}

fn usual() -> EncodingKey {
    EncodingKey::from_ec_pem(&pem("ec256.pem")).unwrap()
}

pub fn encoded(text: &str) -> String {
    use base64::Engine;
    base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(text)
}

pub fn sign(header: &str, claims: &str, algorithm: Algorithm, key: &EncodingKey) -> String {
    let signed = format!("{}.{}", encoded(header), encoded(claims));
    let signature = jsonwebtoken::crypto::sign(signed.as_bytes(), key, algorithm).unwrap();
    format!("{signed}.{signature}")
}

/// The line that a client sends.
pub fn bearer(token: &str) -> String {
    format!("Authorization: Bearer {token}\r\n")
}

/// A key that an issuer makes, uses and withdraws.
pub struct IssuerKey {
    id: String,
    key: EncodingKey,
    jwk: Value,
}

impl IssuerKey {
    pub fn new(id: &str) -> IssuerKey {
        use rcgen::{KeyPair, PKCS_ECDSA_P256_SHA256};
        let pair = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
        let public = DecodingKey::from_ec_pem(pair.public_key_pem().as_bytes()).unwrap();
        let mut jwk = serde_json::to_value(Jwk::from_decoding_key(&public, None).unwrap()).unwrap();
        jwk["kid"] = id.into();
        jwk["use"] = "sig".into();
        let key = EncodingKey::from_ec_pem(pair.serialize_pem().as_bytes()).unwrap();
        IssuerKey { id: id.into(), key, jwk }
    }

    /// A token for `user`, signed with it.
    pub fn token(&self, user: &str) -> String {
        let header = json!({ "alg": "ES256", "kid": self.id }).to_string();
        let claims = json!({ "sub": user, "exp": now() + 600 }).to_string();
        sign(&header, &claims, Algorithm::ES256, &self.key)
    }
}

/// Publishes keys, and can be down.
pub struct Issuer {
    pub address: SocketAddr,
    body: Arc<Mutex<String>>,
    is_down: Arc<AtomicBool>,
    asked: Arc<AtomicUsize>,
}

impl Issuer {
    pub fn start(keys: &[&IssuerKey]) -> Issuer {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let issuer = Issuer {
            address: listener.local_addr().unwrap(),
            body: Arc::default(),
            is_down: Arc::default(),
            asked: Arc::default(),
        };
        issuer.publish(keys);
        let (body, is_down, asked) = (issuer.body.clone(), issuer.is_down.clone(), issuer.asked.clone());
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                if !is_down.load(Ordering::SeqCst) {
                    asked.fetch_add(1, Ordering::SeqCst);
                    answer(stream.unwrap(), &body.lock().unwrap());
                }
            }
        });
        issuer
    }

    /// These keys and no others from now on.
    pub fn publish(&self, keys: &[&IssuerKey]) {
        let keys: Vec<&Value> = keys.iter().map(|key| &key.jwk).collect();
        *self.body.lock().unwrap() = json!({ "keys": keys }).to_string();
    }

    /// Answers whatever it is asked with this.
    pub fn say(&self, body: &str) {
        *self.body.lock().unwrap() = body.to_owned();
    }

    pub fn goes_down(&self, is_down: bool) {
        self.is_down.store(is_down, Ordering::SeqCst);
    }

    /// How often it has been asked.
    pub fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }

    pub fn url(&self) -> String {
        format!("http://{}/keys", self.address)
    }
}

fn answer(stream: TcpStream, body: &str) {
    let mut head = String::new();
    let mut reader = BufReader::new(&stream);
    while !head.ends_with("\r\n\r\n") && reader.read_line(&mut head).unwrap_or(0) > 0 {}
    let length = body.len();
    let _ = write!(&stream, "HTTP/1.1 200 OK\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}");
}
