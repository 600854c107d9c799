//! What a template can name, and of what kind it is.

use crate::problem::{Problem, instead};
use crate::syntax::Path;

/// What a value is, as far as can be told before there is data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Text,
    Number,
    Money,
    Flag,
    Person,
    Cart,
    Items,
    Item,
    Loop,
    /// Several of these, or nothing.
    Any,
}

impl Kind {
    /// What stands behind a dot.
    pub(crate) const fn fields(self) -> &'static [(&'static str, Self)] {
        match self {
            Self::Person => &[("id", Self::Text), ("first_name", Self::Text), ("last_name", Self::Text)],
            Self::Cart => &[("items", Self::Items), ("total", Self::Money), ("currency", Self::Text)],
            Self::Items => &[("size", Self::Number), ("first", Self::Item), ("last", Self::Item)],
            Self::Item => &[
                ("id", Self::Text),
                ("name", Self::Text),
                ("price", Self::Money),
                ("currency", Self::Text),
                ("quantity", Self::Number),
                ("image_url", Self::Text),
                ("url", Self::Text),
            ],
            Self::Loop => &[
                ("index", Self::Number),
                ("index0", Self::Number),
                ("rindex", Self::Number),
                ("rindex0", Self::Number),
                ("length", Self::Number),
                ("first", Self::Flag),
                ("last", Self::Flag),
            ],
            Self::Text | Self::Number | Self::Money | Self::Flag | Self::Any => &[],
        }
    }

    /// Whether it can stand in a text.
    pub(crate) const fn is_shown(self) -> bool {
        matches!(self, Self::Text | Self::Number | Self::Money | Self::Flag | Self::Any)
    }
}

/// The names known at a place of a template.
pub(crate) struct Names {
    known: Vec<(String, Kind)>,
}

impl Names {
    pub(crate) fn new() -> Self {
        Self { known: vec![("user".into(), Kind::Person), ("cart".into(), Kind::Cart)] }
    }

    /// How many there are; give it to [`Self::forget`] later.
    pub(crate) fn mark(&self) -> usize {
        self.known.len()
    }

    /// Adds a name that is known inside a loop only.
    pub(crate) fn push(&mut self, name: &str, kind: Kind) {
        self.known.push((name.into(), kind));
    }

    /// Forgets the loop names that came after a mark; what was assigned there stays.
    pub(crate) fn forget(&mut self, mark: usize, count: usize) {
        self.known.drain(mark..mark + count);
    }

    /// Adds or changes an assigned name.
    pub(crate) fn assign(&mut self, name: &str, kind: Kind) {
        match self.known.iter_mut().find(|(known, _)| known == name) {
            Some((_, known)) if *known == kind => {}
            // It may be either, depending on the branches taken.
            Some((_, known)) => *known = Kind::Any,
            None => self.known.push((name.into(), kind)),
        }
    }

    pub(crate) fn is_known(&self, name: &str) -> bool {
        self.known.iter().any(|(known, _)| known == name)
    }

    /// The kind of what a path leads to.
    pub(crate) fn resolve(&self, path: &Path) -> Result<Kind, Problem> {
        let root = self.known.iter().rev().find(|(name, _)| *name == path.root);
        let Some(mut kind) = root.map(|(_, kind)| *kind) else {
            let names: Vec<&str> = self.known.iter().map(|(name, _)| name.as_str()).collect();
            return Err(Problem::new(path.at, format!("there is no variable `{}`", path.root))
                .help(self.meant(&path.root).unwrap_or_else(|| instead(&path.root, &names))));
        };
        let mut so_far = path.root.clone();
        for key in &path.keys {
            let name = match key {
                crate::syntax::Key::Index(_) if kind == Kind::Items => {
                    kind = Kind::Item;
                    so_far.push_str("[…]");
                    continue;
                }
                crate::syntax::Key::Index(_) => {
                    return Err(Problem::new(path.at, format!("`{so_far}` is not a list"))
                        .help("only `cart.items` can be counted through"));
                }
                crate::syntax::Key::Name(name) => name,
            };
            let fields = kind.fields();
            if fields.is_empty() {
                return Err(Problem::new(path.at, format!("`{so_far}` has no parts, so no `{name}`"))
                    .help(format!("write `{so_far}`")));
            }
            match fields.iter().find(|(field, _)| field == name) {
                Some((_, next)) => kind = *next,
                None => {
                    let there_are: Vec<&str> = fields.iter().map(|(field, _)| *field).collect();
                    return Err(
                        Problem::new(path.at, format!("`{so_far}` has no `{name}`")).help(instead(name, &there_are))
                    );
                }
            }
            so_far.push('.');
            so_far.push_str(name);
        }
        Ok(kind)
    }

    /// A bare field name is a frequent slip: `first_name` for `user.first_name`.
    fn meant(&self, name: &str) -> Option<String> {
        self.known
            .iter()
            .find(|(_, kind)| kind.fields().iter().any(|(field, _)| *field == name))
            .map(|(owner, _)| format!("did you mean `{owner}.{name}`?"))
    }
}
