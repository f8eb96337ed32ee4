use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::EncodingKey;
use serde_json::json;

use super::*;

const RSA: &[u8] = include_bytes!("keys_of_tests/rsa.pem");
const RSA_PUBLIC: &[u8] = include_bytes!("keys_of_tests/rsa.pub.pem");
const RSA_1024_PUBLIC: &[u8] = include_bytes!("keys_of_tests/rsa1024.pub.pem");
const EC_256: &[u8] = include_bytes!("keys_of_tests/ec256.pem");
const EC_256_PUBLIC: &[u8] = include_bytes!("keys_of_tests/ec256.pub.pem");
const EC_384: &[u8] = include_bytes!("keys_of_tests/ec384.pem");
const EC_384_PUBLIC: &[u8] = include_bytes!("keys_of_tests/ec384.pub.pem");
const OTHER_256: &[u8] = include_bytes!("keys_of_tests/other256.pem");
const ED: &[u8] = include_bytes!("keys_of_tests/ed.pem");
const ED_PUBLIC: &[u8] = include_bytes!("keys_of_tests/ed.pub.pem");
const SECRET: &[u8; 64] = &[7; 64];
const NOW: Duration = Duration::from_secs(1_800_000_000);

fn encoded(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// The token with these parts as they are.
fn signed_with(header: &str, claims: &str, algorithm: Algorithm, key: &EncodingKey) -> String {
    let signed = format!("{}.{}", encoded(header), encoded(claims));
    let signature = jsonwebtoken::crypto::sign(signed.as_bytes(), key, algorithm).unwrap();
    format!("{signed}.{signature}")
}

fn es256(header: &str, claims: &str) -> String {
    signed_with(header, claims, Algorithm::ES256, &EncodingKey::from_ec_pem(EC_256).unwrap())
}

fn claims(more: &str) -> String {
    format!(r#"{{"sub":"12345","exp":1800000100{more}}}"#)
}

const HEADER: &str = r#"{"alg":"ES256","typ":"JWT"}"#;

fn keys(pems: &[&[u8]]) -> Keys {
    Keys::new(pems.iter().map(|pem| Key::from_pem(pem).unwrap()).collect())
}

fn refusal(token: &str, keys: &Keys, rules: &Rules) -> Option<Refusal> {
    verify(token.as_bytes(), keys, rules, NOW).err()
}

#[test]
fn every_algorithm_verifies_with_its_key_and_with_no_other() {
    let all = [RSA_PUBLIC, EC_256_PUBLIC, EC_384_PUBLIC, ED_PUBLIC].map(|pem| Key::from_pem(pem).unwrap());
    let all = Keys::new(all.into_iter().chain([Key::from_secret(SECRET).unwrap()]).collect());
    let rsa = EncodingKey::from_rsa_pem(RSA).unwrap();
    let secret = EncodingKey::from_secret(SECRET);
    let table = [
        ("RS256", &rsa),
        ("RS384", &rsa),
        ("RS512", &rsa),
        ("PS256", &rsa),
        ("PS384", &rsa),
        ("PS512", &rsa),
        ("ES256", &EncodingKey::from_ec_pem(EC_256).unwrap()),
        ("ES384", &EncodingKey::from_ec_pem(EC_384).unwrap()),
        ("EdDSA", &EncodingKey::from_ed_pem(ED).unwrap()),
        ("HS256", &secret),
        ("HS384", &secret),
        ("HS512", &secret),
    ];
    for (name, key) in table {
        let algorithm: Algorithm = name.parse().unwrap();
        let token = signed_with(&format!(r#"{{"alg":"{name}"}}"#), &claims(""), algorithm, key);
        let verified = verify(token.as_bytes(), &all, &Rules::default(), NOW).unwrap();
        assert_eq!(verified.claims["sub"], "12345", "{name}");
        assert!(all.has(verified.key), "{name}");
        let rules = Rules { algorithms: vec![algorithm], ..Rules::default() };
        assert_eq!(refusal(&token, &all, &rules), None, "{name}");
        let other = if algorithm == Algorithm::ES256 { Algorithm::RS256 } else { Algorithm::ES256 };
        let rules = Rules { algorithms: vec![other], ..Rules::default() };
        assert_eq!(refusal(&token, &all, &rules), Some(Refusal::Algorithm), "{name}");
        for index in 0..token.len() {
            let mut broken = token.clone().into_bytes();
            broken[index] = if broken[index] == b'A' { b'B' } else { b'A' };
            assert!(verify(&broken, &all, &Rules::default(), NOW).is_err(), "{name}, byte {index}");
        }
    }
}

#[test]
fn what_chooses_its_own_verification_is_refused() {
    let keys = keys(&[EC_256_PUBLIC, RSA_PUBLIC]);
    let table = [
        (r#"{"alg":"none"}"#, Refusal::Algorithm),
        (r#"{"alg":"None"}"#, Refusal::Algorithm),
        (r#"{"alg":"nOnE","typ":"JWT"}"#, Refusal::Algorithm),
        (r#"{"alg":""}"#, Refusal::Algorithm),
        (r#"{"alg":"es256"}"#, Refusal::Algorithm),
        (r#"{"alg":"ES256K"}"#, Refusal::Algorithm),
        (r#"{"alg":"RSA-OAEP","enc":"A128GCM"}"#, Refusal::Instruction),
        (r#"{"typ":"JWT"}"#, Refusal::Malformed),
        (r#"{"alg":["ES256"]}"#, Refusal::Malformed),
        (r#"{"alg":"ES256","alg":"none"}"#, Refusal::Malformed),
        (r#"{"alg":"ES256","crit":["exp"],"exp":1}"#, Refusal::Instruction),
        (r#"{"alg":"ES256","crit":[]}"#, Refusal::Instruction),
        (r#"{"alg":"ES256","b64":false,"crit":["b64"]}"#, Refusal::Instruction),
        (r#"{"alg":"ES256","jwk":{"kty":"EC"}}"#, Refusal::Instruction),
        (r#"{"alg":"ES256","jku":"https://evil.example/keys"}"#, Refusal::Instruction),
        (r#"{"alg":"ES256","x5u":"https://evil.example/cert"}"#, Refusal::Instruction),
        (r#"{"alg":"ES256","x5c":[]}"#, Refusal::Instruction),
        (r#"{"alg":"ES256","zip":"DEF"}"#, Refusal::Instruction),
        (r#"{"alg":"ES256","cty":"JWT"}"#, Refusal::Type),
        (r#"{"alg":"ES256","typ":"dpop+jwt"}"#, Refusal::Type),
        (r#"{"alg":"ES256","typ":7}"#, Refusal::Malformed),
        (r#"{"alg":"ES256","kid":7}"#, Refusal::Malformed),
        (r#"{"alg":"HS256"}"#, Refusal::Algorithm),
        (r#"{"alg":"RS256"}"#, Refusal::Signature),
        (r#"["ES256"]"#, Refusal::Malformed),
        (r#""#, Refusal::Malformed),
        (r#"{"alg":"ES256"} "#, Refusal::Signature), // what is read is not what decides: the bytes are signed
    ];
    for (header, expected) in table {
        let token = format!("{}.{}.{}", encoded(header), encoded(claims("")), encoded([1; 64]));
        assert_eq!(refusal(&token, &keys, &Rules::default()), Some(expected), "{header}");
        if let Refusal::Malformed | Refusal::Instruction | Refusal::Type = expected {
            let token = es256(header, &claims("")); // although the signature is good
            assert_eq!(refusal(&token, &keys, &Rules::default()), Some(expected), "{header}, signed");
        }
    }
    let long = format!(r#"{{"alg":"ES256","kid":"{}"}}"#, "k".repeat(KEY_ID_BYTES + 1));
    assert_eq!(refusal(&es256(&long, &claims("")), &keys, &Rules::default()), Some(Refusal::Malformed));
}

#[test]
fn a_public_key_is_nobodys_secret() {
    let keys = keys(&[RSA_PUBLIC, EC_256_PUBLIC]);
    for pem in [RSA_PUBLIC, EC_256_PUBLIC] {
        let secret = EncodingKey::from_secret(pem);
        let token = signed_with(r#"{"alg":"HS256"}"#, &claims(""), Algorithm::HS256, &secret);
        assert_eq!(refusal(&token, &keys, &Rules::default()), Some(Refusal::Algorithm));
    }
}

#[test]
fn signatures_that_are_none_are_refused() {
    let keys = keys(&[EC_256_PUBLIC]);
    let signed = format!("{}.{}", encoded(HEADER), encoded(claims("")));
    let good = es256(HEADER, &claims(""));
    let good = decode(good.rsplit('.').next().unwrap().as_bytes()).unwrap();
    let mut order = [0; 64]; // r = s = n
    let n = [
        0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xbc, 0xe6, 0xfa,
        0xad, 0xa7, 0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51,
    ];
    order[..32].copy_from_slice(&n);
    order[32..].copy_from_slice(&n);
    let mut long = good.clone();
    long.push(0);
    for signature in [&[][..], &[0; 64], &[0; 63], &[0; 65], &order, &good[..63], &long] {
        let token = format!("{signed}.{}", encoded(signature));
        assert_eq!(refusal(&token, &keys, &Rules::default()), Some(Refusal::Signature), "{signature:?}");
    }
    let other = EncodingKey::from_ec_pem(OTHER_256).unwrap();
    let token = signed_with(HEADER, &claims(""), Algorithm::ES256, &other);
    assert_eq!(refusal(&token, &keys, &Rules::default()), Some(Refusal::Signature));
}

#[test]
fn only_one_spelling_of_a_token_is_one() {
    let keys = keys(&[EC_256_PUBLIC]);
    let good = es256(HEADER, &claims(""));
    let (signed, signature) = good.rsplit_once('.').unwrap();
    let last = signature.as_bytes()[signature.len() - 1];
    let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let place = alphabet.iter().position(|byte| *byte == last).unwrap();
    let other_last = char::from(alphabet[place ^ 1]); // the same bytes with other bits behind them
    let odd = [
        format!("{good}="),
        format!("{good} "),
        format!(" {good}"),
        format!("{good}."),
        format!("{good}.x"),
        format!(".{good}"),
        signed.to_owned(),
        format!("{signed}."),
        format!("{signed}.{}{other_last}", &signature[..signature.len() - 1]),
        signed.replace('.', "") + "." + signature,
        good.replace('.', ".."),
        good.replacen(encoded(HEADER).as_str(), &format!("{}=", encoded(HEADER)), 1),
        String::new(),
        "..".into(),
        "a.b.c".into(),
        "A".repeat(TOKEN_BYTES + 1),
    ];
    for token in odd {
        let refused = refusal(&token, &keys, &Rules::default());
        assert!(matches!(refused, Some(Refusal::Malformed | Refusal::Signature)), "{token}: {refused:?}");
    }
    let large = es256(HEADER, &claims(&format!(r#","x":"{}""#, "x".repeat(TOKEN_BYTES))));
    assert_eq!(refusal(&large, &keys, &Rules::default()), Some(Refusal::Malformed));
}

#[test]
fn claims_are_what_they_have_to_be() {
    use Refusal::{Audience, BadClaim, Expired, Issuer, Malformed, MissingClaim, NotYet, TooLongLived};
    let keys = keys(&[EC_256_PUBLIC]);
    let rules = Rules {
        issuers: vec!["https://id".into()],
        audiences: vec!["api".into(), "other".into()],
        required: vec!["tenant".into()],
        longest_life: Some(Duration::from_secs(1000)),
        ..Rules::default()
    };
    let good = json!({
        "sub": "1", "iss": "https://id", "aud": "api", "exp": 1_800_000_100u64, "iat": 1_800_000_000u64, "tenant": "x",
    });
    let check = |changes: Value, expected: Option<Refusal>| {
        let mut claims = good.clone();
        for (name, value) in changes.as_object().unwrap() {
            claims[name] = value.clone();
        }
        if let Some(members) = claims.as_object_mut() {
            members.retain(|_, value| value != "-");
        }
        assert_eq!(refusal(&es256(HEADER, &claims.to_string()), &keys, &rules), expected, "{changes}");
    };
    for (changes, expected) in [
        (json!({}), None),
        (json!({ "exp": "-" }), Some(MissingClaim)),
        (json!({ "exp": null }), Some(BadClaim)),
        (json!({ "exp": "1800000100" }), Some(BadClaim)),
        (json!({ "exp": true }), Some(BadClaim)),
        (json!({ "exp": -1 }), Some(BadClaim)),
        (json!({ "exp": 1e300 }), Some(BadClaim)),
        (json!({ "exp": u64::MAX }), Some(BadClaim)),
        (json!({ "exp": 1_799_999_940.5 }), None), // within the leeway
        (json!({ "exp": 1_799_999_940 }), Some(Expired)),
        (json!({ "nbf": 1_800_000_060 }), None),
        (json!({ "nbf": 1_800_000_061 }), Some(NotYet)),
        (json!({ "nbf": "1" }), Some(BadClaim)),
        (json!({ "iat": 1_800_000_061 }), Some(NotYet)),
        (json!({ "iat": "-" }), Some(MissingClaim)),
        (json!({ "iat": 1_799_999_000 }), Some(TooLongLived)),
        (json!({ "iss": "https://evil" }), Some(Issuer)),
        (json!({ "iss": "https://id/" }), Some(Issuer)),
        (json!({ "iss": "-" }), Some(Issuer)),
        (json!({ "iss": ["https://id"] }), Some(BadClaim)),
        (json!({ "aud": ["x", "other"] }), None),
        (json!({ "aud": ["x"] }), Some(Audience)),
        (json!({ "aud": [] }), Some(Audience)),
        (json!({ "aud": [1] }), Some(BadClaim)),
        (json!({ "aud": { "api": 1 } }), Some(BadClaim)),
        (json!({ "aud": "-" }), Some(Audience)),
        (json!({ "aud": "API" }), Some(Audience)),
        (json!({ "sub": "" }), Some(BadClaim)),
        (json!({ "sub": 1 }), Some(BadClaim)),
        (json!({ "sub": ["1"] }), Some(BadClaim)),
        (json!({ "jti": 7 }), Some(BadClaim)),
        (json!({ "tenant": "-" }), Some(MissingClaim)),
        (json!({ "tenant": null }), Some(MissingClaim)),
    ] {
        check(changes, expected);
    }
    let deep = format!("{}1{}", "[".repeat(1000), "]".repeat(1000));
    for (claims, expected) in [
        (r#"{"exp":1800000100,"exp":1800000100}"#, Malformed),
        (r#"{"exp":1800000100,"x":{"a":[{"b":1,"b":2}]}}"#, Malformed),
        (r#"{"exp":1e400}"#, Malformed),
        (r#"{"exp":NaN}"#, Malformed),
        ("{\"exp\":1800000100,\"x\":\"\u{1}\"}", Malformed),
        (r#"{"exp":1800000100}x"#, Malformed),
        (r#"[1800000100]"#, Malformed),
        ("", Malformed),
        (&format!(r#"{{"exp":1800000100,"x":{deep}}}"#), Malformed),
    ] {
        assert_eq!(refusal(&es256(HEADER, claims), &keys, &Rules::default()), Some(expected), "{claims}");
    }
    let key = EncodingKey::from_ec_pem(EC_256).unwrap();
    let signed = format!("{}.{}", encoded(HEADER), encoded(b"{\"exp\":1800000100,\"x\":\"\xff\"}"));
    let signature = jsonwebtoken::crypto::sign(signed.as_bytes(), &key, Algorithm::ES256).unwrap();
    assert_eq!(refusal(&format!("{signed}.{signature}"), &keys, &Rules::default()), Some(Malformed));
}

#[test]
fn a_type_is_asked_for_by_name() {
    let keys = keys(&[EC_256_PUBLIC]);
    let rules = Rules { types: vec!["at+jwt".into()], ..Rules::default() };
    for (kind, fits) in [
        (r#","typ":"at+jwt""#, true),
        (r#","typ":"application/AT+JWT""#, true),
        (r#","typ":"JWT""#, false),
        ("", false),
    ] {
        let token = es256(&format!(r#"{{"alg":"ES256"{kind}}}"#), &claims(""));
        assert_eq!(refusal(&token, &keys, &rules).is_none(), fits, "{kind}");
    }
}

/// The public key of a pair as a JWK.
fn jwk(pem: &[u8], more: Value) -> Value {
    let read = |pem: &[u8]| {
        let kinds = [
            jsonwebtoken::DecodingKey::from_rsa_pem,
            jsonwebtoken::DecodingKey::from_ec_pem,
            jsonwebtoken::DecodingKey::from_ed_pem,
        ];
        kinds.iter().find_map(|read| read(pem).ok()).unwrap()
    };
    let mut jwk =
        serde_json::to_value(jsonwebtoken::jwk::Jwk::from_decoding_key(&read(pem), None).unwrap()).unwrap();
    for (name, value) in more.as_object().unwrap() {
        jwk[name] = value.clone();
    }
    jwk
}

fn set(keys: &[Value]) -> Vec<u8> {
    json!({ "keys": keys }).to_string().into_bytes()
}

fn published(keys: &[Value]) -> Result<Keys, BadKey> {
    Keys::from_set(&set(keys), Provenance::Published)
}

#[test]
fn a_set_has_the_keys_that_can_be_used() {
    let ec = jwk(EC_256_PUBLIC, json!({ "kid": "a" }));
    assert_eq!(
        published(&[ec.clone(), jwk(RSA_PUBLIC, json!({ "kid": "b", "alg": "PS256" }))]).unwrap().all().len(),
        2
    );
    let useless = [
        json!({ "use": "enc" }),
        json!({ "key_ops": ["sign"] }),
        json!({ "key_ops": "verify" }),
        json!({ "d": "AAAA" }),
        json!({ "kid": 7 }),
        json!({ "kid": "k".repeat(KEY_ID_BYTES + 1) }),
        json!({ "kty": "XX" }),
        json!({ "crv": "P-521" }),
        json!({ "crv": "P-384" }),
        json!({ "x": "AA" }),
        json!({ "x": "not base64!" }),
        json!({ "alg": "RS256" }),
        json!({ "alg": "none" }),
    ];
    for change in useless {
        let keys = published(&[ec.clone(), jwk(EC_256_PUBLIC, change.clone())]).unwrap();
        assert_eq!(keys.all().len(), 1, "{change}");
        assert_eq!(
            published(&[jwk(EC_256_PUBLIC, change.clone())]).unwrap_err(),
            BadKey::NoneUsable,
            "{change}"
        );
    }
    let secret = json!({ "kty": "oct", "k": encoded(SECRET) });
    assert_eq!(published(std::slice::from_ref(&secret)).unwrap_err(), BadKey::NoneUsable);
    let local = Keys::from_set(&set(&[secret]), Provenance::Local).unwrap();
    assert_eq!(local.all()[0].algorithms(), [Algorithm::HS256, Algorithm::HS384, Algorithm::HS512]);
    for (bytes, expected) in [
        (b"".to_vec(), BadKey::Set),
        (b"{}".to_vec(), BadKey::Set),
        (br#"{"keys":[],"keys":[]}"#.to_vec(), BadKey::Set),
        (br#"{"keys":[]}"#.to_vec(), BadKey::NoneUsable),
        (br#"{"keys":[1]}"#.to_vec(), BadKey::NoneUsable),
        (set(&vec![ec; KEYS_OF_A_SET + 1]), BadKey::TooLarge),
        (vec![b' '; crate::limits::KEYS_BYTES + 1], BadKey::TooLarge),
    ] {
        assert_eq!(Keys::from_set(&bytes, Provenance::Published).unwrap_err(), expected);
    }
}

const KEYS_OF_A_SET: usize = crate::limits::KEYS;

#[test]
fn weak_keys_are_none() {
    assert_eq!(Key::from_pem(RSA_1024_PUBLIC).unwrap_err(), BadKey::RsaSize);
    assert_eq!(Key::from_pem(b"-----BEGIN NOTHING-----").unwrap_err(), BadKey::Pem);
    assert_eq!(Key::from_pem(EC_256).unwrap_err(), BadKey::Pem, "a private key stays where it is");
    assert_eq!(Key::from_secret(&[7; 31]).unwrap_err(), BadKey::ShortSecret);
    assert_eq!(Key::from_secret(&[7; 32]).unwrap().algorithms(), [Algorithm::HS256]);
    let rsa = jwk(RSA_PUBLIC, json!({}));
    for exponent in ["AQ", "Ag", ""] {
        let mut weak = rsa.clone();
        weak["e"] = exponent.into();
        assert_eq!(published(&[weak]).unwrap_err(), BadKey::NoneUsable, "{exponent}");
    }
    for shown in [format!("{:?}", Key::from_secret(SECRET).unwrap()), format!("{:?}", keys(&[RSA_PUBLIC]))] {
        assert!(!shown.contains("7, 7") && shown.contains("Key"), "{shown}");
    }
}

#[test]
fn a_key_is_found_by_its_name() {
    let named =
        published(&[jwk(EC_256_PUBLIC, json!({ "kid": "a" })), jwk(RSA_PUBLIC, json!({ "kid": "b" }))])
            .unwrap();
    let token = |kid: &str| es256(&format!(r#"{{"alg":"ES256"{kid}}}"#), &claims(""));
    let rules = Rules::default();
    assert_eq!(refusal(&token(r#","kid":"a""#), &named, &rules), None);
    assert_eq!(refusal(&token(""), &named, &rules), None, "one that names no key is tried with all");
    assert_eq!(refusal(&token(r#","kid":"b""#), &named, &rules), Some(Refusal::Algorithm));
    assert_eq!(refusal(&token(r#","kid":"c""#), &named, &rules), Some(Refusal::UnknownKey));
    assert_eq!(
        refusal(&token(r#","kid":"c""#), &keys(&[EC_256_PUBLIC]), &rules),
        None,
        "a key without a name has any"
    );
    assert_eq!(refusal(&token(""), &Keys::default(), &rules), Some(Refusal::UnknownKey));
    let again = published(&[
        jwk(RSA_PUBLIC, json!({ "kid": "x" })),
        jwk(EC_256_PUBLIC, json!({ "kid": "new name" })),
    ])
    .unwrap();
    assert!(named.all().iter().all(|key| again.has(key.fingerprint())), "a key is the same by another name");
    assert!(
        !named.are_same_as(&again)
            && named.are_same_as(
                &published(&[
                    jwk(EC_256_PUBLIC, json!({ "kid": "a" })),
                    jwk(RSA_PUBLIC, json!({ "kid": "b" }))
                ])
                .unwrap()
            )
    );
    let narrow = published(&[jwk(RSA_PUBLIC, json!({ "alg": "PS256" }))]).unwrap();
    assert_eq!(narrow.all()[0].algorithms(), [Algorithm::PS256]);
}

/// RFC 7515 appendix A.3 (ES256) and RFC 8037 appendix A.4 (EdDSA): tokens that others have made.
#[test]
fn signatures_of_the_standards_verify() {
    let ec = json!({
        "kty": "EC", "crv": "P-256", "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
        "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
    });
    let signed = b"eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";
    let signature = "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q";
    let token = [&signed[..], b".", signature.as_bytes()].concat();
    let then = Duration::from_secs(1_300_819_000);
    let verified = verify(&token, &published(&[ec]).unwrap(), &Rules::default(), then).unwrap();
    assert_eq!(verified.claims["iss"], "joe");
    let ed = json!({ "kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo" });
    let keys = published(&[ed]).unwrap();
    let signature = "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg";
    let signed = b"eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc";
    assert!(keys.all()[0].verifies(Algorithm::EdDSA, signed, &decode(signature.as_bytes()).unwrap()));
}

#[test]
fn no_bytes_are_too_odd_to_be_refused() {
    let keys = keys(&[EC_256_PUBLIC]);
    let mut state = 1u64;
    let mut random = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    for _ in 0..2000 {
        let length = (random() % 200) as usize;
        let bytes: Vec<u8> = (0..length)
            .map(|_| if random() % 4 == 0 { b"..eyJ\"{}"[(random() % 8) as usize] } else { random() as u8 })
            .collect();
        assert!(verify(&bytes, &keys, &Rules::default(), NOW).is_err());
    }
}
