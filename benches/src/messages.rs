//! Messages as they are on the wire.

/// A request and its answer.
#[derive(Debug, Clone)]
pub struct Message {
    /// The head of the request.
    pub request: Vec<u8>,
    /// The head of the answer.
    pub response: Vec<u8>,
    /// The body of the answer.
    pub body: Body,
}

/// What a program asks another one: three fields, a short answer.
pub fn plain() -> Message {
    let request = "GET /api/v1/posts/17 HTTP/1.1\r\nHost: www.example.com\r\nUser-Agent: curl/8.10.1\r\nAccept: */*\r\n\r\n";
    let response = "HTTP/1.1 200 OK\r\nDate: Sun, 22 Nov 2026 18:00:00 GMT\r\nContent-Type: application/json\r\n\
                    Content-Length: 128\r\nConnection: keep-alive\r\n\r\n";
    Message { request: request.into(), response: response.into(), body: Body::plain(128) }
}

/// What a browser asks a site: 16 fields up and 16 down, of the sizes that are usual in 2026.
pub fn browser() -> Message {
    let request = "GET /api/v1/posts/list?page=2&sort=new HTTP/1.1\r\n\
        Host: www.example.com\r\n\
        Connection: keep-alive\r\n\
        sec-ch-ua: \"Chromium\";v=\"142\", \"Not_A Brand\";v=\"99\"\r\n\
        sec-ch-ua-mobile: ?0\r\n\
        sec-ch-ua-platform: \"Linux\"\r\n\
        Upgrade-Insecure-Requests: 1\r\n\
        User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36\r\n\
        Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8\r\n\
        Sec-Fetch-Site: same-origin\r\n\
        Sec-Fetch-Mode: navigate\r\n\
        Sec-Fetch-User: ?1\r\n\
        Sec-Fetch-Dest: document\r\n\
        Referer: https://www.example.com/api/v1/posts\r\n\
        Accept-Encoding: gzip, deflate, br, zstd\r\n\
        Accept-Language: en-GB,en;q=0.9,de;q=0.8\r\n\
        Cookie: session=0123456789abcdef0123456789abcdef; theme=dark; consent=2026-11-01\r\n\r\n";
    let response = "HTTP/1.1 200 OK\r\n\
        Date: Sun, 22 Nov 2026 18:00:00 GMT\r\n\
        Server: nginx\r\n\
        Content-Type: text/html; charset=utf-8\r\n\
        Transfer-Encoding: chunked\r\n\
        Connection: keep-alive\r\n\
        Keep-Alive: timeout=60\r\n\
        Vary: Accept-Encoding, Cookie\r\n\
        Cache-Control: private, max-age=0, must-revalidate\r\n\
        Last-Modified: Sun, 22 Nov 2026 17:59:00 GMT\r\n\
        ETag: W/\"0123456789abcdef\"\r\n\
        Set-Cookie: theme=dark; Path=/; Max-Age=31536000; Secure; HttpOnly; SameSite=Lax\r\n\
        Strict-Transport-Security: max-age=31536000; includeSubDomains\r\n\
        X-Content-Type-Options: nosniff\r\n\
        X-Frame-Options: DENY\r\n\
        Referrer-Policy: strict-origin-when-cross-origin\r\n\
        Content-Security-Policy: default-src 'self'; img-src 'self' data:; object-src 'none'\r\n\r\n";
    Message { request: request.into(), response: response.into(), body: Body::chunked(2, 1024) }
}

/// A request that three proxies and a tracing library have been at: 48 fields, two of them nominated by Connection.
pub fn crowded() -> Message {
    let mut request = String::from(
        "GET /api/v1/posts/17/comments HTTP/1.1\r\nHost: www.example.com\r\nConnection: keep-alive, x-hop, x-debug\r\n\
         X-Hop: 1\r\nX-Debug: 1\r\nVia: 1.1 edge, 1.1 middle\r\nX-Forwarded-For: 203.0.113.7, 198.51.100.2\r\n\
         X-Forwarded-Proto: https\r\nForwarded: for=203.0.113.7;proto=https\r\nX-Request-Id: 0123456789abcdef\r\n",
    );
    (0..39)
        .for_each(|number| request.push_str(&format!("X-Trace-Attribute-{number}: value of {number}\r\n")));
    request.push_str("\r\n");
    Message { request: request.into(), ..plain() }
}

/// A body that has arrived as a whole. It is decoded in place and made anew without copying it: callgrind counts each byte of
/// a long copy as an instruction.
#[derive(Debug, Clone)]
pub struct Body {
    bytes: Vec<u8>,
    /// The bytes that are not data, and where they stand. All data are alike, wherever decoding moves them.
    framing: Vec<(usize, u8)>,
}

impl Body {
    /// That many bytes.
    pub(crate) fn plain(bytes: usize) -> Body {
        Body::new("x".repeat(bytes))
    }

    /// `count` chunks of `bytes` each.
    pub(crate) fn chunked(count: usize, bytes: usize) -> Body {
        let chunk = format!("{bytes:x}\r\n{}\r\n", "x".repeat(bytes));
        Body::new(format!("{}0\r\n\r\n", chunk.repeat(count)))
    }

    fn new(text: String) -> Body {
        let framing = text.bytes().enumerate().filter(|&(_, byte)| byte != b'x').collect();
        Body { bytes: text.into(), framing }
    }

    /// The body as it arrives.
    pub(crate) fn arrive(&mut self) -> &mut [u8] {
        self.framing.iter().for_each(|&(at, byte)| self.bytes[at] = byte);
        &mut self.bytes
    }
}
