//! Every bound of the protocol, with its reason. Over a bound we refuse; we never grow.

/// Bytes of a request or response head. nginx gives 32 KiB in four buffers, HAProxy 16 KiB; a cookie jar and two tokens fit.
pub const HEAD_BYTES: usize = 32 * 1024;
/// Bytes of a request line's target. RFC 9110 section 4.1 recommends at least 8,000 for the whole URI.
pub const TARGET_BYTES: usize = 8 * 1024;
/// Bytes of a method. The longest registered one (UPDATEREDIRECTREF) has 17.
pub const METHOD_BYTES: usize = 32;
/// Fields in a head. Browsers send about 20, apps behind proxies rarely 50.
pub const FIELDS: usize = 100;
/// Empty lines skipped before a request (RFC 9112 section 2.2 asks for at least one).
pub const LEADING_EMPTY_LINES: usize = 4;
/// Digits of a chunk size: 16 hold any 64-bit number.
pub const CHUNK_SIZE_DIGITS: u32 = 16;
/// Bytes of extensions over all chunks of one body: they are dropped, so a peer gains nothing by sending more.
pub const CHUNK_EXTENSION_BYTES: u32 = 4 * 1024;
/// Bytes of a trailer section.
pub const TRAILER_BYTES: usize = 8 * 1024;
/// Interim (1xx) responses before the final one: 103 may come several times, an endless row may not.
pub const INTERIM_RESPONSES: usize = 16;
/// Segments of a path pattern. Real ones have 3 to 10; each length of prefix in use costs a request one look-up.
pub const PATTERN_SEGMENTS: usize = 64;
/// Parameters of a path pattern: matchit 0.9 calls them by letters, and panics when it has used up the alphabet.
pub const PATTERN_PARAMETERS: usize = 25;
/// Connections to one server unless the configuration says otherwise: what Envoy gives a cluster. A server that has more to
/// do is better served by a shorter queue.
pub const SERVER_CONNECTIONS: usize = 1024;
/// Names that Connection may nominate: each field is compared with each of them. Clients nominate two or three.
pub const NOMINATIONS: usize = 64;
/// Proxies that are followed back to a client, each of which may be looked up in a list. Real chains have two or three.
pub const FORWARDING_PROXIES: usize = 32;
/// Bytes of a node's id: it is sent with every request.
pub const NODE_ID_BYTES: usize = 64;
/// Bytes of a header field's value in a log line: a browser's User-Agent has about 120.
pub const LOGGED_FIELD_BYTES: usize = 1024;
/// Bytes of a caller's name in a log line: an address of e-mail fits.
pub const LOGGED_USER_BYTES: usize = 256;
/// Bytes of a request id that is taken over from the client.
pub const REQUEST_ID_BYTES: usize = 128;
/// Bytes of a token: with roles and groups it has one or two thousand, and it is hashed at each request.
pub const TOKEN_BYTES: usize = 8 * 1024;
/// Bytes of the name of a key in a token. Thumbprints have 43.
pub const KEY_ID_BYTES: usize = 256;
/// Bytes of a set of keys. Large providers publish some 10 KB.
pub const KEYS_BYTES: usize = 1024 * 1024;
/// Keys in a set: a provider that rotates has two or three, one with many tenants some dozens.
pub const KEYS: usize = 256;
/// Keys that are tried on a token that names none: each costs tens of microseconds.
pub const KEYS_TRIED: usize = 8;

// Heads are spans of u16 into the read buffer.
const _: () = assert!(HEAD_BYTES <= u16::MAX as usize);
// The target has to fit into the head with room for fields.
const _: () = assert!(TARGET_BYTES < HEAD_BYTES);
