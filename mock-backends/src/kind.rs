//! What a server is for, and so which paths it knows.

use std::fmt;
use std::str::FromStr;

/// One kind of mock server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Knows `/api/v1/posts` and what is below it.
    Post,
    /// Knows `/api/v1/users` and what is below it.
    User,
    /// Knows every path: for benchmarks, and for routes of other shapes.
    Any,
}

impl Kind {
    /// All of them.
    pub const ALL: [Kind; 3] = [Kind::Post, Kind::User, Kind::Any];

    /// The name for command lines and bodies.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Post => "post",
            Kind::User => "user",
            Kind::Any => "any",
        }
    }

    /// The path at and below which this server answers; `None` is everywhere.
    pub fn root(self) -> Option<&'static str> {
        match self {
            Kind::Post => Some("/api/v1/posts"),
            Kind::User => Some("/api/v1/users"),
            Kind::Any => None,
        }
    }

    /// Whether `path` (without query) is its own. Matches whole segments: `/api/v1/postscript` is not a post.
    pub fn serves(self, path: &str) -> bool {
        let Some(root) = self.root() else { return true };
        path.strip_prefix(root).is_some_and(|below| below.is_empty() || below.starts_with('/'))
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Kind {
    type Err = String;

    fn from_str(name: &str) -> Result<Kind, String> {
        Kind::ALL
            .into_iter()
            .find(|kind| kind.name() == name)
            .ok_or_else(|| format!("no kind `{name}`; there are {}", Kind::ALL.map(Kind::name).join(", ")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roots_match_on_segment_boundaries() {
        for (kind, path, expect) in [
            (Kind::Post, "/api/v1/posts", true),
            (Kind::Post, "/api/v1/posts/", true),
            (Kind::Post, "/api/v1/posts/list", true),
            (Kind::Post, "/api/v1/postscript", false),
            (Kind::Post, "/api/v1/users", false),
            (Kind::Post, "/", false),
            (Kind::User, "/api/v1/users/profile", true),
            (Kind::User, "/api/v1/posts/list", false),
            (Kind::User, "/x/api/v1/users", false),
            (Kind::Any, "*", true),
        ] {
            assert_eq!(kind.serves(path), expect, "{kind} {path}");
        }
    }
}
