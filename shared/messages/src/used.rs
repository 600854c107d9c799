//! What a template names of the data, so that only that is kept and looked for.

use std::collections::BTreeSet;

use kairos_engine::playbook::{Channel, LocalizedMessage};

use crate::data::ROOTS;
use crate::problem::Problem;
use crate::scan::{Piece, Token, pieces, tokens};

/// What a template names of the data, each as a name with at most one field: `store.title`, `event.query`,
/// `viewed`. A template that is wrong names nothing.
pub fn names_in(source: &str) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    // The parameters of the content blocks around: in a block, they stand for what was handed over.
    let mut around: Vec<Vec<&str>> = Vec::new();
    for piece in pieces(source).unwrap_or_default() {
        if let Piece::Tag { name: "endscope", .. } = piece {
            around.pop();
        }
        let mut parameters = Vec::new();
        let is_scope = matches!(piece, Piece::Tag { name: "scope", .. });
        let (Piece::Output { inner: text, .. } | Piece::Tag { arguments: text, .. }) = piece else { continue };
        let tokens = tokens(text, 0);
        for (at, (_, token)) in tokens.iter().enumerate() {
            let is_field = at > 0 && tokens[at - 1].1 == Token::Symbol(".");
            let Token::Word(root) = token else { continue };
            if is_scope && matches!(tokens.get(at + 1), Some((_, Token::Symbol(":")))) {
                parameters.push(*root);
                continue;
            }
            let is_parameter = around.last().is_some_and(|parameters| parameters.contains(root));
            if is_field || is_parameter || !ROOTS.contains(root) {
                continue;
            }
            names.insert(match tokens.get(at + 1..).unwrap_or_default() {
                [(_, Token::Symbol(".")), (_, Token::Word(field)), ..]
                | [(_, Token::Symbol("[")), (_, Token::Text(field)), ..] => format!("{root}.{field}"),
                _ => (*root).to_owned(),
            });
        }
        if is_scope {
            around.push(parameters);
        }
    }
    names
}

/// A destination that a template names, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedDestination {
    /// Its name.
    pub name: String,
    /// Line in the template, from 1.
    pub line: usize,
    /// Column in that line, in characters, from 1.
    pub column: usize,
}

/// The destinations that a template leads to with the filter `link`, in their order. A template that is wrong names
/// none.
pub fn destinations_in(source: &str) -> Vec<NamedDestination> {
    let mut named = Vec::new();
    for piece in pieces(source).unwrap_or_default() {
        let (text, text_at) = match piece {
            Piece::Output { at, inner } => (inner, at),
            Piece::Tag { at, name, arguments } => (arguments, at + name.len()),
            Piece::Text { .. } => continue,
        };
        for three in tokens(text, text_at).windows(3) {
            if let [(at, Token::Text(name)), (_, Token::Symbol("|")), (_, Token::Word("link"))] = three {
                let place = Problem::new(*at, "").located(source);
                named.push(NamedDestination { name: (*name).to_owned(), line: place.line, column: place.column });
            }
        }
    }
    named
}

/// What the templates of a message for a channel name of the data, as [`names_in`] tells it.
pub fn names_in_message(message: &LocalizedMessage, channel: Channel) -> BTreeSet<String> {
    message.templates(channel).into_iter().flat_map(names_in).collect()
}
