//! Request methods, and sets of them.

use std::fmt;

/// A method of RFC 9110 or 5789, or any other token. Case matters (RFC 9110 section 9.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method<'a> {
    /// GET
    Get,
    /// HEAD
    Head,
    /// POST
    Post,
    /// PUT
    Put,
    /// DELETE
    Delete,
    /// CONNECT
    Connect,
    /// OPTIONS
    Options,
    /// TRACE
    Trace,
    /// PATCH
    Patch,
    /// Another token.
    Other(&'a str),
}

const KNOWN: [(Method<'static>, &str); 9] = [
    (Method::Get, "GET"),
    (Method::Head, "HEAD"),
    (Method::Post, "POST"),
    (Method::Put, "PUT"),
    (Method::Delete, "DELETE"),
    (Method::Connect, "CONNECT"),
    (Method::Options, "OPTIONS"),
    (Method::Trace, "TRACE"),
    (Method::Patch, "PATCH"),
];

impl Method<'static> {
    /// The method of that name that is more than a token.
    pub(crate) fn known(token: &str) -> Option<Method<'static>> {
        KNOWN.iter().find(|(_, name)| *name == token).map(|(known, _)| *known)
    }
}

impl<'a> Method<'a> {
    /// The method a token names.
    pub fn from_token(token: &'a str) -> Method<'a> {
        Method::known(token).unwrap_or(Method::Other(token))
    }

    /// Its token.
    pub fn name(self) -> &'a str {
        match self {
            Method::Other(token) => token,
            known => KNOWN.iter().find(|(method, _)| *method == known).map_or("", |(_, name)| name),
        }
    }

    /// Whether repeating the request has the same effect as sending it once (RFC 9110 section 9.2.2). Unknown ones have not.
    pub fn is_idempotent(self) -> bool {
        !matches!(self, Method::Post | Method::Patch | Method::Connect | Method::Other(_))
    }

    fn bit(self) -> Option<u16> {
        KNOWN.iter().position(|(method, _)| *method == self).map(|index| 1 << index)
    }
}

/// Which methods a route serves.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MethodSet {
    known: u16,
    others: Vec<Box<str>>,
}

impl MethodSet {
    /// Every method.
    pub fn any() -> MethodSet {
        MethodSet { known: u16::MAX, others: Vec::new() }
    }

    /// Whether it was made by [`any`](Self::any).
    pub fn is_any(&self) -> bool {
        self.known == u16::MAX
    }

    /// Adds one method by its token.
    pub fn insert(&mut self, token: &str) {
        let method = Method::from_token(token);
        match method.bit() {
            Some(bit) => self.known |= bit,
            None if !self.contains(method) => self.others.push(token.into()),
            None => {}
        }
    }

    /// Whether it names the method.
    pub fn contains(&self, method: Method<'_>) -> bool {
        match method.bit() {
            Some(bit) => self.known & bit != 0,
            None => self.is_any() || self.others.iter().any(|other| **other == *method.name()),
        }
    }

    /// Adds all methods of another set.
    pub fn extend(&mut self, other: &MethodSet) {
        self.known |= other.known;
        for token in &other.others {
            self.insert(token);
        }
    }
}

/// A list as the field `Allow` wants it.
impl fmt::Display for MethodSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_any() {
            return f.write_str("any");
        }
        let known = KNOWN.iter().filter(|(method, _)| self.contains(*method)).map(|(_, name)| *name);
        for (index, name) in known.chain(self.others.iter().map(|other| &**other)).enumerate() {
            f.write_str(if index == 0 { "" } else { ", " })?;
            f.write_str(name)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_lists_its_methods_in_a_fixed_order() {
        let mut set = MethodSet::default();
        for token in ["PURGE", "HEAD", "GET", "PURGE"] {
            set.insert(token);
        }
        assert_eq!(set.to_string(), "GET, HEAD, PURGE");
        assert!(set.contains(Method::from_token("PURGE")) && !set.contains(Method::from_token("get")));
    }
}
