//! What of a compiled configuration came from the environment, for those who show it.
//!
//! Text that the gateway has understood as something (an address, a duration, a method, a word of the language) is shown
//! as that. Text that it only compares or passes on (names, hosts, paths, servers, values of fields) may be a secret and
//! is shown as it is written.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use ringgate_core::route::Route;
use toml::Spanned;

use super::file::{Fields, File, Servers, Text};

/// How texts from the environment are written, by what they say.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Veil {
    texts: HashMap<Box<str>, Box<str>>,
    /// The same of texts that are shown within others.
    pieces: Vec<(Box<str>, Box<str>)>,
}

/// Bytes from which on a piece of text can be a secret: shorter ones stand in every other word.
const SECRET_BYTES: usize = 3;

impl Veil {
    /// That of a file; the compiled routes are in the same order.
    pub(super) fn of<'a>(file: &File, compiled: impl IntoIterator<Item = &'a Arc<Route>>) -> Veil {
        let mut veil = Veil::default();
        veil.note(file.node_id.as_ref(), None);
        file.pools.values().for_each(|pool| veil.note_servers(pool.servers.as_ref()));
        let asked = file.policies.values();
        let asked = asked.flat_map(|policy| {
            policy.roles.iter().chain(&policy.scopes).chain(policy.claims.values().flatten())
        });
        asked.for_each(|text| veil.note_pieces(text));
        let policies = file.policies.values().flat_map(|policy| [&policy.request, &policy.response]);
        policies.chain([&file.request, &file.response]).for_each(|fields| veil.note_fields(fields));
        for (written, route) in file.routes.iter().map(Spanned::get_ref).zip(compiled) {
            let paths = written.path.as_ref().or(written.prefix.as_ref());
            veil.note(paths, Some(&route.pattern.to_string()));
            veil.note(written.name.as_ref(), None);
            veil.note(written.host.as_ref(), route.host.as_deref());
            veil.note_servers(written.servers.as_ref());
            written.headers.values().for_each(|value| veil.note(Some(value), None));
            [&written.request, &written.response].into_iter().for_each(|fields| veil.note_fields(fields));
            [&written.rewrite, &written.rewrite_query]
                .into_iter()
                .flatten()
                .for_each(|text| veil.note_pieces(text));
            let asked = [&written.roles, &written.scopes].into_iter().flatten().flat_map(Spanned::get_ref);
            asked
                .chain(written.claims.iter().flat_map(|claims| claims.values().flatten()))
                .for_each(|text| veil.note_pieces(text));
        }
        veil
    }

    fn note_fields(&mut self, fields: &Fields) {
        fields.set.values().for_each(|template| self.note_pieces(template));
    }

    /// What of a template is text, which is shown with what its variables stand for in between; of other text all.
    fn note_pieces(&mut self, template: &Text) {
        let words = template.get_ref();
        let Some(written) = words.written() else { return };
        let pieces = words.split('{').enumerate().map(|(place, piece)| {
            if place == 0 { piece } else { piece.split_once('}').map_or(piece, |(_, text)| text) }
        });
        let known = pieces.filter(|piece| piece.len() >= SECRET_BYTES);
        self.pieces.extend(known.map(|piece| (piece.into(), written.into())));
    }

    fn note_servers(&mut self, servers: Option<&Servers>) {
        let servers = servers.into_iter().flat_map(Spanned::get_ref);
        servers.for_each(|server| self.note(Some(server), None));
    }

    /// The text, or how it is written if it came from the environment.
    pub(crate) fn shown<'a>(&'a self, text: &'a str) -> &'a str {
        self.texts.get(text).map_or(text, |written| written)
    }

    /// The same for each word of a text.
    pub(crate) fn words(&self, text: &str) -> String {
        let text = self
            .pieces
            .iter()
            .fold(text.to_owned(), |text, (piece, written)| text.replace(&**piece, written));
        let word = |word: &str| {
            let plain = word.trim_end_matches([' ', '\r', '\n']);
            format!("{}{}", self.shown(plain), &word[plain.len()..])
        };
        text.split_inclusive([' ', '\n']).map(word).collect()
    }

    /// Remembers how a text is written, if it came from the environment; it is known as `compiled`, or as what it says.
    fn note(&mut self, text: Option<&Text>, compiled: Option<&str>) {
        let Some(words) = text.map(Spanned::get_ref) else { return };
        if let Some(written) = words.written() {
            self.texts.insert(compiled.unwrap_or(words).into(), written.into());
        }
    }
}

impl fmt::Debug for Veil {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.texts.values()).finish()
    }
}
